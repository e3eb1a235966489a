"""What a message says: as JSON for a webhook, as text and HTML for an e-mail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from oceanid import conf
from oceanid.models import Delivery, Subject

NAME_SHOWN = 80
LISTED = 20


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail."""

    subject: str
    text: str
    html: str


def payload(message: Delivery) -> bytes:
    """The body of a webhook's message; the same at each try."""
    told = {
        "id": str(message.uuid),
        "type": "test" if message.is_test else "changes",
        "count": message.count,
        "counts": message.counts,
        "is_cut": message.count > len(message.items),
        "changes": [_change(item) for item in message.items],
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def mail(message: Delivery) -> Mail:
    """The e-mail, in the site's language and time zone."""
    with translation.override(settings.LANGUAGE_CODE), timezone.override(None):
        items = [
            {
                "title": headline(item),
                "message": item["message"],
                "at": timezone.localtime(datetime.fromisoformat(item["at"])),
                "url": address_of(item),
            }
            for item in message.items[:LISTED]
        ]
        subject = _one_line(title(message))
        context = {
            "subject": subject,
            "site": conf.current().admin_title,
            "items": items,
            "more": message.count - len(items),
            "all_url": _absolute("notices"),
            "settings_url": _absolute("notice-settings"),
        }
        return Mail(
            f"[{_one_line(conf.current().admin_title)}] {subject}",
            render_to_string("oceanid/mail/notice.txt", context),
            render_to_string("oceanid/mail/notice.html", context),
        )


def title(message: Any) -> str:
    """What a notice or a message says, in a line."""
    if message.only is not None:
        return headline(message.only)
    counts = ", ".join(f"{count} {_(word)}" for word, count in message.counts.items())
    return _("%(count)d changes: %(counts)s") % {"count": message.count, "counts": counts}


def headline(item: Mapping[str, Any]) -> str:
    """What one change is, in a line."""
    name = item["name"]
    name = name if len(name) <= NAME_SHOWN else f"{name[:NAME_SHOWN]}…"
    return f"{name}: {_(item['word'])}"


def address_of(item: Mapping[str, Any]) -> str:
    """Where a person looks at what changed; "" when the portal does not know its own address."""
    if item["subject"] == Subject.JOB:
        return _absolute("job", item["id"])
    if item["subject"] == Subject.WEBHOOK:
        return _absolute("webhook", item["id"])
    if item["subject"] == Subject.CLUSTER:
        base, path = conf.current().base_url.rstrip("/"), cluster_path(item["id"])
        return base + path if base and path else ""
    return _absolute("jobs")


def cluster_path(key: int) -> str:
    """The path of a cluster's page; "" in a site without our admin."""
    try:
        return reverse("admin:oceanid_cluster_watch", args=[key])
    except NoReverseMatch:
        return ""


def _change(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("subject", "id", "uuid", "name", "app", "attempt", "before", "at", "message")
    told = {name: item[name] for name in names if name in item}
    return told | {"status": item["word"], "url": address_of(item)}


def _absolute(name: str, *arguments: Any) -> str:
    base = conf.current().base_url.rstrip("/")
    if not base:
        return ""
    try:
        return base + reverse(f"oceanid:{name}", args=arguments)
    except NoReverseMatch:
        return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
