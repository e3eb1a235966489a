"""Portals that hold very many jobs: filled by bulk writes, the same rows each time.

A SQLite portal is kept in ``var/cache`` until the tables or this file change. Both sizes have the
same people, apps and schedulers; what differs is how many jobs there are, and how many tasks the
one job has whose page is measured.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parent.parent
CACHE = ROOT / "var" / "cache" / "bench-pages"

USERS, APPS, SCHEDULERS = 200, 40, 8
ADMIN, FEW, MANY = "admin", "few", "many"
FEW_JOBS, SHARED_JOBS = 50, 20
LATEST = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=730)
RARE_APP, COMMON_APP = "app_39", "app_00"
RARE_SCHEDULER, COMMON_SCHEDULER = "place_7", "place_0"

_WORDS = (
    "simulate", "calibrate", "Rank samples", "flood risk", "Überflutung", "grid 🌊", "snow melt",
    "monte carlo", "validate", "export", "nightly forecast", "it's a “test”",
)  # fmt: skip
_STATES = {
    "COM": 860, "ERR": 60, "ABT": 30, "PEN": 25, "VCP": 10, "OTH": 5, "RUN": 4, "SUB": 3,
    "RES": 1, "HLD": 1, "PAS": 1,
}  # fmt: skip
_UNSTARTED, _UNENDED = {"PEN", "SUB"}, {"PEN", "SUB", "RUN", "RES", "HLD", "PAS"}
_SPEC = '{"executable": "/usr/bin/python3", "arguments": ["model.py", "--steps", "%s"]}' % (
    "1000," * 120
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a portal holds.

    Args:
        jobs: Jobs in the list.
        tasks: Tasks of the one job whose page is opened; each has four events.
    """

    jobs: int
    tasks: int


