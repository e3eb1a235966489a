"""Applies what an engine saw: each observation once, with its cursor, in one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from oceanid.dags import NodeObservation
from oceanid.models import Batch, EventKind, Job, Scheduler, Task, TaskRole, WorkflowNode
from oceanid.services import dag_run, events, tallies, task_specs, workflow_run
from oceanid.services.bulk import update_many
from oceanid.services.job_update import JobChange, apply_changes
from oceanid.services.leases import Hold, guard
from oceanid.specs import IDLE, Observation, Usage
from oceanid.states import BatchState, TaskState, task_can_move

TASK_COLUMNS = (
    "state", "batch_id", "proc", "tries", "exit_code", "exit_signal", "start_time",
    "completion_time", "cpu_s", "peak_memory_mib", "disk_mib", "host", "reason_code", "reason",
    "hint",
)  # fmt: skip
ERROR = TaskState.ERROR.value
FINAL = frozenset({TaskState.COMPLETE, TaskState.ERROR, TaskState.ABORTED})


@dataclass(slots=True)
class Seen:
    """A task while its observations are applied to it.

    It ``changed`` when it moved; ``more`` is known of it when it did not; it ``waits`` when that
    is why it waits.
    """

    id: int
    job_id: int
    node_id: int | None
    role: str
    attempt: int
    index: int
    state: TaskState
    batch_id: UUID | None
    proc: int | None
    tries: int
    exit_code: int | None
    exit_signal: int | None
    start_time: datetime | None
    completion_time: datetime | None
    cpu_s: float | None
    peak_memory_mib: float | None
    disk_mib: float | None
    host: str
    reason_code: str
    reason: str
    hint: str
    was: TaskState = TaskState.QUEUED
    changed: bool = False
    more: bool = False
    waits: bool = False
    began: datetime | None = None
    """When it began to run, if that was seen now."""

    def row(self) -> tuple[Any, ...]:
        """The values of TASK_COLUMNS, and the key."""
        return (
            self.state.value, self.batch_id, self.proc, self.tries, self.exit_code,
            self.exit_signal, self.start_time, self.completion_time, self.cpu_s,
            self.peak_memory_mib, self.disk_mib, self.host, self.reason_code, self.reason,
            self.hint, self.id,
        )  # fmt: skip


LOADED = (
    "id", "job_id", "node_id", "role", "attempt", "index", "state", "batch_id", "proc", "tries",
    "exit_code", "exit_signal", "start_time", "completion_time", "cpu_s", "peak_memory_mib",
    "disk_mib", "host", "reason_code", "reason", "hint",
)  # fmt: skip


@dataclass(slots=True)
class Applied:
    """What came of applying observations.

    Args:
        changed: How many tasks changed.
        closed: The batches that are over.
        has_work: Whether something may be dispatched now that could not before.
        jobs: The jobs of the tasks, by number.
    """

    changed: int = 0
    closed: list[UUID] = field(default_factory=list)
    has_work: bool = False
    jobs: Mapping[int, Job] = field(default_factory=dict)


def apply(
    hold: Hold,
    scheduler_id: int,
    observations: Sequence[Observation],
    cursor: Mapping[str, Any] | None,
    nodes: Sequence[NodeObservation] = (),
) -> Applied:
    """Apply observations in order, and remember the cursor, both or neither.

    Observations that the transition table does not allow (a replay, a late word about a task
    that has ended) change nothing.

    Args:
        hold: The scheduler's lease.
        scheduler_id: The scheduler that they come from.
        observations: What the engine saw.
        cursor: Where to go on behind them; None leaves the cursor where it is.
        nodes: What the engine saw of nodes of workflows that it runs as a whole.

    Raises:
        LeaseLost: Another supervisor drives this scheduler; nothing was written.
    """
    with transaction.atomic():
        guard(hold)
        if cursor is not None:
            Scheduler.objects.filter(pk=scheduler_id).update(cursor=dict(cursor))
        if nodes:
            dag_run.observe(nodes)
        if not observations:
            return Applied()
        return _apply(scheduler_id, observations)


def _apply(scheduler_id: int, observations: Sequence[Observation]) -> Applied:
    tasks = _load(scheduler_id, observations)
    told: list[events.Event] = []
    left: Counter[UUID] = Counter()
    for seen in observations:
        task = tasks.get((seen.batch, seen.proc))
        if task is not None and task.batch_id == seen.batch:
            _observe(task, seen, told, left)
    changed = [task for task in tasks.values() if task.changed]
    more = [task for task in tasks.values() if task.more and not task.changed]
    update_many(Task, TASK_COLUMNS, (task.row() for task in more))
    waiting = [task for task in more if task.waits]
    if not changed:
        if waiting:
            update_jobs(waiting, told)
        return Applied()
    _retry(changed, told)
    applied = write(changed, told, left, waiting=waiting)
    tallies.observed(scheduler_id, changed, applied.jobs)
    applied.has_work = bool(applied.closed) or any(
        task.state is TaskState.QUEUED or task.node_id is not None for task in changed
    )
    return applied


def write(
    changed: Sequence[Seen],
    told: list[events.Event],
    left: Counter[UUID],
    *,
    waiting: Sequence[Seen] = (),
) -> Applied:
    """Write changed tasks, and all that follows for batches, nodes and jobs."""
    update_many(Task, TASK_COLUMNS, (task.row() for task in changed))
    applied = Applied(changed=len(changed), closed=close_batches(left))
    applied.jobs = update_jobs([*changed, *waiting], told)
    return applied


def load_where(**conditions: Any) -> list[Seen]:
    """Tasks as they are while something is applied to them."""
    found = []
    for values in Task.objects.filter(**conditions).order_by("id").values_list(*LOADED):
        task = Seen(*values)
        task.state = task.was = TaskState(task.state)
        found.append(task)
    return found


def _load(scheduler_id: int, observations: Iterable[Observation]) -> dict[tuple[UUID, int], Seen]:
    procs: defaultdict[UUID, set[int]] = defaultdict(set)
    for seen in observations:
        procs[seen.batch].add(seen.proc)
    known = Batch.objects.filter(pk__in=list(procs), scheduler_id=scheduler_id)
    found: dict[tuple[UUID, int], Seen] = {}
    for batch in known.values_list("pk", flat=True):
        few = {"proc__in": procs[batch]} if len(procs[batch]) < 200 else {}
        for task in load_where(batch_id=batch, **few):
            found[batch, task.proc or 0] = task
    return found


def _observe(task: Seen, seen: Observation, told: list[events.Event], left: Counter[UUID]) -> None:
    before, after = task.state, seen.state
    if before is after or not seen.moves:
        if before is after and after not in FINAL:
            _learn(task, seen)
        return
    if not task_can_move(before, after):
        return
    task.state = after
    task.changed, task.waits = True, False
    task.reason_code, task.reason, task.hint = seen.reason_code, seen.reason, seen.hint
    if seen.host:
        task.host = seen.host[:255]
    if after is TaskState.RUNNING and task.start_time is None:
        task.start_time = task.began = seen.at
    _use(task, seen.usage)
    if after in FINAL:
        task.completion_time = seen.at
        task.exit_code, task.exit_signal = seen.exit_code, seen.exit_signal
        left[seen.batch] += 1
    elif after is TaskState.QUEUED:
        take_back(task, left)
    told.append(task_event(task, before, after, seen.at, seen.reason))


def _learn(task: Seen, seen: Observation) -> None:
    """Take what is new of a task that stays in its state."""
    if _use(task, seen.usage):
        task.more = True
    if seen.host and seen.host[:255] != task.host:
        task.host, task.more = seen.host[:255], True
    why = (seen.reason_code, seen.reason, seen.hint)
    if seen.reason_code and why != (task.reason_code, task.reason, task.hint):
        task.reason_code, task.reason, task.hint = why
        task.more = True
        task.waits = seen.reason_code.startswith(IDLE)


def _use(task: Seen, usage: Usage | None) -> bool:
    """Take what is told of a task's usage; whether anything of it is new."""
    if usage is None:
        return False
    before = (task.cpu_s, task.peak_memory_mib, task.disk_mib)
    after = (usage.cpu_s, usage.peak_memory_mib, usage.disk_mib)
    now = tuple(was if new is None else new for was, new in zip(before, after, strict=True))
    task.cpu_s, task.peak_memory_mib, task.disk_mib = now
    return now != before


