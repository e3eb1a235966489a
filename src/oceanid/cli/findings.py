"""What a doctor looks at, one function a thing; each tells what it found and the cure."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from oceanid.errors import OceanidError

MIB = 1024 * 1024
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


class Level(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    MAYBE = "maybe"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: The thing.
        level: ``maybe`` is for what only some need, or what may be as it should.
        found: What it is like.
        cure: What to do; "" when there is nothing to do.
    """

    name: str
    level: Level
    found: str
    cure: str = ""


def look() -> list[Finding]:
    """Look at everything; a look that fails is a finding too and stops nothing."""
    rooms: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _settings,
        _database,
        _directories,
        _supervisor,
        _schedulers,
        _engines,
        _for_developers,
    ]
    found: list[Finding] = []
    for finding in (each for room in rooms for each in _guarded(room)):
        # What keeps one room from being looked at keeps the next one too: it is told once.
        if finding.level is not Level.WRONG or finding.found not in {one.found for one in found}:
            found.append(finding)
    return found


def _guarded(room: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from room()
    except OceanidError as problem:
        name = room.__name__.strip("_").replace("_", " ").capitalize()
        yield Finding(name, Level.WRONG, problem.message, problem.hint)
    except Exception as problem:  # noqa: BLE001 - the doctor tells of whatever is broken
        name = room.__name__.strip("_").replace("_", " ").capitalize()
        yield Finding(name, Level.WRONG, f"{type(problem).__name__}: {problem}")


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Python", Level.OK, f"{version} at {sys.executable}")
    yield Finding("SQLite library", Level.OK, sqlite3.sqlite_version)


def _settings() -> Iterator[Finding]:
    from django.apps import apps
    from django.conf import settings

    from oceanid import conf

    conf.current()
    if not apps.ready:
        import django

        django.setup()
    yield Finding("Settings", Level.OK, str(settings.SETTINGS_MODULE))
    for name in getattr(settings, "PORTAL_APPS", []):
        if find_spec(name.split(".")[0]) is None:
            yield Finding(
                f"App {name}", Level.WRONG, "is not installed", f"Install {name}, or take it out."
            )


def _database() -> Iterator[Finding]:
    from django.db import DatabaseError, connection

    from oceanid import vitals

    name = f"{connection.vendor} {connection.settings_dict['NAME']}"
    try:
        lacking = vitals.missing_migrations()
    except DatabaseError as problem:
        yield Finding(
            "Database", Level.WRONG, f"{name}: {problem}", "Start it, or correct its address."
        )
        return
    yield Finding("Database", Level.OK, name)
    if lacking:
        cure = "`oceanid up` does it, or `manage.py migrate` in a site of your own."
        yield Finding("Tables", Level.MAYBE, f"{len(lacking)} migrations are missing", cure)
    else:
        yield Finding("Tables", Level.OK, "up to date")


def _directories() -> Iterator[Finding]:
    from oceanid import conf

    directory = conf.data_dir()
    standing = next(each for each in [directory, *directory.parents] if each.exists())
    free_mib = shutil.disk_usage(standing).free // MIB
    reserve_mib = conf.current().local.disk_reserve_mib
    if not _writable(standing):
        yield Finding(
            "Data directory",
            Level.WRONG,
            f"{directory} can't be written",
            "Give it to this account, or set OCEANID['DATA_DIR'].",
        )
    else:
        yield Finding("Data directory", Level.OK, str(directory))
    if free_mib <= reserve_mib:
        cure = "Make room; no job starts below OCEANID['LOCAL']['DISK_RESERVE_MIB']."
        yield Finding("Disk", Level.WRONG, f"{free_mib} MiB free", cure)
    else:
        yield Finding("Disk", Level.OK, f"{free_mib:,} MiB free")


def _writable(directory: Path) -> bool:
    return os.access(directory, os.W_OK | os.X_OK)


def _supervisor() -> Iterator[Finding]:
    from django.db import DatabaseError

    from oceanid import vitals

    try:
        age_s, alive = vitals.beat_age_s(), vitals.supervisors_alive()
        stopped_s = vitals.stopped_age_s()
    except DatabaseError:
        return
    if alive:
        yield Finding("Supervisor", Level.OK, f"{alive} alive, last beat {age_s:.0f} s ago")
    else:
        if stopped_s is not None:
            told = f"none runs; the last one stopped {stopped_s:.0f} s ago"
        elif age_s is not None:
            told = f"silent for {age_s:.0f} s"
        else:
            told = "none has run yet"
        cure = "`oceanid up`, or `manage.py oceanid_supervisor` in a site of your own."
        yield Finding("Supervisor", Level.MAYBE, told, cure)


def _schedulers() -> Iterator[Finding]:
    from django.db import DatabaseError

    from oceanid import vitals
    from oceanid.states import Health

    try:
        found = vitals.schedulers()
    except DatabaseError:
        return
    for each in found:
        name = f"Scheduler {each.name}"
        told = each.message or Health(each.health).name.lower()
        if not each.enabled:
            yield Finding(name, Level.MAYBE, "switched off", "Switch it on in the site admin.")
        elif each.health == Health.OK:
            yield Finding(name, Level.OK, told)
        elif each.health == Health.UNKNOWN:
            yield Finding(name, Level.MAYBE, "not looked at yet", "Start a supervisor.")
        else:
            yield Finding(name, Level.WRONG, told, "The site admin's Test connection says more.")


def _engines() -> Iterator[Finding]:
    from oceanid.engines.registry import installed

    for entry in installed():
        if entry.problem:
            yield Finding(f"Engine {entry.name}", Level.MAYBE, entry.problem)
        else:
            yield Finding(f"Engine {entry.name}", Level.OK, "can be used")


def _for_developers() -> Iterator[Finding]:
    yield _wanted(
        "PostgreSQL driver",
        "psycopg" if find_spec("psycopg") else "",
        "pip install 'oceanid[postgres]', for a portal on PostgreSQL.",
    )
    yield _wanted(
        "Chromium",
        next(filter(None, map(shutil.which, CHROMIUMS)), ""),
        "apt-get install chromium libatomic1, for `make test-browser`.",
    )
    yield _wanted(
        "PostgreSQL server",
        initdb(),
        "apt-get install postgresql, for `make test-postgres`.",
    )


def initdb() -> str:
    """The path of PostgreSQL's initdb, the newest of Debian's when PATH has none; "" if absent."""
    found = shutil.which("initdb")
    if found:
        return found
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return str(max(versions, key=lambda each: float(each.parts[-3]), default=""))


def _wanted(name: str, found: str, cure: str) -> Finding:
    if found:
        return Finding(name, Level.OK, found)
    return Finding(name, Level.MAYBE, "not there", cure)
