"""Wishes for the output of running tasks: pages write and renew them, supervisors serve them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from oceanid.models import Batch, Job, TailWish, Task
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import TAIL, wake
from oceanid.specs import Handle, Piece
from oceanid.states import BatchState

LIFE_S: Final = 15.0
MOST_BYTES: Final = 64 * 1024
MOST_WISHES: Final = 200
"""Of one scheduler; who comes then waits until others look no more."""
_MOST_SERVED: Final = 50
_MOST_ERROR: Final = 1000
_OLD_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish, and where its task is.

    Args:
        wish_id: The wish.
        handle: The task's batch.
        proc: Its number in the batch.
        stream: ``stdout`` or ``stderr``.
    """

    wish_id: int
    handle: Handle
    proc: int
    stream: str


def want(job: Job, task: Task, stream: str) -> TailWish | None:
    """Wish for the end of a running task's output, or go on wishing, and see what came of it.

    Writes nothing while the wish has long to live, so that any number of pages may ask each
    second. None when the job has no scheduler, or so much is wished for of it that this must wait.
    """
    if job.scheduler_id is None:
        return None
    rows = TailWish.objects.filter(task_id=task.pk, stream=stream)
    found = rows.filter(wanted_until__gt=_in(LIFE_S / 2)).first()
    if found is None:
        others = TailWish.objects.filter(scheduler_id=job.scheduler_id, wanted_until__gt=Now())
        if not rows.exists() and others.count() >= MOST_WISHES:
            return None
        with transaction.atomic():
            if not rows.update(wanted_until=_in(LIFE_S)):
                wish = TailWish(
                    job_id=job.pk, task_id=task.pk, scheduler_id=job.scheduler_id, stream=stream,
                    wanted_until=_in(LIFE_S),
                )  # fmt: skip
                TailWish.objects.bulk_create([wish], ignore_conflicts=True)
                wake(TAIL)
        found = rows.first()
    return found


def wanted(scheduler_id: int) -> list[Asked]:
    """What is wished for of a scheduler now, what was read the longest ago first."""
    alive = TailWish.objects.filter(scheduler_id=scheduler_id, wanted_until__gt=Now())
    wishes = list(
        alive.order_by(F("read_at").asc(nulls_first=True)).values_list("pk", "task_id", "stream")[
            :_MOST_SERVED
        ]
    )
    if not wishes:
        return []
    tasks = Task.objects.filter(pk__in={task for _pk, task, _stream in wishes}, batch__isnull=False)
    places = {pk: (batch, proc) for pk, batch, proc in tasks.values_list("pk", "batch_id", "proc")}
    batches = {batch for batch, _proc in places.values()}
    sent = Batch.objects.filter(pk__in=batches, state=BatchState.SENT.value)
    handles = {pk: Handle(pk, data) for pk, data in sent.values_list("pk", "handle")}
    return [
        Asked(pk, handles[places[task][0]], places[task][1] or 0, stream)
        for pk, task, stream in wishes
        if task in places and places[task][0] in handles
    ]


def read(hold: Hold, wish_id: int, piece: Piece | None) -> None:
    """Write down what was read; None when it is what was read before."""
    with transaction.atomic():
        guard(hold)
        rows = TailWish.objects.filter(pk=wish_id)
        rows.update(read_at=Now(), error="")
        # Nothing at all is what an engine gives of a task that is about to end, too.
        if piece is not None and piece.size:
            rows.update(data=piece.data, offset=piece.offset, size=piece.size)


def not_read(hold: Hold, wish_id: int, why: str) -> None:
    """Write down that it can't be read, which says nothing of the task."""
    with transaction.atomic():
        guard(hold)
        TailWish.objects.filter(pk=wish_id).update(read_at=Now(), error=why[:_MOST_ERROR])


def tidy(hold: Hold, scheduler_id: int) -> bool:
    """Remove wishes that nobody has any more; whether any are left."""
    with transaction.atomic():
        guard(hold)
        wishes = TailWish.objects.filter(scheduler_id=scheduler_id)
        wishes.filter(wanted_until__lte=Now()).delete()
        return wishes.exists()


def forget_old(hold: Hold) -> None:
    """Remove wishes that nobody has served for long: their scheduler was switched off."""
    with transaction.atomic():
        guard(hold)
        TailWish.objects.filter(wanted_until__lt=_in(-_OLD_S)).delete()


def _in(seconds: float) -> Combinable:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
