"""Template tags for what concerns the reader and other people: sharing, following, notices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _

from oceanid.models import Delivery, DeliveryState, Job, Notice, ShareRight, Subject
from oceanid.services import notices, policy, preferences, sharing
from oceanid.supervisor import messages
from oceanid.templatetags.oceanid import tone

register = template.Library()

TONES = {
    "OK": "done",
    "DEG": "held",
    "DOWN": "bad",
    "FAI": "bad",
    "BUD": "held",
    "IDL": "stop",
    "SHR": "quiet",
    DeliveryState.OPEN: "quiet",
    DeliveryState.WAITING: "wait",
    DeliveryState.SENT: "done",
    DeliveryState.FAILED: "bad",
}


@register.inclusion_tag("oceanid/parts/share.html", takes_context=True)
def share_panel(context: template.RequestContext, job: Job) -> dict[str, Any]:
    """Who has a right to a job, for those who may change it; two queries."""
    request = context["request"]
    if not policy.may_share(request.user, job):
        return {"may_share": False}
    return {
        "may_share": True,
        "job": job,
        "holders": sharing.holders(job),
        "rights": ShareRight.choices,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("oceanid/parts/watch.html", takes_context=True)
def watch_button(context: template.RequestContext, job: Job) -> dict[str, Any]:
    """Whether the reader is told when a job ends, while it may end; one query."""
    if job.job_state.is_final:
        return {}
    is_watched = preferences.is_watched(context["request"].user, job)
    return {"job": job, "is_watched": is_watched, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("oceanid/parts/bell.html", takes_context=True)
def notice_bell(context: template.RequestContext) -> dict[str, Any]:
    """The bell of a page; one query."""
    request = getattr(context, "request", None) or context.get("request")
    return {"unread": notices.unread(request.user) if request is not None else 0}


@register.simple_tag
def told(thing: Notice | Delivery) -> str:
    """What a notice or a message says, in a line."""
    return messages.title(thing)


@register.filter
def headline(item: Mapping[str, Any]) -> str:
    """What one change is, in a line."""
    return messages.headline(item)


@register.filter
def item_url(item: Mapping[str, Any]) -> str:
    """Where what changed is looked at; "" where there is no page of it."""
    if item["subject"] == Subject.JOB:
        return reverse("oceanid:job", args=[item["id"]])
    if item["subject"] == Subject.WEBHOOK:
        return reverse("oceanid:webhook", args=[item["id"]])
    if item["subject"] == Subject.CLUSTER:
        return messages.cluster_path(item["id"])
    return ""


@register.filter
def item_tone(item: Mapping[str, Any]) -> str:
    """The name of a change's colour."""
    if item["subject"] == Subject.WEBHOOK:
        return "held"
    return TONES.get(item["state"]) or tone(item["state"])


@register.filter
def delivery_tone(message: Delivery) -> str:
    """The name of a message's colour."""
    return TONES.get(message.state, "other")


@register.filter
def moment(text: str) -> datetime:
    """A time as it stands in a change."""
    return datetime.fromisoformat(text)


@register.filter
def counts(thing: Notice | Delivery) -> str:
    """How many changes of each word a digest tells of."""
    return ", ".join(f"{count} {_(word)}" for word, count in thing.counts.items())