def home_of(size: Size) -> Path:
    """Where a portal of this size is kept; a change of the tables gives another place."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for folder in ("models", "migrations"):
        for file in sorted((ROOT / "src" / "oceanid" / folder).glob("*.py")):
            digest.update(file.read_bytes())
    return CACHE / digest.hexdigest()[:16] / f"{size.jobs}-{size.tasks}"


def forget_others(size: Size) -> None:
    """Remove the portals of other tables, which nobody asks for again."""
    present = home_of(size).parent
    for each in CACHE.glob("*"):
        if each != present:
            shutil.rmtree(each, ignore_errors=True)


def fill(size: Size) -> None:
    """Write all rows into the empty database that this process is connected to."""
    from django.contrib.auth.models import Group, User
    from django.db import connection

    from oceanid.models import Job, JobEvent, Scheduler, Task

    chance = Random(1)
    names = [ADMIN, FEW, MANY, *(f"user_{number}" for number in range(USERS))]
    User.objects.bulk_create(
        User(username=name, password="!", is_staff=name == ADMIN, is_superuser=name == ADMIN)
        for name in names
    )
    users = dict(User.objects.values_list("username", "pk"))
    Scheduler.objects.bulk_create(
        Scheduler(name=f"place_{number}", health="OK") for number in range(SCHEDULERS)
    )
    places = list(Scheduler.objects.filter(name__startswith="place_").order_by("name"))
    with connection.schema_editor() as editor:
        for model in (Job, Task, JobEvent):
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    _write(Job, _jobs(size, chance, users, [place.pk for place in places]))
    _write(Task, _tasks(size))
    _write(JobEvent, _events(size))
    with connection.schema_editor() as editor:
        for model in (Job, Task, JobEvent):
            for index in model._meta.indexes:
                editor.add_index(model, index)
    group = Group.objects.create(name="hydrology")
    group.user_set.add(users[FEW])
    shared = range(3, size.jobs, size.jobs // SHARED_JOBS)
    through = Job.groups.through
    through.objects.bulk_create(through(job_id=pk, group_id=group.pk) for pk in shared)
    _settle()


def _jobs(
    size: Size, chance: Random, users: dict[str, int], places: Sequence[int]
) -> Iterator[dict[str, Any]]:
    others = [users[f"user_{number}"] for number in range(USERS)]
    # A few people, apps and schedulers have most of the jobs, and many have few.
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(USERS)))
    apps = list(itertools.accumulate(1 / (rank + 1) ** 2 for rank in range(APPS)))
    at = list(itertools.accumulate(1 / (rank + 1) ** 3 for rank in range(SCHEDULERS)))
    states, counts = list(_STATES), list(itertools.accumulate(_STATES.values()))
    every = size.jobs // FEW_JOBS
    for number in range(1, size.jobs + 1):
        name = f"{_WORDS[chance.randrange(len(_WORDS))]} {chance.randrange(size.jobs)}"
        state = chance.choices(states, cum_weights=counts)[0]
        created = LATEST - SPAN + SPAN * (number / size.jobs)
        started = created + timedelta(seconds=chance.randrange(1, 86_400))
        ended = started + timedelta(seconds=chance.randrange(1, 400_000))
        if number % every == 1:
            owner = users[FEW]
        elif number % 10 == 2:
            owner = users[MANY]
        else:
            owner = chance.choices(others, cum_weights=weights)[0]
        # Jobs that only an app runs have no scheduler.
        is_own = chance.random() < 0.05
        place = chance.choices(places, cum_weights=at)[0]
        yield {
            "id": number,
            "uuid": f"{chance.getrandbits(128):032x}",
            "type": "BASIC" if is_own else "CONDOR",
            "app": f"app_{chance.choices(range(APPS), cum_weights=apps)[0]:02}",
            "name": name,
            "name_key": name.casefold()[:100],
            "user_id": owner,
            "state": state,
            "custom_status": "Half-way" if state == "OTH" else "",
            "creation_time": _text(created),
            "execute_time": None if state == "PEN" else _text(created),
            "start_time": None if state in _UNSTARTED else _text(started),
            "completion_time": None if state in _UNENDED else _text(ended),
            "scheduler_id": None if is_own else place,
            "progress": 50 if state == "RUN" else None,
            "wanted": "DRA" if state == "PEN" else "RUN",
            "attempt": 0 if state == "PEN" else 1,
            "tasks_complete": 1 if state == "COM" else 0,
        }
    # The one whose page is opened, behind all others.
    yield {
        "id": size.jobs + 1, "uuid": f"{1:032x}", "type": "CONDOR", "app": COMMON_APP,
        "name": "the one with tasks", "name_key": "the one with tasks", "user_id": users[ADMIN],
        "state": "VCP", "custom_status": "", "creation_time": _text(LATEST),
        "execute_time": _text(LATEST), "start_time": _text(LATEST),
        "completion_time": _text(LATEST + timedelta(hours=1)), "scheduler_id": places[0],
        "progress": None, "wanted": "RUN", "attempt": 1, "tasks_complete": size.tasks - 2,
    }  # fmt: skip


def _tasks(size: Size) -> Iterator[dict[str, Any]]:
    for index in range(size.tasks):
        # The first and the last failed: whoever looks for these must not read all the others.
        failed = index in (0, size.tasks - 1)
        yield {
            "id": index + 1,
            "job_id": size.jobs + 1,
            "index": index,
            "state": "ERR" if failed else "COM",
            "exit_code": 1 if failed else 0,
            "start_time": _text(LATEST + timedelta(seconds=index / 50)),
            "completion_time": _text(LATEST + timedelta(seconds=index / 50 + 10)),
            "cpu_s": 9.5,
            "host": f"node-{index % 50}",
        }


def _events(size: Size) -> Iterator[dict[str, Any]]:
    number = itertools.count(1)
    own = [("PEN", "SUB"), ("SUB", "RUN"), ("RUN", "VCP")]
    tasks = [("QUE", "SUB"), ("SUB", "RUN"), ("RUN", "TRA"), ("TRA", "COM")]
    for before, after in own:
        yield _event(next(number), size, None, "state", before, after)
    for index in range(size.tasks):
        for before, after in tasks:
            yield _event(next(number), size, index + 1, "task", before, after)


def _event(
    number: int, size: Size, task: int | None, kind: str, before: str, after: str
) -> dict[str, Any]:
    at = _text(LATEST + timedelta(seconds=number / 100))
    return {
        "id": number, "job_id": size.jobs + 1, "task_id": task, "attempt": 1, "kind": kind,
        "before": before, "after": after, "at": at,
    }  # fmt: skip


def _write(model: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows that say some of the columns; the others get the field's default."""
    from django.core.management.color import no_style
    from django.db import connection

    rows = iter(rows)
    first = next(rows)
    quote = connection.ops.quote_name
    table, said = quote(model._meta.db_table), [quote(name) for name in first]
    constants = {
        quote(field.column): _literal(field)
        for field in model._meta.concrete_fields
        if field.column not in first
    }
    into = f"INSERT INTO {table} ({', '.join([*said, *constants])})"
    values = (tuple(row.values()) for row in itertools.chain([first], rows))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE TEMP TABLE staged AS SELECT {', '.join(said)} FROM {table} WITH NO DATA"
            )
            with cursor.copy(f"COPY staged ({', '.join(said)}) FROM STDIN") as copy:
                for value in values:
                    copy.write_row(value)
            chosen = ", ".join([*said, *constants.values()])
            cursor.execute(f"{into} SELECT {chosen} FROM staged")
            cursor.execute("DROP TABLE staged")
            for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
                cursor.execute(statement)
            return
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("BEGIN")
        places = ", ".join([*["?"] * len(said), *constants.values()])
        # Below Django, which would look at each of a million statements' placeholders.
        connection.connection.executemany(f"{into} VALUES ({places})", values)
        cursor.execute("COMMIT")


def _literal(field: Any) -> str:
    """A field's default as SQL."""
    from django.db.models import JSONField

    if field.name == "spec":
        return f"'{_SPEC}'"
    if field.name == "attributes":
        return """'{"executable": "/usr/bin/python3", "request_memory": "2 GB"}'"""
    if isinstance(field, JSONField):
        return {dict: "'{}'", list: "'[]'"}.get(field.default, "NULL")
    value = field.get_default()
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else f"'{value}'"


def _settle() -> None:
    """Leave the database as one that has been in use: PostgreSQL looks at its tables by itself."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _text(moment: datetime) -> str:
    """A time in UTC as both databases read it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + _ZONE[_vendor()]


_ZONE = {"sqlite": "", "postgresql": "+00"}


def _vendor() -> str:
    from django.db import connection

    return connection.vendor
