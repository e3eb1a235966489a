"""Portals that hold very many jobs: filled by bulk writes, the same rows each time.

A SQLite portal is kept in ``var/cache`` until the tables or this file change. Both sizes have the
same people, apps and schedulers; what differs is how many jobs there are, and how many tasks the
one job has whose page is measured.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.rows import chosen, dice, is_postgresql, moment, uuid_of, weighted, write

ROOT = Path(__file__).parent.parent
CACHE = ROOT / "var" / "cache" / "bench-pages"
FORGET_AFTER_S = 86_400

USERS, APPS, SCHEDULERS = 200, 40, 8
EVENTS, OWN_EVENTS = 20, 4
ADMIN, FEW, MANY, READER = "admin", "few", "many", "reader"
FEW_JOBS, SHARED_JOBS = 50, 20
LATEST = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=730)
_SECONDS = int((LATEST - SPAN).timestamp())
ONE, FLOW, FLOW_NODES = "the one with tasks", "the workflow", 300
RARE_APP, MIDDLING_APP, COMMON_APP = "app_39", "app_02", "app_00"
MIDDLING_STATUS = "Error"
RARE_SCHEDULER, MIDDLING_SCHEDULER, COMMON_SCHEDULER = "place_7", "place_2", "place_0"

FAST_SQLITE = ("synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY")
# What the rows point to is there: PostgreSQL need not look for it twenty million times.
FAST_POSTGRESQL = ("session_replication_role=replica", "maintenance_work_mem='512MB'")

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
        jobs: Jobs in the list; each has EVENTS events.
        tasks: Tasks of the one job whose page is opened; each has four events.
    """

    jobs: int
    tasks: int


def home_of(size: Size) -> Path:
    """Where a portal of this size is kept; a change of the tables gives another place."""
    here = Path(__file__)
    digest = hashlib.sha256(here.read_bytes() + here.with_name("rows.py").read_bytes())
    for folder in ("models", "migrations"):
        for file in sorted((ROOT / "src" / "oceanid" / folder).glob("*.py")):
            digest.update(file.read_bytes())
    return CACHE / digest.hexdigest()[:16] / f"{size.jobs}-{size.tasks}"


def forget_others(size: Size) -> None:
    """Remove the portals of other tables after a day, when no other run can be filling them."""
    present = home_of(size).parent
    for each in CACHE.glob("*"):
        if each != present and time.time() - each.stat().st_mtime > FORGET_AFTER_S:
            shutil.rmtree(each, ignore_errors=True)


