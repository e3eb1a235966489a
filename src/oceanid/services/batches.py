"""What becomes of a committed batch: sent, proved never sent, over, forgotten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from oceanid.models import Batch, Task
from oceanid.services import tallies
from oceanid.services.events import Event
from oceanid.services.leases import Hold, guard
from oceanid.services.observe import load_where, take_back, task_event, write
from oceanid.specs import Handle
from oceanid.states import BatchState, TaskState

AT_ENGINE = [
    state.value
    for state in (TaskState.SUBMITTED, TaskState.RUNNING, TaskState.PAUSED, TaskState.HELD,
                  TaskState.TRANSFERRING)
]  # fmt: skip


def save_handle(hold: Hold, handle: Handle) -> None:
    """Write down that a batch was sent, and what its engine calls it. Idempotent."""
    with transaction.atomic():
        guard(hold)
        Batch.objects.filter(pk=handle.batch, state=BatchState.PREPARED.value).update(
            state=BatchState.SENT.value, handle=dict(handle.data), sent_at=timezone.now()
        )
        # Its tasks may all have ended before its handle came.
        Batch.objects.filter(pk=handle.batch, handle={}).update(handle=dict(handle.data))


def never_sent(hold: Hold, batch: UUID, *, refused: str = "", hint: str = "") -> None:
    """A batch was proved never to have been sent, and never to be.

    Args:
        hold: The scheduler's lease.
        batch: The batch.
        refused: Why its engine will not take its tasks, which then fail; "" lets them wait for
            another batch.
        hint: What to do about it.
    """
    with transaction.atomic():
        guard(hold)
        if not Batch.objects.filter(pk=batch, state=BatchState.PREPARED.value).update(
            state=BatchState.DEAD.value
        ):
            return
        now = timezone.now()
        left: Counter[UUID] = Counter()
        told: list[Event] = []
        tasks = load_where(batch_id=batch, state__in=AT_ENGINE)
        for task in tasks:
            before = task.state
            task.changed = True
            if refused:
                task.state, task.completion_time = TaskState.ERROR, now
                task.reason_code, task.reason, task.hint = "refused", refused, hint
                left[batch] += 1
            else:
                task.state = TaskState.QUEUED
                take_back(task, left)
            told.append(task_event(task, before, task.state, now, refused))
        applied = write(tasks, told, left)
        if refused and tasks:
            scheduler = Batch.objects.values_list("scheduler_id", flat=True).get(pk=batch)
            tallies.observed(scheduler, tasks, applied.jobs)


def unsettled(scheduler_id: int) -> list[UUID]:
    """Batches that were committed, but whose handles were not saved."""
    prepared = Batch.objects.filter(scheduler_id=scheduler_id, state=BatchState.PREPARED.value)
    return list(prepared.order_by("created_at").values_list("pk", flat=True))


def sent(scheduler_id: int, *, most_tasks: int) -> list[list[Handle]]:
    """Batches that are at their engine now, in portions of about so many tasks."""
    rows = Batch.objects.filter(scheduler_id=scheduler_id, state=BatchState.SENT.value)
    portions: list[list[Handle]] = []
    room = 0
    for pk, data, size in rows.values_list("pk", "handle", "size"):
        if not portions or size > room:
            portions.append([])
            room = most_tasks
        portions[-1].append(Handle(pk, data))
        room -= size
    return portions


def over(scheduler_id: int) -> list[Handle]:
    """Batches whose tasks have all ended and been applied, and those that were never sent."""
    dead = Batch.objects.filter(
        scheduler_id=scheduler_id, state=BatchState.DEAD.value, open_tasks=0
    )
    never_sent = [Handle(pk, data) for pk, data in dead.values_list("pk", "handle")]
    return _handles(scheduler_id, BatchState.CLOSED) + never_sent


def forgotten(hold: Hold, batches: Sequence[UUID]) -> None:
    """Remove batches that their engine has forgotten."""
    with transaction.atomic():
        guard(hold)
        over = Batch.objects.filter(
            pk__in=list(batches), state__in=[BatchState.CLOSED.value, BatchState.DEAD.value]
        )
        over.filter(open_tasks=0)._raw_delete(over.db)


def where_are(job_id: int) -> list[tuple[Handle, tuple[int, ...]]]:
    """Where a job's tasks are that have not ended: each batch, and their numbers in it."""
    at_engine = Task.objects.filter(job_id=job_id, state__in=AT_ENGINE, batch__isnull=False)
    procs: defaultdict[UUID, list[int]] = defaultdict(list)
    for batch, proc in at_engine.values_list("batch_id", "proc"):
        procs[batch].append(proc or 0)
    found = Batch.objects.filter(pk__in=list(procs), state=BatchState.SENT.value)
    return [(Handle(pk, data), tuple(procs[pk])) for pk, data in found.values_list("pk", "handle")]


def on_the_way(job_id: int) -> bool:
    """Whether tasks of a job are in batches whose handles are not known, so can't be asked."""
    prepared = Batch.objects.filter(state=BatchState.PREPARED.value)
    return Task.objects.filter(job_id=job_id, state__in=AT_ENGINE, batch__in=prepared).exists()


def _handles(scheduler_id: int, state: BatchState) -> list[Handle]:
    rows = Batch.objects.filter(scheduler_id=scheduler_id, state=state.value)
    return [Handle(pk, data) for pk, data in rows.values_list("pk", "handle")]