def take_back(task: Seen, left: Counter[UUID]) -> None:
    """Take a task out of its batch, as if it had never been given away."""
    if task.batch_id is not None:
        left[task.batch_id] += 1
    task.batch_id = task.proc = task.start_time = None


def task_event(
    task: Seen, before: TaskState, after: TaskState, at: datetime, message: str
) -> events.Event:
    """An event about a task."""
    return events.Event(
        task.job_id, task.id, task.node_id, task.attempt, EventKind.TASK.value,
        before.value, after.value, at, message[: events.MESSAGE_LENGTH],
    )  # fmt: skip


def _retry(changed: Sequence[Seen], told: list[events.Event]) -> None:
    """Give failed tasks another try where ``max_retries`` says so."""
    failed = [
        task for task in changed if task.state is TaskState.ERROR and task.role == TaskRole.JOB
    ]
    if not failed:
        return
    jobs = Job.objects.filter(pk__in={task.job_id for task in failed}).in_bulk()
    nodes = WorkflowNode.objects.in_bulk({task.node_id for task in failed if task.node_id})
    endings = {event.task_id: at for at, event in enumerate(told) if event.after == ERROR}
    for task in failed:
        job = jobs[task.job_id]
        node = nodes[task.node_id] if task.node_id is not None else None
        if dag_run.is_one(job):
            continue  # its engine tries again by itself
        if job.wanted not in ("RUN", "PAU") or task.tries >= task_specs.max_retries(job, node):
            continue
        task.tries += 1
        task.state = TaskState.QUEUED
        ending = told[endings[task.id]]
        told[endings[task.id]] = task_event(
            task,
            TaskState(ending.before),
            TaskState.QUEUED,
            ending.at,
            f"Try {task.tries + 1}, after: {task.reason}",
        )
        task.batch_id = task.proc = task.start_time = task.completion_time = None


