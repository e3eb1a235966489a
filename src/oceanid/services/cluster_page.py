"""What a cluster's page shows, read in a fixed number of queries whatever its size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from django.db.models import (
    Case,
    Count,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from oceanid.clouds.prices import Prices
from oceanid.models import Cluster, ClusterEvent, ClusterNode
from oceanid.services import cluster_costs, prices
from oceanid.services.cluster_costs import ClusterCost
from oceanid.states import ClusterState, ClusterWanted, MachineState, Role

MOST_NODES: Final = 100
MOST_EVENTS: Final = 30
RECENTLY: Final = timedelta(minutes=30)
CENT, TENTH_OF_CENT = Decimal("0.01"), Decimal("0.001")
TROUBLED: Final = frozenset({ClusterState.DEGRADED.value, ClusterState.FAILED.value})
CALM: Final = {
    ClusterWanted.PREPARED.value: ClusterState.PREPARED.value,
    ClusterWanted.RUN.value: ClusterState.RUNNING.value,
    ClusterWanted.STOP.value: ClusterState.STOPPED.value,
}


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """All that the page of a cluster shows.

    Args:
        cluster: With its account and its scheduler.
        nodes: The first machines: those with a problem first, then the master, then workers.
        more_nodes: How many more there are than are shown.
        there: How many machines there are, the master included.
        running: How many of them run.
        jobs_running: How many jobs run on them.
        cost: What it costs at the moment, and in all until now.
        events: The latest of its activity.
        prices: The prices in use for its cloud.
    """

    cluster: Cluster
    nodes: Sequence[ClusterNode]
    more_nodes: int
    there: int
    running: int
    jobs_running: int
    cost: ClusterCost
    events: Sequence[ClusterEvent]
    prices: Prices | None

    @property
    def is_busy(self) -> bool:
        """Whether something is under way, so that the page looks more often."""
        cluster = self.cluster
        if cluster.preflight_wanted_at or cluster.repair_wanted_at:
            return True
        is_calm = CALM.get(cluster.wanted) == cluster.state
        return not is_calm and not (self.is_asleep and cluster.state == ClusterState.STOPPED)

    @property
    def is_asleep(self) -> bool:
        """Whether it was stopped because it had no job, and starts when one comes."""
        return is_asleep(self.cluster)

    @property
    def budget_left(self) -> Decimal | None:
        """US$ that are left of the budget; None without one."""
        if self.cluster.budget is None:
            return None
        return max(Decimal(0), self.cluster.budget - self.cost.usd_so_far)

    @property
    def budget_share(self) -> int:
        """How much of the budget is used, per cent, at most 100."""
        budget = self.cluster.budget
        return 0 if not budget else min(100, int(100 * self.cost.usd_so_far / budget))

    @property
    def shuts_down_at(self) -> Any:
        """When it will be stopped unless a job comes; None when it will not."""
        cluster = self.cluster
        if cluster.idle_since is None or cluster.idle_minutes is None or self.is_asleep:
            return None
        return cluster.idle_since + timedelta(minutes=cluster.idle_minutes)


def read(cluster: Cluster) -> ClusterPage:
    """Read it: five queries.

    Args:
        cluster: With its account.
    """
    nodes = cluster.nodes.filter(Q(gone_at=None) | Q(gone_at__gte=timezone.now() - RECENTLY))
    sums = nodes.aggregate(
        all=Count("pk"),
        there=Count("pk", filter=Q(gone_at=None)),
        running=Count("pk", filter=Q(gone_at=None, state=MachineState.RUNNING.value)),
        jobs=Sum("jobs_running", filter=Q(gone_at=None)),
    )
    troubled = Q(state=MachineState.FAILED.value) | ~Q(problem="")
    shown = nodes.order_by(
        F("gone_at").asc(nulls_first=True),
        Case(When(troubled, then=0), default=1),
        "role",
        "pk",
    )
    events = cluster.events.select_related("actor").order_by("-pk")
    found = list(shown[:MOST_NODES])
    table = prices.of_cloud(cluster.account.cloud)
    return ClusterPage(
        cluster=cluster,
        nodes=found,
        more_nodes=sums["all"] - len(found),
        there=sums["there"],
        running=sums["running"],
        jobs_running=sums["jobs"] or 0,
        cost=cluster_costs.reckoned(cluster, table),
        events=list(events[:MOST_EVENTS]),
        prices=table,
    )


def mark(key: int) -> str:
    """A word that is another one whenever the page would show something else: one query; "" when
    there is no such cluster."""
    nodes = ClusterNode.objects.filter(cluster=OuterRef("pk")).order_by().values("cluster")
    events = ClusterEvent.objects.filter(cluster=OuterRef("pk")).order_by().values("cluster")
    row = (
        cluster_costs.with_costs(Cluster.objects.filter(pk=key))
        .order_by()
        .annotate(
            heard=Subquery(nodes.annotate(each=Max("heard_at")).values("each")),
            moved=Subquery(nodes.annotate(each=Max("state_since")).values("each")),
            running=Subquery(nodes.annotate(each=Sum("jobs_running")).values("each")),
            known=Subquery(nodes.annotate(each=Count("pk")).values("each")),
            event=Subquery(events.annotate(each=Max("pk")).values("each")),
        )
        .values(
            "state", "wanted", "force", "size", "target", "looked_at", "cost", "cost_at",
            "usd_beside", "usd_running", "usd_still", "unpriced", "message", "steps",
            "idle_since", "failures", "preflight_wanted_at", "preflighted_at",
            "repair_wanted_at", "min_size", "max_size", "budget", "hourly_limit", "scheduler_id",
            "heard", "moved", "running", "known", "event",
        )
        .first()
    )  # fmt: skip
    if row is None:
        return ""
    # What it has cost goes on while nothing else changes: as soon as another figure is shown.
    spent = cluster_costs.so_far(SimpleNamespace(**row))
    shown = (*row.values(), spent.quantize(TENTH_OF_CENT if spent < 1 else CENT))
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:24]


def with_figures(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Clusters, each with ``machines``, how many there are, and with what it costs; see
    :mod:`oceanid.services.cluster_costs`."""
    rows = ClusterNode.objects.filter(cluster=OuterRef("pk"), gone_at=None)
    there = rows.order_by().values("cluster")
    return cluster_costs.with_costs(
        clusters.annotate(machines=Coalesce(_one(there, Count("pk")), 0))
    )


