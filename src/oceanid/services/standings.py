"""Looks at how much waits, runs and is held, for the overview: one look for all who read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.db import transaction
from django.db.models import BigIntegerField, Case, Count, F, Q, Sum, Value, When
from django.db.models.expressions import Combinable
from django.utils import timezone

from oceanid.models import Depth, Job, Scheduler, Standing
from oceanid.services.leases import Hold, guard
from oceanid.services.tallies import slot_of
from oceanid.states import JobState

ALIVE = [
    state.value
    for state in (
        JobState.SUBMITTED, JobState.RUNNING, JobState.VARIOUS, JobState.PAUSED, JobState.HELD,
    )
]  # fmt: skip
FIGURES = ("jobs", "waiting", "running", "paused", "held")
TOLD = (*FIGURES, "held_for")
Row = Mapping[str, Any]


def look(hold: Hold) -> None:
    """Count what stands where, and write down what has changed; the cost follows active jobs.

    Args:
        hold: The lease of who keeps the house: nobody else writes these rows.

    Raises:
        LeaseLost: Another supervisor keeps the house; nothing was written.
    """
    # Counted before the transaction: others need not wait for it with what they write.
    held_for = _held_for()
    counted = {
        (row["scheduler_id"], row["user_id"]): {
            **row, "held_for": held_for.get((row["scheduler_id"], row["user_id"]), {})
        }
        for row in _counted()
    }  # fmt: skip
    with transaction.atomic():
        guard(hold)
        known = {(row.scheduler_id, row.user_id): row for row in Standing.objects.all()}
        for key, row in known.items():
            figures = counted.pop(key, None)
            if figures is None:
                row.delete()
            elif any(getattr(row, name) != figures[name] for name in TOLD):
                Standing.objects.filter(pk=row.pk).update(**{name: figures[name] for name in TOLD})
        there = set(Scheduler.objects.values_list("pk", flat=True))
        Standing.objects.bulk_create(
            Standing(scheduler_id=key[0], user_id=key[1], **{n: row[n] for n in TOLD})
            for key, row in counted.items()
            if key[0] in there
        )
        rows: Any = Standing.objects.values("user_id", "waiting", "running", "held")
        _remember(rows)


def _counted() -> Iterable[Row]:
    """What stands where, by scheduler and person."""
    number = BigIntegerField()
    nothing = Value(0)
    # A job that nothing has happened to yet waits with all of its processes.
    waiting = Case(
        When(state=JobState.SUBMITTED.value, then=F("num_jobs")),
        When(
            state__in=[JobState.RUNNING.value, JobState.VARIOUS.value],
            then=F("backlog") + F("tasks_submitted"),
        ),
        default=F("tasks_submitted"),
        output_field=number,
    )
    paused = F("tasks_paused") + Case(
        When(state=JobState.PAUSED.value, then=F("backlog")), default=nothing, output_field=number
    )
    rows = Job.objects.filter(state__in=ALIVE, scheduler__isnull=False).order_by()
    found: Any = rows.values("scheduler_id", "user_id").annotate(
        jobs=Count("pk"),
        waiting=Sum(waiting),
        running=Sum("tasks_running"),
        paused=Sum(paused),
        held=Sum(_held()),
    )
    return cast(Iterable[Row], found)


def _held() -> Combinable:
    """How many of a job's processes are held."""
    whole = When(Q(state=JobState.HELD.value, tasks_held=0), then=F("backlog"))
    return F("tasks_held") + Case(whole, default=Value(0), output_field=BigIntegerField())


def _held_for() -> dict[tuple[int, Any], dict[str, int]]:
    """How many processes are held for which reason, by scheduler and person.

    Of a job that is held in part the reasons are its processes' own: they count without one.
    """
    rows = Job.objects.filter(Q(state=JobState.HELD.value) | Q(tasks_held__gt=0))
    rows = rows.filter(state__in=ALIVE, scheduler__isnull=False).order_by()
    code: Any = Case(When(state=JobState.HELD.value, then=F("reason_code")), default=Value(""))
    found: defaultdict[tuple[int, Any], dict[str, int]] = defaultdict(dict)
    counted: Any = rows.values("scheduler_id", "user_id", code=code).annotate(count=Sum(_held()))
    for row in counted:
        found[row["scheduler_id"], row["user_id"]][row["code"]] = row["count"]
    return found


def _remember(standing: Iterable[Row]) -> None:
    """Keep the most of the present slot, of each person and of everyone."""
    slot = slot_of(timezone.now())
    names = ("waiting", "running", "held")
    most: defaultdict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(names, 0))
    most[None]  # that nothing stands anywhere is a figure too
    for row in standing:
        for user in (row["user_id"], None):
            for name in names:
                most[user][name] += row[name]
    known = {depth.user_id: depth for depth in Depth.objects.filter(slot=slot)}
    fresh = []
    for user, figures in most.items():
        depth = known.get(user)
        if depth is None:
            fresh.append(Depth(slot=slot, user_id=user, **figures))
        elif any(figures[name] > getattr(depth, name) for name in names):
            merged = {name: max(figures[name], getattr(depth, name)) for name in names}
            Depth.objects.filter(pk=depth.pk).update(**merged)
    Depth.objects.bulk_create(fresh)
