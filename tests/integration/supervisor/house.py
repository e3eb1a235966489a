"""A supervisor beside the test, in a thread of its own, and what is looked at while it works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

from oceanid.models import Batch, Job, JobEvent, Task
from oceanid.states import (
    JobState,
    NodeState,
    TaskState,
    job_can_move,
    node_can_move,
    task_can_move,
)
from oceanid.supervisor.loop import Supervisor
from tests.integration.running import eventually

QUICK = {"LEASE_S": 4.0, "BEAT_S": 0.5, "POLL_S": 0.02, "SWEEP_S": 2.0, "STOP_GRACE_S": 3.0}


class Running:
    """A supervisor that works in a thread until it is told to stop."""

    def __init__(self) -> None:
        self.supervisor: Supervisor | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="supervisor")
        self._thread.start()

    def stop(self) -> None:
        """Stop it as SIGTERM would; jobs run on."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive(), "the supervisor does not stop"
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        async def supervise() -> None:
            self.supervisor = Supervisor()
            await self.supervisor.run(self._stop)

        try:
            self._loop.run_until_complete(supervise())
        except BaseException as problem:  # noqa: BLE001 - told by stop()
            self._failure = problem
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            connections.close_all()


@contextmanager
def supervising() -> Iterator[Running]:
    """A supervisor while the block lasts."""
    running = Running()
    try:
        yield running
    finally:
        running.stop()


def reaches(job: Job, *states: JobState, within_s: float = 20) -> Job:
    """Wait until a job is in one of these states."""

    def look() -> bool:
        job.refresh_from_db()
        return job.state in states

    try:
        eventually(look, within_s=within_s, what=f"{job} is one of {states}")
    except AssertionError as late:
        raise AssertionError(f"{late}: {told(job)}") from None
    return job


def gone(job: Job, *, within_s: float = 20) -> None:
    """Wait until a job's row is no more."""
    eventually(
        lambda: not Job.objects.filter(pk=job.pk).exists(), within_s=within_s, what=f"{job} goes"
    )


def told(job: Job) -> str:
    """All that the database says of a job, for a failing test to show."""
    return "\n".join(
        [
            f"{job.status} wanted {job.wanted} due {job.due_at} {job.status_message}",
            *(f"  {e.at:%X.%f} {e.task_id} {e.node_id} {e}" for e in job.events.order_by("id")),
            *(f"  task {t.index} {t.state} {t.reason}" for t in job.tasks.order_by("id")[:20]),
            *(f"  node {n} {n.state} {n.backlog} {n.reason}" for n in job.node_set.all()[:20]),
        ]
    )


def in_order(*, free: frozenset[str] = frozenset({"BASIC"})) -> None:
    """What must hold whenever nothing is under way: see each assertion."""
    last: dict[tuple[Any, ...], str] = {}
    kinds: dict[str, tuple[type[Any], Callable[..., bool]]] = {
        "state": (JobState, job_can_move),
        "task": (TaskState, task_can_move),
        "node": (NodeState, node_can_move),
    }
    types = dict(Job.objects.values_list("pk", "type"))
    for event in JobEvent.objects.filter(kind__in=kinds).order_by("id"):
        state, can_move = kinds[event.kind]
        before, after = state(event.before), state(event.after)
        if not (event.kind == "state" and types[event.job_id] in free):
            assert can_move(before, after), f"illegal: {event}"
        part = (event.job_id, event.task_id, event.node_id)
        if event.kind == "node":
            part += (event.attempt,)
        known = last.get(part)
        # A task's first event starts from the state in which it was made.
        assert known is None or known == before, f"{part}: {known}, then {event}"
        last[part] = after
    for job in Job.objects.all():
        counters_are_right(job)
    for task in Task.objects.exclude(batch=None):
        key = (task.job_id, task.id, task.node_id)
        assert last.get(key, "SUB") == task.state, f"{task}: {last.get(key)} told, is {task.state}"
    for batch in Batch.objects.filter(state__in=["PRE", "SNT"]):
        left = batch.tasks.exclude(state__in=["COM", "ERR", "ABT"]).count()
        assert batch.open_tasks == left, f"batch {batch}: {batch.open_tasks} open, has {left}"
        assert left, f"batch {batch} is open, and all its tasks have ended"


def counters_are_right(job: Job) -> None:
    """A job's counters are those of its rows."""
    if job.spec.get("workflow"):
        of = job.node_set.filter
        nodes = {
            "tasks_running": of(state__in=["PRE", "RUN", "PST"]),
            "tasks_complete": of(state="DON"),
            "tasks_error": of(state__in=["FAI", "FUT"]),
            "tasks_aborted": of(state="ABT"),
        }
        for name, rows in nodes.items():
            assert getattr(job, name) == rows.count(), f"{name}: {told(job)}"
        assert job.backlog == sum(n.backlog for n in job.node_set.all()), told(job)
        return
    if not job.spec:
        return
    rows = Task.objects.filter(job=job, attempt=job.attempt, node=None)
    counts = {
        "tasks_submitted": ["SUB"],
        "tasks_running": ["RUN", "TRA"],
        "tasks_paused": ["PAS"],
        "tasks_held": ["HLD"],
        "tasks_complete": ["COM"],
    }
    for name, states in counts.items():
        is_now = getattr(job, name)
        assert is_now == rows.filter(state__in=states).count(), f"{name} {is_now}: {told(job)}"
    unmade = job.num_jobs - rows.count()
    if job.state in ("COM", "ERR", "ABT", "VCP", "RES"):
        ended = job.tasks_complete + job.tasks_error + job.tasks_aborted
        assert ended == job.num_jobs, told(job)
        assert job.backlog == 0, told(job)
    elif job.tasks_made or job.backlog:
        queued = rows.filter(state="QUE").count()
        assert job.backlog == queued + unmade, (
            f"backlog {job.backlog}, unmade {unmade}: {told(job)}"
        )


def lines(path: Path) -> list[str]:
    """The lines of a file that may not be there yet."""
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