def state_tone(state: str) -> str:
    """The name of a cluster state's colour."""
    return {
        ClusterState.RUNNING.value: "done",
        ClusterState.DEGRADED.value: "held",
        ClusterState.FAILED.value: "bad",
        ClusterState.PREPARED.value: "quiet",
        ClusterState.STOPPED.value: "stop",
        ClusterState.STOPPING.value: "stop",
        ClusterState.DELETING.value: "stop",
    }.get(state, "run")


def machine_tone(state: str) -> str:
    """The name of a machine state's colour."""
    return {
        MachineState.RUNNING.value: "done",
        MachineState.PENDING.value: "run",
        MachineState.FAILED.value: "bad",
    }.get(state, "stop")


def is_asleep(cluster: Cluster) -> bool:
    """Whether a cluster was stopped because it had no job, and starts when one comes."""
    is_still = cluster.state in (ClusterState.STOPPED, ClusterState.STOPPING)
    return is_still and cluster.wanted == ClusterWanted.RUN and cluster.idle_since is not None


def is_master(node: ClusterNode) -> bool:
    """Whether a machine is its cluster's master."""
    return node.role == Role.MASTER.value


def _one(rows: Any, count: Count) -> Subquery:
    return Subquery(rows.annotate(each=count).values("each"), output_field=IntegerField())