def close_batches(left: Counter[UUID]) -> list[UUID]:
    """Count tasks out of their batches; returns the batches that nobody is in any more."""
    if not left:
        return []
    open_now = dict(Batch.objects.filter(pk__in=list(left)).values_list("pk", "open_tasks"))
    rows, closed = [], []
    for batch, count in left.items():
        remaining = max(0, open_now.get(batch, 0) - count)
        if remaining == 0:
            closed.append(batch)
        rows.append((remaining, batch))
    update_many(Batch, ("open_tasks",), rows, key="uuid")
    Batch.objects.filter(pk__in=closed).exclude(state=BatchState.DEAD.value).update(
        state=BatchState.CLOSED.value
    )
    return closed


def update_jobs(changed: Sequence[Seen], told: list[events.Event]) -> dict[int, Job]:
    """Carry changed tasks over to their jobs, and of workflows to their nodes first.

    Returns the jobs by number.
    """
    plain: defaultdict[int, JobChange] = defaultdict(JobChange)
    of_nodes: defaultdict[int, list[Seen]] = defaultdict(list)
    for task in changed:
        if task.node_id is not None or task.role == TaskRole.DAG:
            of_nodes[task.job_id].append(task)
            continue
        change = plain[task.job_id]
        change.move(task.was, task.state)
        change.see(task.start_time, task.completion_time)
        if task.state in (TaskState.ERROR, TaskState.HELD, TaskState.ABORTED):
            change.tell(task.reason_code, task.reason, task.hint)
        elif task.waits:
            change.waits = (task.reason_code, task.reason, task.hint)
    jobs = {
        job.pk: job
        for job in Job.objects.select_for_update().filter(pk__in=[*plain, *of_nodes]).order_by("pk")
    }
    changes = {pk: change for pk, change in plain.items() if pk in jobs}
    for pk, tasks in of_nodes.items():
        if pk not in jobs:
            continue
        if dag_run.is_one(jobs[pk]):
            changes[pk] = dag_run.tasks_changed(jobs[pk], tasks, told)
        elif moved := [task for task in tasks if task.changed]:
            changes[pk] = workflow_run.tasks_changed(jobs[pk], moved, told)
    apply_changes(jobs, changes, told)
    events.write(told)
    return jobs
