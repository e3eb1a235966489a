"""What the overview tells: what runs where, the figures of a span of time, and why work failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import F, Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from oceanid.models import Cluster, Depth, FailureTally, Job, Scheduler, Standing, Tally
from oceanid.models.tally import SLOT_S
from oceanid.services import cluster_page, policy
from oceanid.services.tallies import slot_of

MOST_SCHEDULERS = 50
MOST_CLUSTERS = 20
MOST_REASONS = 8
MOST_HOLDERS = 500
RECENT = 6


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time: so many points of so many slots each."""

    points: int
    slots: int


SPANS: Final = MappingProxyType(
    {"hour": Span(12, 1), "day": Span(48, 6), "week": Span(56, 36)},
)


@dataclass(slots=True)
class Point:
    """A part of the span.

    Args:
        at: When it begins.
        done, failed, stopped: How many processes ended, and how.
        wait_s: How long those that began had waited on average; None when none did.
        waiting, running: How many did at most; None when nobody looked.
    """

    at: datetime
    done: int = 0
    failed: int = 0
    stopped: int = 0
    wait_s: float | None = None
    waiting: int | None = None
    running: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known to have happened."""
        return not (self.done or self.failed or self.stopped or self.waiting or self.running)


@dataclass(frozen=True, slots=True)
class Place:
    """A scheduler, and what stands there: its accounts' too."""

    scheduler: Scheduler
    waiting: int
    running: int
    held: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many processes failed, or are held."""

    code: str
    count: int


@dataclass(slots=True)
class Overview:
    """All that the page shows."""

    places: list[Place]
    points: list[Point]
    reasons: list[Reason]
    held_for: list[Reason]
    recent: list[Job]
    clusters: list[Cluster]
    wait_s: float | None
    run_s: float | None
    totals: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ever run, as far as these figures go."""
        return not (self.recent or any(self.totals.values()))


def read(user: policy.Person, *, scope: str, span: Span) -> Overview:
    """Read it; a fixed number of queries, whose cost follows neither jobs nor tasks.

    Args:
        user: Who looks.
        scope: ``mine`` or ``all``.
        span: The time that the figures are of.

    Raises:
        PermissionDenied: Everyone's figures are not this person's to see.
    """
    if scope == "all" and not policy.sees_all(user):
        raise PermissionDenied(_("Only people with that permission see everyone's figures."))
    whose = Q(user__isnull=True) if scope == "all" else Q(user=user.pk)
    last = slot_of(timezone.now()) // span.slots
    first = last - span.points + 1
    points = {
        number: Point(datetime.fromtimestamp(number * span.slots * SLOT_S, UTC))
        for number in range(first, last + 1)
    }
    sums = _flows(whose, points, span=span, first=first)
    _depths(whose, points, span=span, first=first)
    standing = Standing.objects.all() if scope == "all" else Standing.objects.filter(user=user.pk)
    places, totals = _places(user, standing)
    totals |= {name: int(sums[name]) for name in ("complete", "error", "aborted")}
    return Overview(
        places,
        list(points.values()),
        _reasons(whose, first * span.slots),
        _held_for(standing),
        _recent(user),
        list(_clusters(user)),
        sums["wait_s"] / sums["waited"] if sums["waited"] else None,
        sums["run_s"] / sums["ran"] if sums["ran"] else None,
        totals,
    )


def _flows(whose: Q, points: dict[int, Point], *, span: Span, first: int) -> dict[str, float]:
    """Fill in what ended and how long was waited; gives the sums of the whole span."""
    names = ("complete", "error", "aborted", "waited", "wait_s", "ran", "run_s")
    whole: dict[str, float] = dict.fromkeys(names, 0)
    rows: Any = (
        Tally.objects.filter(whose, slot__gte=first * span.slots)
        .order_by()
        .values(part=F("slot") / span.slots)
        .annotate(**{f"sum_{name}": Sum(name) for name in names})
    )
    for row in rows:
        for name in names:
            whole[name] += row[f"sum_{name}"]
        point = points.get(row["part"])
        if point is None:
            continue
        point.done, point.failed = row["sum_complete"], row["sum_error"]
        point.stopped = row["sum_aborted"]
        if row["sum_waited"]:
            point.wait_s = row["sum_wait_s"] / row["sum_waited"]
    return whole


def _depths(whose: Q, points: dict[int, Point], *, span: Span, first: int) -> None:
    rows: Any = (
        Depth.objects.filter(whose, slot__gte=first * span.slots)
        .order_by()
        .values(part=F("slot") / span.slots)
        .annotate(most_waiting=Max("waiting"), most_running=Max("running"))
    )
    for row in rows:
        if (point := points.get(row["part"])) is not None:
            point.waiting, point.running = row["most_waiting"], row["most_running"]


def _places(user: policy.Person, standing: Any) -> tuple[list[Place], dict[str, int]]:
    """The schedulers that somebody may use with what stands there, and the sums."""
    figures: dict[int, dict[str, int]] = {}
    totals = dict.fromkeys(("jobs", "waiting", "running", "paused", "held"), 0)
    rows: Any = standing.order_by().values("scheduler_id", "scheduler__parent_id")
    for row in rows.annotate(**{f"sum_{name}": Sum(name) for name in totals}):
        place = row["scheduler__parent_id"] or row["scheduler_id"]
        known = figures.setdefault(place, dict.fromkeys(totals, 0))
        for name in totals:
            known[name] += row[f"sum_{name}"]
            totals[name] += row[f"sum_{name}"]
    visible = policy.visible_schedulers(user).order_by("name").defer("secrets", "report", "cursor")
    places = []
    for scheduler in visible[:MOST_SCHEDULERS]:
        known = figures.get(scheduler.pk, totals | dict.fromkeys(totals, 0))
        places.append(Place(scheduler, known["waiting"], known["running"], known["held"]))
    return places, totals


def _reasons(whose: Q, first_slot: int) -> list[Reason]:
    rows: Any = (
        FailureTally.objects.filter(whose, slot__gte=first_slot)
        .order_by()
        .values_list("code")
        .annotate(total=Sum("count"))
        .order_by("-total", "code")
    )
    return [Reason(code, count) for code, count in rows[:MOST_REASONS]]


def _held_for(standing: Any) -> list[Reason]:
    """Why what is held is held; read where most is held first."""
    sums: dict[str, int] = {}
    rows = standing.filter(held__gt=0).order_by("-held", "pk").values_list("held_for", flat=True)
    for counts in rows[:MOST_HOLDERS]:
        for code, count in counts.items():
            sums[code] = sums.get(code, 0) + count
    ordered = sorted(sums.items(), key=lambda each: (-each[1], each[0]))
    return [Reason(code, count) for code, count in ordered[:MOST_REASONS] if count]


def _recent(user: policy.Person) -> list[Job]:
    """A person's newest jobs."""
    jobs = Job.objects.filter(user=user.pk).select_related("scheduler")
    return list(
        jobs.only(
            "name", "state", "custom_status", "creation_time", "start_time", "completion_time",
            "progress", "num_jobs", "execute_time", "tasks_complete", "scheduler__name",
        ).order_by("-id")[:RECENT]
    )  # fmt: skip


def _clusters(user: policy.Person) -> Any:
    """The clusters, for those who may see everyone's jobs."""
    if not policy.sees_all(user):
        return []
    clusters = Cluster.objects.select_related("account").defer("secrets", "account__secrets")
    return cluster_page.with_figures(clusters.order_by("name"))[:MOST_CLUSTERS]
