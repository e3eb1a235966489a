"""How the house is: what every face that tells of health reads, in a few cheap queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Sum
from django.utils import timezone

from oceanid.conf import current
from oceanid.models import Batch, Job, JobEvent, Scheduler, SupervisorBeat
from oceanid.states import JOB_ACTIVE, BatchState, JobState, Wanted

MISSED_BEATS = 4
"""A supervisor counts as gone after so many beats without a sign of life."""


@dataclass(frozen=True, slots=True)
class SchedulerHealth:
    """One scheduler, as the supervisor last found it."""

    name: str
    engine: str
    health: str
    message: str
    enabled: bool


def beat_age_s() -> float | None:
    """Seconds since a supervisor that was not stopped last gave a sign of life; None for never."""
    beat = (
        SupervisorBeat.objects.filter(stopped_at__isnull=True)
        .order_by("-beat_at")
        .values_list("beat_at", flat=True)
        .first()
    )
    return None if beat is None else _age_s(beat)


def stopped_age_s() -> float | None:
    """Seconds since the last supervisor stopped; None when one runs, was lost, or never was."""
    last = SupervisorBeat.objects.order_by("-beat_at").values_list("stopped_at", flat=True).first()
    return None if last is None else _age_s(last)


def is_supervised() -> bool:
    """Whether a supervisor gave a sign of life lately."""
    age_s = beat_age_s()
    return age_s is not None and age_s <= MISSED_BEATS * current().supervisor.beat_s


def supervisors_alive() -> int:
    """How many supervisors gave a sign of life lately."""
    since = timezone.now() - timedelta(seconds=MISSED_BEATS * current().supervisor.beat_s)
    return SupervisorBeat.objects.filter(stopped_at__isnull=True, beat_at__gte=since).count()


def missing_migrations(database: str = "default") -> list[str]:
    """The migrations that the database still lacks, as ``app.name``."""
    executor = MigrationExecutor(connections[database])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def active_jobs_by_state() -> dict[str, int]:
    """How many jobs are in each state that is not final; the cost follows those jobs alone."""
    states = [state.value for state in JOB_ACTIVE]
    rows = Job.objects.filter(state__in=states).values_list("state").annotate(Count("id"))
    return {**dict.fromkeys(sorted(states), 0), **dict(rows.order_by())}


def open_batches() -> dict[str, int]:
    """How many submissions are prepared, and how many are at an engine."""
    states = [BatchState.PREPARED.value, BatchState.SENT.value]
    rows = Batch.objects.filter(state__in=states).values_list("state").annotate(Count("uuid"))
    return {**dict.fromkeys(states, 0), **dict(rows.order_by())}


def jobs_under_way() -> int:
    """How many jobs have processes at an engine right now."""
    states = JOB_ACTIVE - {JobState.SUBMITTED, JobState.RESULTS_READY}
    return Job.objects.filter(state__in=[state.value for state in states]).count()


def queued_processes() -> int:
    """How many processes wait for a place at an engine without a queue of its own."""
    waiting = Job.objects.filter(backlog__gt=0, wanted=Wanted.RUN.value)
    return int(waiting.aggregate(total=Sum("backlog"))["total"] or 0)


def last_event_age_s() -> float | None:
    """Seconds since the last change of any job; None when nothing ever happened."""
    latest = JobEvent.objects.order_by("-id").values_list("at", flat=True).first()
    return None if latest is None else _age_s(latest)


def schedulers() -> list[SchedulerHealth]:
    """Every scheduler's health, by name."""
    return [
        SchedulerHealth(each.name, each.engine, each.health, each.health_message, each.enabled)
        for each in Scheduler.objects.order_by("name")
    ]


def _age_s(moment: datetime) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds())
