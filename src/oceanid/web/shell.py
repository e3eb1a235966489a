"""What stands around every page: who is here, where to go, and what does not work right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from oceanid import conf
from oceanid.models import Scheduler
from oceanid.services import beats
from oceanid.states import Health


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that everyone should know now.

    Args:
        kind: ``danger`` or ``warning``.
        title: What is the matter.
        text: What it means, and what to do.
    """

    kind: str
    title: str
    text: str


class Shell:
    """The frame of one page; asks the database only for what the template shows."""

    def __init__(self, request: HttpRequest | None) -> None:
        self.request = request

    @cached_property
    def user(self) -> Any:
        """Who is looking, or None."""
        user = getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @cached_property
    def banners(self) -> list[Banner]:
        """What does not work right now; two queries."""
        return banners(self.user) if self.user else []

    @cached_property
    def live(self) -> str:
        """How the page follows changes: ``stream`` or ``poll``."""
        return "stream" if self.request is not None and can_stream(self.request) else "poll"

    @cached_property
    def messages(self) -> list[Any]:
        """What the last action said."""
        return list(get_messages(self.request)) if self.request is not None else []

    @cached_property
    def urls(self) -> dict[str, str]:
        """Addresses of the site around us, "" where there is no such page."""
        logout = _address("logout") or _address("accounts:logout") or _address("admin:logout")
        admin = _address("admin:index") if getattr(self.user, "is_staff", False) else ""
        return {"login": resolve_url(settings.LOGIN_URL), "logout": logout, "admin": admin}

    @cached_property
    def title(self) -> str:
        """The section's name."""
        return conf.current().admin_title


def can_stream(request: HttpRequest) -> bool:
    """Whether a stream may be held open: never where it would hold a worker (WSGI)."""
    live = conf.current().live
    return live != "poll" and isinstance(request, ASGIRequest)


def banners(user: Any) -> list[Banner]:
    """What everyone should know: a supervisor that is not there, schedulers that don't answer;
    why they don't, with hosts and accounts, is told to staff alone."""
    found = []
    if not beats.is_alive():
        text = _("Jobs wait until it runs: an administrator starts it with “oceanid supervise”.")
        found.append(Banner("danger", _("The supervisor isn't running."), text))
    lost = Scheduler.objects.filter(enabled=True, health=Health.UNREACHABLE.value)
    for name, message in lost.order_by("name").values_list("name", "health_message")[:5]:
        text = _("Its jobs keep the last state that was seen.")
        title = _("The scheduler “%(name)s” can't be reached.") % {"name": name}
        why = message if user.is_staff else ""
        found.append(Banner("warning", title, f"{why} {text}".strip()))
    return found


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
