"""The site's one OCEANID dictionary, read into typed values."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from oceanid.errors import InvalidSettings


@dataclass(frozen=True, slots=True)
class Local:
    """The embedded local engine.

    Args:
        cpus: Processors that jobs may use; None for all of this machine's.
        memory_mib: Memory that jobs may use; None for nine tenths of this machine's.
        run_as: Another Unix user to run jobs as; needs root.
        disk_reserve_mib: Free space below which no job starts and a writing one is ended.
        max_output_mib: The most that one file of a job may hold; None for no limit.
    """

    cpus: int | None = None
    memory_mib: int | None = None
    run_as: str = ""
    disk_reserve_mib: int = 512
    max_output_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may have at once; 0 means no limit.

    Args:
        active_jobs: Jobs that were executed and have not ended.
        running_tasks: Tasks at an engine without a queue of its own.
        tasks_per_job: Processes of one array job.
    """

    active_jobs: int = 100_000
    running_tasks: int = 0
    tasks_per_job: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished jobs stay, with their events, tasks and directories.

    Args:
        days: Days after the end; None keeps for ever.
        by_app: Days for each app's label, instead of ``days``.
        by_user: Days for each user's name, instead of both.
        audit_days: Days that the audit history goes back; None keeps it for ever.
    """

    days: int | None = None
    by_app: Mapping[str, int | None] = field(default_factory=dict)
    by_user: Mapping[str, int | None] = field(default_factory=dict)
    audit_days: int | None = None


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The supervisor's clocks, in seconds.

    Args:
        lease_s: How long a lease lasts without renewal.
        beat_s: How often leases are renewed and the heartbeat is written.
        poll_s: How often SQLite is asked whether anything changed.
        sweep_s: How often everything is looked at although nothing seemed to change.
        step_timeout_s: The most that one step at an engine may take.
        stop_grace_s: How long a stop waits for steps under way.
        results_timeout_s: The most that a results function may take.
        results_tries: How often a failing results function is tried.
    """

    lease_s: float = 10.0
    beat_s: float = 3.0
    poll_s: float = 0.1
    sweep_s: float = 30.0
    step_timeout_s: float = 60.0
    stop_grace_s: float = 3.0
    results_timeout_s: float = 3600.0
    results_tries: int = 5


