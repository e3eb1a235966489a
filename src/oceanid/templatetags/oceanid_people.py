"""Template tags for what concerns the reader and other people: sharing a job."""

from __future__ import annotations

from typing import Any

from django import template

from oceanid.models import Job, ShareRight
from oceanid.services import policy, sharing

register = template.Library()


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