def fill(size: Size) -> None:
    """Write all rows into the empty database that this process is connected to."""
    from django.contrib.auth.models import Group, User
    from django.db import connection

    from oceanid.models import Job, JobEvent, JobShare, Scheduler, Task

    names = [ADMIN, FEW, MANY, READER, *(f"user_{number}" for number in range(USERS))]
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
    with connection.cursor() as cursor:
        for fast in FAST_POSTGRESQL if is_postgresql() else FAST_SQLITE:
            cursor.execute(f"SET {fast}" if is_postgresql() else f"PRAGMA {fast}")
    states = weighted(0, {f"'{name}'": each for name, each in _STATES.items()})
    rows = _jobs(size, users, [place.pk for place in places])
    write(Job, size.jobs, rows, given={"state": states})
    one = Job.objects.create(
        type="CONDOR", app=COMMON_APP, name=ONE, name_key=ONE,
        user_id=users[ADMIN], state="VCP", wanted="RUN", attempt=1, scheduler=places[0],
        num_jobs=size.tasks, tasks_made=size.tasks, tasks_error=2, tasks_complete=size.tasks - 2,
        creation_time=LATEST, execute_time=LATEST, start_time=LATEST,
        completion_time=LATEST + timedelta(hours=1),
    )  # fmt: skip
    write(Task, size.tasks, _tasks(size, one.pk))
    write(JobEvent, EVENTS * size.jobs, _events(size))
    write(JobEvent, 3 + 4 * size.tasks, _events_of(one.pk, behind=EVENTS * size.jobs))
    with connection.schema_editor() as editor:
        for model in (Job, Task, JobEvent):
            for index in model._meta.indexes:
                editor.add_index(model, index)
    group = Group.objects.create(name="hydrology")
    group.user_set.add(users[FEW])
    shared = range(3, size.jobs, size.jobs // SHARED_JOBS)
    through = Job.groups.through
    through.objects.bulk_create(through(job_id=pk, group_id=group.pk) for pk in shared)
    readers = Group.objects.create(name="readers")
    readers.user_set.add(users[READER])
    write(JobShare, size.jobs // 10, _shares(users[READER], readers.pk))
    _sums(users, [place.pk for place in places])
    _told(size, users)
    _around(one, users)
    _settle()


def _sums(users: dict[str, int], places: Sequence[int]) -> None:
    """What the overview reads: as much of it in every portal, a week back and some days on."""
    from django.utils import timezone

    from oceanid.models import Depth, FailureTally, Standing, Tally
    from oceanid.services.tallies import slot_of

    now = slot_of(timezone.now())
    slots = range(now - 2016, now + 864)
    for user in (None, users[FEW], users[MANY]):
        Tally.objects.bulk_create(
            Tally(slot=slot, scheduler_id=place, user_id=user, complete=9, error=1, waited=9,
                  wait_s=99.0, ran=9, run_s=999.0)
            for slot in slots for place in places
        )  # fmt: skip
        Depth.objects.bulk_create(
            Depth(slot=slot, user_id=user, waiting=slot % 99, running=slot % 64) for slot in slots
        )
        FailureTally.objects.bulk_create(
            FailureTally(slot=slot, scheduler_id=place, user_id=user, code=code, count=2)
            for slot in slots[::12] for place in places for code in ("exit-code", "signal")
        )  # fmt: skip
    Standing.objects.bulk_create(
        Standing(scheduler_id=place, user_id=user, jobs=1, waiting=3, running=2)
        for place in places for user in users.values()
    )  # fmt: skip


def _told(size: Size, users: dict[str, int]) -> None:
    """The audit history and one person's notices, which grow with the jobs."""
    from oceanid.models import AuditEvent, Notice

    verbs = ("stop", "delete", "resubmit", "change")
    write(AuditEvent, max(500, size.jobs // 10), {
        "id": "n",
        "at": moment(f"({_SECONDS} + n * 9)"),
        "actor_id": str(users[MANY]),
        "person": f"CASE WHEN n % 2 = 0 THEN '{MANY}' ELSE '{ADMIN}' END",
        "origin": "'page'",
        "verb": chosen(dice(11, len(verbs)), verbs),
        "kind": "CASE WHEN n % 50 = 0 THEN 'scheduler' ELSE 'job' END",
        "object_id": "CAST(n AS text)",
        "object_name": f"{chosen(dice(3, len(_WORDS)), _WORDS)} || ' ' || n",
        "object_key": "'job ' || n",
    })  # fmt: skip
    item = '{"subject": "job", "id": 1, "name": "run", "word": "Complete", "state": "COM"}'
    write(Notice, max(300, size.jobs // 100), {
        "id": "n",
        "user_id": str(users[MANY]),
        "count": "1",
        "counts": """'{"Complete": 1}'""",
        "items": f"'[{item}]'",
        "created_at": moment(f"({_SECONDS} + n * 60)"),
        "changed_at": moment(f"({_SECONDS} + n * 60)"),
        "read_at": f"CASE WHEN n % 2 = 0 THEN {moment(f'({_SECONDS} + n * 61)')} END",
    })  # fmt: skip


def _around(one: Any, users: dict[str, int]) -> None:
    """What is the same in every portal: views, whom the one job is shared with, a workflow."""
    from oceanid.models import Job, JobShare, SavedView, Task, WorkflowEdge, WorkflowNode

    SavedView.objects.bulk_create(
        SavedView(owner_id=users[owner], name=f"view {number}", parameters={"status": "Error"},
                  is_for_everyone=owner == ADMIN)
        for owner, count in ((MANY, 40), (ADMIN, 10)) for number in range(count)
    )  # fmt: skip
    JobShare.objects.bulk_create(
        JobShare(job=one, user_id=users[f"user_{number}"], right="view", at=LATEST)
        for number in range(30)
    )
    flow = Job.objects.create(
        type="CONDORWORKFLOW", app=COMMON_APP, name=FLOW, name_key=FLOW, user_id=users[ADMIN],
        state="RUN", wanted="RUN", attempt=1, scheduler=one.scheduler, num_jobs=FLOW_NODES,
        tasks_made=FLOW_NODES, creation_time=LATEST, execute_time=LATEST, start_time=LATEST,
        spec={"workflow": True},
    )  # fmt: skip
    nodes = WorkflowNode.objects.bulk_create(
        WorkflowNode(workflow=flow, name=f"node {number}", attempt=1, start_time=LATEST,
                     state="DON" if number < FLOW_NODES // 2 else "RUN")
        for number in range(FLOW_NODES)
    )  # fmt: skip
    nodes = list(WorkflowNode.objects.filter(workflow=flow).order_by("id"))
    WorkflowEdge.objects.bulk_create(
        WorkflowEdge(parent=nodes[(number - 1) // 3], child=nodes[number])
        for number in range(1, FLOW_NODES)
    )
    Task.objects.bulk_create(
        Task(job=flow, node=node, index=0, attempt=1, state="RUN") for node in nodes
    )


def _jobs(size: Size, users: dict[str, int], places: Sequence[int]) -> dict[str, str]:
    """Each column as an expression of the row's number ``n`` and of its ``state``."""
    created = f"({_SECONDS} + n * {int(SPAN.total_seconds())} / {size.jobs})"
    started = f"({created} + {dice(1, 86_400)})"
    ended = f"({started} + 1 + {dice(2, 400_000)})"
    word = dice(3, len(_WORDS))
    number = f"' ' || {dice(4, size.jobs)}"
    keys = [each.casefold() for each in _WORDS]
    # A few people, apps and schedulers have most of the jobs, and many have few.
    other = f"{users['user_0']} + {dice(5, USERS)} * {dice(6, USERS)} / {USERS}"
    apps = {f"'app_{rank:02}'": 10_000 // (rank + 1) ** 2 + 1 for rank in range(APPS)}
    at = {str(pk): 1000 // (rank + 1) ** 3 + 1 for rank, pk in enumerate(places)}
    every = size.jobs // FEW_JOBS
    unstarted, unended = (
        ", ".join(f"'{state}'" for state in sorted(states)) for states in (_UNSTARTED, _UNENDED)
    )
    is_own = f"{dice(9, 20)} = 0"  # jobs that only an app runs have no scheduler
    return {
        "id": "n",
        "uuid": uuid_of(dice(10, 2**31), "n"),
        "type": f"CASE WHEN {is_own} THEN 'BASIC' ELSE 'CONDOR' END",
        "app": weighted(7, apps),
        "name": f"{chosen(word, _WORDS)} || {number}",
        "name_key": f"{chosen(word, keys)} || {number}",
        "user_id": f"CASE WHEN n % {every} = 1 THEN {users[FEW]}"
        f" WHEN n % 10 = 2 THEN {users[MANY]} ELSE {other} END",
        "state": "state",
        "spec": f"'{_SPEC}'",
        "attributes": """'{"executable": "/usr/bin/python3", "request_memory": "2 GB"}'""",
        "custom_status": "CASE WHEN state = 'OTH' THEN 'Half-way' ELSE '' END",
        "creation_time": moment(created),
        "execute_time": f"CASE WHEN state <> 'PEN' THEN {moment(created)} END",
        "start_time": f"CASE WHEN state NOT IN ({unstarted}) THEN {moment(started)} END",
        "completion_time": f"CASE WHEN state NOT IN ({unended}) THEN {moment(ended)} END",
        "scheduler_id": f"CASE WHEN NOT {is_own} THEN {weighted(8, at)} END",
        "progress": "CASE WHEN state = 'RUN' THEN 50 END",
        "wanted": "CASE WHEN state = 'PEN' THEN 'DRA' ELSE 'RUN' END",
        "attempt": "CASE WHEN state = 'PEN' THEN 0 ELSE 1 END",
        "tasks_complete": "CASE WHEN state = 'COM' THEN 1 ELSE 0 END",
    }


def _shares(user: int, group: int) -> dict[str, str]:
    """Every tenth job is shared with one person, in turns directly and by a group."""
    return {
        "id": "n",
        "job_id": "n * 10 - 5",
        "user_id": f"CASE WHEN n % 2 = 0 THEN {user} END",
        "group_id": f"CASE WHEN n % 2 = 1 THEN {group} END",
        "right": "'view'",
        "at": moment(str(_SECONDS)),
    }


def _tasks(size: Size, job: int) -> dict[str, str]:
    # The first and the last failed: whoever looks for these must not read all the others.
    failed = f"n IN (1, {size.tasks})"
    return {
        "id": "n",
        "job_id": str(job),
        "index": "n - 1",
        "state": f"CASE WHEN {failed} THEN 'ERR' ELSE 'COM' END",
        "exit_code": f"CASE WHEN {failed} THEN 1 ELSE 0 END",
        "start_time": moment(f"({_SECONDS} + n / 50)"),
        "completion_time": moment(f"({_SECONDS} + n / 50 + 10)"),
        "cpu_s": "9.5",
        "host": "'node-' || n % 50",
    }


def _events(size: Size) -> dict[str, str]:
    """Those of every job, among its neighbours' as they would be written; the first are its own."""
    place = f"(n % {EVENTS})"
    is_own = f"{place} < {OWN_EVENTS}"
    own, moves = ("PEN", "SUB", "RUN", "RES", "COM"), ("QUE", "SUB", "RUN", "TRA", "COM")
    return {
        "id": "n",
        "job_id": f"1 + (n / {EVENTS} + {size.jobs} - {place} * 7) % {size.jobs}",
        "task_id": f"CASE WHEN NOT {is_own} THEN n / 4 END",
        "attempt": "1",
        "kind": f"CASE WHEN {is_own} THEN 'state' ELSE 'task' END",
        "before": f"CASE WHEN {is_own} THEN {chosen(place, own[:4])}"
        f" ELSE {chosen('n % 4', moves[:4])} END",
        "after": f"CASE WHEN {is_own} THEN {chosen(place, own[1:])}"
        f" ELSE {chosen('n % 4', moves[1:])} END",
        "at": moment(f"({_SECONDS} + n * {int(SPAN.total_seconds())} / {EVENTS * size.jobs})"),
    }


def _events_of(job: int, *, behind: int) -> dict[str, str]:
    """Four of each task; the first three of all are the job's own."""
    own, moves = ("PEN", "SUB", "RUN", "VCP"), ("QUE", "SUB", "RUN", "TRA", "COM")
    return {
        "id": f"{behind} + n",
        "job_id": str(job),
        "task_id": "CASE WHEN n > 3 THEN n / 4 END",
        "attempt": "1",
        "kind": "CASE WHEN n > 3 THEN 'task' ELSE 'state' END",
        "before": f"CASE WHEN n > 3 THEN {chosen('n % 4', moves[:4])}"
        f" ELSE {chosen('n - 1', own[:3])} END",
        "after": f"CASE WHEN n > 3 THEN {chosen('n % 4', moves[1:])}"
        f" ELSE {chosen('n - 1', own[1:])} END",
        "at": moment(f"({_SECONDS} + n / 100)"),
    }


def _settle() -> None:
    """Leave the database as one that has been in use: PostgreSQL looks at its tables by itself."""
    from django.db import connection

    with connection.cursor() as cursor:
        if is_postgresql():
            for fast in FAST_POSTGRESQL:
                cursor.execute(f"RESET {fast.partition('=')[0]}")
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
