"""System checks: what is wrong with a site's settings, said before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections
from django.urls import NoReverseMatch, reverse

from oceanid.conf import Settings, read
from oceanid.errors import InvalidSettings
from oceanid.services import targets

LIVE = ("auto", "stream", "poll")


@checks.register("oceanid")
def settings_can_be_used(
    *, app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Find mistakes in the OCEANID dictionary."""
    try:
        given = read(getattr(settings, "OCEANID", {}))
    except InvalidSettings as problem:
        return [checks.Error(problem.message, hint=problem.hint or None, id="oceanid.E001")]
    return [*_values(given), *_sqlite_options()]


@checks.register("oceanid", checks.Tags.urls)
def pages_have_an_address(
    *, app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Find that the pages are nowhere; a Tethys Portal only logs it when it can't include them."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        reverse("oceanid:jobs")
    except NoReverseMatch:
        return [
            checks.Warning(
                "Oceanid's pages have no address in this site.",
                hint='Add path("compute/", include("oceanid.urls")) to its urlpatterns; in a '
                "Tethys Portal, oceanid.tethys.urlpatterns to ADDITIONAL_URLPATTERNS.",
                id="oceanid.W002",
            )
        ]
    return []


@checks.register("oceanid", checks.Tags.database)
def engines_in_use_work(
    *, app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Find schedulers whose engine is missing or broken; unused engines are no one's trouble."""
    from oceanid.engines.registry import installed
    from oceanid.models import Scheduler

    if not databases or "default" not in databases:
        return []
    try:
        rows = list(Scheduler.objects.filter(enabled=True).values_list("name", "engine"))
    except DatabaseError:
        return []
    entries = {entry.name: entry for entry in installed()}
    return [
        checks.Warning(
            f"The scheduler “{name}” needs the engine “{engine}”, which "
            + (f"can't be used: {entries[engine].problem}" if engine in entries else "is missing."),
            hint="Install what is missing, or switch the scheduler off in the site admin.",
            id="oceanid.W001",
        )
        for name, engine in rows
        if engine not in entries or entries[engine].problem
    ]


def _values(given: Settings) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    if given.live not in LIVE:
        found.append(
            checks.Error(
                f"OCEANID['LIVE'] is {given.live!r}.",
                hint=f"It is one of {', '.join(LIVE)}.",
                id="oceanid.E002",
            )
        )
    clocks = given.supervisor
    if not 0 < clocks.beat_s <= clocks.lease_s / 2:
        found.append(
            checks.Error(
                "OCEANID['SUPERVISOR']['BEAT_S'] must be above 0 and at most half of LEASE_S.",
                hint="A lease must survive one missed renewal.",
                id="oceanid.E003",
            )
        )
    if clocks.poll_s <= 0:
        found.append(
            checks.Error("OCEANID['SUPERVISOR']['POLL_S'] must be above 0.", id="oceanid.E004")
        )
    if given.base_url and not given.base_url.startswith(("http://", "https://")):
        found.append(
            checks.Error(
                f"OCEANID['BASE_URL'] is {given.base_url!r}.",
                hint="It begins with http:// or https://.",
                id="oceanid.E005",
            )
        )
    for entry in given.notifications.webhook_targets:
        if not targets.is_entry(str(entry)):
            found.append(
                checks.Error(
                    f"OCEANID['NOTIFICATIONS']['WEBHOOK_TARGETS'] has {entry!r}.",
                    hint="An entry is a host, a host with a port, or a network: chat.intern, "
                    "ci.intern:8080, 10.20.0.0/24.",
                    id="oceanid.E006",
                )
            )
    return found


def _sqlite_options() -> list[checks.CheckMessage]:
    if connections["default"].vendor != "sqlite":
        return []
    options = connections["default"].settings_dict.get("OPTIONS", {})
    lacking = [
        wanted
        for wanted, there in (
            ('"transaction_mode": "IMMEDIATE"', options.get("transaction_mode") == "IMMEDIATE"),
            (
                '"init_command": "PRAGMA journal_mode=WAL"',
                "journal_mode=wal" in str(options.get("init_command", "")).lower(),
            ),
        )
        if not there
    ]
    if not lacking:
        return []
    return [
        checks.Info(
            "Oceanid works with this SQLite database; with other options it waits less.",
            hint=f"Add {' and '.join(lacking)} to DATABASES['default']['OPTIONS'].",
            id="oceanid.I001",
        )
    ]