@dataclass(frozen=True, slots=True)
class Notifications:
    """What people are told outside the pages.

    Args:
        email: Whether e-mails are sent, by Django's e-mail settings.
        webhooks: Whether people may have webhooks.
        webhook_targets: Hosts (``name``, ``name:port``) and networks (``10.1.2.0/24``) that
            webhooks may reach although they are private or have no TLS.
        webhook_timeout_s: The most that one try may take.
        webhook_tries: How often a message is tried.
        webhook_failures: Failed tries in a row after which a webhook is switched off.
        keep_days: Days after which notices and the log of deliveries are forgotten.
    """

    email: bool = True
    webhooks: bool = True
    webhook_targets: tuple[str, ...] = ()
    webhook_timeout_s: float = 10.0
    webhook_tries: int = 7
    webhook_failures: int = 20
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class Clusters:
    """How clusters in a cloud are looked after.

    Args:
        busy_look_s: Seconds between looks at a cluster in which something is under way.
        look_s: Seconds between looks at one in which nothing is; one call each.
        queue_s: Seconds between looks into the database for jobs that wait for machines.
        boot_minutes: Minutes within which a machine must have joined its pool, and after which
            one that is silent is given up.
        most_failures: Failures in a row after which no machine is made any more until *repair*.
        damping_minutes: Minutes for which fewer machines must be enough before any goes.
        short_minutes: Minutes until machines are asked for again that the cloud did not have.
        token_days: Days for which what a worker boots with lets it join its pool; it gets newer
            tokens by itself.
        nodes_days: Days for which machines that are gone are remembered.
        ssh_from: Networks (``203.0.113.7/32``) from which a master's SSH port can be reached where
            the cluster itself names none; without any no cluster is made.
    """

    busy_look_s: float = 5.0
    look_s: float = 60.0
    queue_s: float = 10.0
    boot_minutes: float = 15.0
    most_failures: int = 3
    damping_minutes: float = 5.0
    short_minutes: float = 5.0
    token_days: int = 1
    nodes_days: int = 7
    ssh_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a site may set, each with a default that works.

    Args:
        data_dir: Where job directories and engines' spools live.
        admin_title: The heading of the section in the site admin.
        base_url: The portal's own address as jobs reach it, for callbacks; "" when unknown.
        callback_days: How long a callback address stays valid.
        default_scheduler: The scheduler of jobs that name none, where Settings say no other.
        secret_keys: Keys for secrets at rest, newest first; empty derives one from SECRET_KEY.
        live: ``auto``, ``stream`` or ``poll``: how pages follow changes.
        metrics_token: What a scraper of /metrics brings as its bearer token; "" lets in staff only.
    """

    data_dir: str = ""
    admin_title: str = "Tethys Compute"
    base_url: str = ""
    callback_days: int = 30
    default_scheduler: str = "local"
    secret_keys: tuple[str, ...] = ()
    live: str = "auto"
    metrics_token: str = ""
    local: Local = field(default_factory=Local)
    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    supervisor: Supervisor = field(default_factory=Supervisor)
    notifications: Notifications = field(default_factory=Notifications)
    clusters: Clusters = field(default_factory=Clusters)


_SECTIONS: Mapping[str, type[Any]] = {
    "local": Local,
    "limits": Limits,
    "retention": Retention,
    "supervisor": Supervisor,
    "notifications": Notifications,
    "clusters": Clusters,
}


_known: tuple[Any, Settings] | None = None


def read(given: Mapping[str, Any]) -> Settings:
    """Read an OCEANID dictionary; keys are the fields' names in capitals.

    Raises:
        InvalidSettings: A key is unknown or a value has the wrong type.
    """
    found: Settings = _build(Settings, given, "OCEANID")
    return found


def current() -> Settings:
    """The running site's settings."""
    from django.conf import settings

    global _known
    given = getattr(settings, "OCEANID", {})
    if _known is None or _known[0] != given:
        _known = (deepcopy(given), read(given))
    return _known[1]


def data_dir() -> Path:
    """The absolute directory of everything that Oceanid keeps outside the database."""
    configured = current().data_dir
    if configured:
        return _resolved(configured)
    from django.conf import settings

    base = getattr(settings, "BASE_DIR", None) or _xdg_data()
    return _resolved(str(base)) / "var" / "oceanid"


@lru_cache(maxsize=8)
def _resolved(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _xdg_data() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "oceanid"
    return Path.home() / ".local" / "share" / "oceanid"


def _build(kind: type[Any], given: Mapping[str, Any], path: str) -> Any:
    if not isinstance(given, Mapping):
        raise InvalidSettings(
            "{path} must be a dictionary, not {name}.", path=path, name=type(given).__name__
        )
    known = {each.name.upper(): each for each in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise InvalidSettings(
                "{path} has an unknown key “{key}”.",
                hint="Known are: {known}.",
                path=path,
                key=key,
                known=", ".join(known),
            )
        name = known[key].name
        if name in _SECTIONS and kind is Settings:
            values[name] = _build(_SECTIONS[name], value, f"{path}[{key!r}]")
        else:
            values[name] = _checked(value, getattr(kind(), name), f"{path}[{key!r}]")
    return kind(**values)


def _checked(value: Any, default: Any, path: str) -> Any:
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(default, Mapping) and isinstance(value, Mapping):
        return dict(value)
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if default is None and (value is None or (isinstance(value, int) and value >= 0)):
        return value
    if isinstance(default, str) and isinstance(value, str | Path):
        return str(value)
    if default is not None and type(value) is type(default):
        if isinstance(value, int) and value < 0:
            raise InvalidSettings("{path} can't be negative.", path=path)
        return value
    wanted = "a whole number or None" if default is None else type(default).__name__
    raise InvalidSettings(
        "{path} must be {wanted}, not {value!r}.", path=path, wanted=wanted, value=value
    )
