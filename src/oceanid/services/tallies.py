"""Counts what happens to processes, in the transaction that writes it: once a batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from oceanid.models import Depth, FailureTally, Job, Tally
from oceanid.models.tally import SLOT_S
from oceanid.services.bulk import add_many
from oceanid.services.leases import Hold, guard
from oceanid.states import TaskState

if TYPE_CHECKING:
    from oceanid.services.observe import Seen

SUMS = (
    "submitted", "started", "complete", "error", "aborted", "waited", "wait_s", "ran", "run_s",
)  # fmt: skip
ENDS = {TaskState.COMPLETE: "complete", TaskState.ERROR: "error", TaskState.ABORTED: "aborted"}
KEPT_S = 15 * 86_400
LATEST_S = 86_400
"""What is told later than this counts as if it had happened so long ago."""

EVERYONE, PERSON = "user_id IS NULL", "user_id IS NOT NULL"

Counted = defaultdict[str, float]
Sums = defaultdict[tuple[int, Any], Counted]


def slot_of(moment: datetime) -> int:
    """The number of the slot of a moment."""
    return int(moment.timestamp()) // SLOT_S


def observed(scheduler_id: int, changed: Iterable[Seen], jobs: Mapping[int, Job]) -> None:
    """Count tasks that began and ended; in the transaction that writes what was observed.

    Args:
        scheduler_id: Where they were observed; whoever calls holds its lease.
        changed: Tasks that have moved.
        jobs: Their jobs by number; a task whose job is gone is not counted.
    """
    now = timezone.now()
    sums = _sums()
    failures: Counter[tuple[int, Any, str]] = Counter()
    for task in changed:
        job = jobs.get(task.job_id)
        if job is None:
            continue
        if task.began is not None:
            _begin(sums[_slot(task.began, now), job.user_id], task, job, min(task.began, now))
        if (end := ENDS.get(task.state)) is not None:
            at = task.completion_time or now
            slot = _slot(at, now)
            counted = sums[slot, job.user_id]
            counted[end] += 1
            if task.start_time is not None:
                counted["ran"] += 1
                counted["run_s"] += max(0.0, (at - task.start_time).total_seconds())
            if end == "error":
                failures[slot, job.user_id, task.reason_code or "unknown"] += 1
    _write(scheduler_id, sums)
    _write_failures(scheduler_id, failures)


def submitted(scheduler_id: int, given: Iterable[tuple[Any, int]]) -> None:
    """Count processes that are given to a scheduler: of whom, and how many."""
    slot = slot_of(timezone.now())
    sums = _sums()
    for user_id, count in given:
        sums[slot, user_id]["submitted"] += count
    _write(scheduler_id, sums)


def failed(job: Job, count: int, code: str) -> None:
    """Count processes that failed before any scheduler had them."""
    if job.scheduler_id is None or count <= 0:
        return
    slot = slot_of(timezone.now())
    sums = _sums()
    sums[slot, job.user_id]["error"] = count
    _write(job.scheduler_id, sums)
    _write_failures(job.scheduler_id, Counter({(slot, job.user_id, code): count}))


def forget(hold: Hold, *, now: datetime | None = None) -> int:
    """Remove what is past its time; returns how many rows."""
    oldest = slot_of(now or timezone.now()) - KEPT_S // SLOT_S
    with transaction.atomic():
        guard(hold)
        return sum(
            model._default_manager.filter(slot__lt=oldest)._raw_delete("default")
            for model in (Tally, FailureTally, Depth)
        )


def _sums() -> Sums:
    return defaultdict(lambda: defaultdict(int))


def _begin(counted: Counted, task: Seen, job: Job, began: datetime) -> None:
    counted["started"] += 1
    # A node waits for other nodes, and another try for the one before it: for no scheduler.
    is_first = not task.tries or (task.tries == 1 and task.state is TaskState.QUEUED)
    if is_first and task.node_id is None and job.execute_time is not None:
        counted["waited"] += 1
        counted["wait_s"] += max(0.0, (began - job.execute_time).total_seconds())


def _slot(moment: datetime, now: datetime) -> int:
    """The slot in which something counts, whatever a machine's clock says."""
    present = slot_of(now)
    return min(present, max(slot_of(moment), present - LATEST_S // SLOT_S))


def _write(scheduler_id: int, sums: Sums) -> None:
    """Add sums for each person and for everyone, always in the same order."""
    if not sums:
        return
    everyone: defaultdict[int, Counted] = defaultdict(lambda: defaultdict(int))
    for (slot, _user), counted in sums.items():
        for name, value in counted.items():
            everyone[slot][name] += value
    rows: Any = [
        (slot, scheduler_id, *(counted[name] for name in SUMS))
        for slot, counted in sorted(everyone.items())
    ]
    add_many(Tally, ("slot", "scheduler_id"), SUMS, rows, where=EVERYONE)
    rows = [
        (user, slot, scheduler_id, *(counted[name] for name in SUMS))
        for (slot, user), counted in sums.items()
    ]
    add_many(Tally, ("user_id", "slot", "scheduler_id"), SUMS, rows, where=PERSON)


def _write_failures(scheduler_id: int, failures: Mapping[tuple[int, Any, str], int]) -> None:
    if not failures:
        return
    everyone: Counter[tuple[int, str]] = Counter()
    persons: Counter[tuple[Any, int, str]] = Counter()
    for (slot, user, code), count in failures.items():
        everyone[slot, code] += count
        persons[user, slot, code] += count
    keys = ("slot", "scheduler_id", "code")
    rows: Any = [(slot, scheduler_id, code, n) for (slot, code), n in everyone.items()]
    add_many(FailureTally, keys, ("count",), rows, where=EVERYONE)
    rows = [(user, slot, scheduler_id, code, n) for (user, slot, code), n in persons.items()]
    add_many(FailureTally, ("user_id", *keys), ("count",), rows, where=PERSON)
