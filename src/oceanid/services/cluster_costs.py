"""What a cluster costs now: by its parts, by the hour, and in all until now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from oceanid.clouds import blueprints
from oceanid.clouds.prices import Prices
from oceanid.models import Cluster, ClusterNode
from oceanid.services import prices
from oceanid.services.cluster_plan import uncounted
from oceanid.services.costs import NOTHING, Tariff, since, tariff
from oceanid.states import MachineState, Role

PAID = tuple(state.value for state in MachineState if state.is_paid)
MONEY = DecimalField(max_digits=14, decimal_places=5)


@dataclass(frozen=True, slots=True)
class CostPart:
    """One kind of thing that costs.

    Args:
        what: ``master``, ``worker``, ``disk``, ``address`` or ``gateway``.
        count: How many.
        detail: Of which type or size; "" where there is nothing to tell.
        usd_per_hour: What all of them cost together; None when it is not known.
    """

    what: str
    count: int
    detail: str
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class ClusterCost:
    """What a cluster costs.

    Args:
        parts: Everything that costs at the moment; a machine that does not run costs nothing
            itself, its disk does.
        usd_per_hour: All of it; None when a machine's price is not known.
        usd_so_far: What it has cost in all until now, as far as prices were known.
        remark: What is not counted because its price is not known, a sentence; "" for nothing.
    """

    parts: tuple[CostPart, ...]
    usd_per_hour: Decimal | None
    usd_so_far: Decimal
    remark: str = ""


def cost(cluster: Cluster, *, now: datetime | None = None) -> ClusterCost:
    """What a cluster costs: two queries, whatever its size.

    Args:
        cluster: With its account.
        now: The time.
    """
    return reckoned(cluster, prices.of_cloud(cluster.account.cloud), now=now)


def reckoned(cluster: Cluster, table: Prices | None, *, now: datetime | None = None) -> ClusterCost:
    """The same with the prices in use: one query."""
    rows = list(
        ClusterNode.objects.filter(cluster=cluster, gone_at=None)
        .order_by("role", "machine_type", "spot")
        .values("role", "machine_type", "spot", "state")
        .annotate(
            count=Count("pk"),
            unpriced=Count("pk", filter=Q(usd_per_hour=None)),
            runs=Coalesce(Sum("usd_per_hour"), Value(NOTHING), output_field=MONEY),
            stopped=Coalesce(Sum("usd_stopped"), Value(NOTHING), output_field=MONEY),
        )
    )
    rate, is_known = cluster.usd_beside or NOTHING, True
    for row in rows:
        is_paid = row["state"] in PAID
        rate += row["runs"] if is_paid else row["stopped"]
        is_known &= not (is_paid and row["unpriced"])
    parts: tuple[CostPart, ...] = ()
    remark = ""
    if cluster.blueprint and (rows or cluster.usd_beside is not None):
        account = cluster.account
        made = blueprints.read(cluster.blueprint)
        by = tariff(account.cloud, account.config, made, table, spot=cluster.spot)
        parts = _parts(by, rows, stands=cluster.usd_beside is not None)
        remark = uncounted(by)
    so_far = cluster.cost + since(cluster.cost_at, rate, now or timezone.now())
    return ClusterCost(parts, rate if is_known else None, so_far, remark)


def _parts(by: Tariff, rows: Sequence[Mapping[str, Any]], *, stands: bool) -> tuple[CostPart, ...]:
    machines: dict[tuple[str, str], tuple[int, Decimal | None]] = {}
    disks = addresses = 0
    for row in rows:
        role, count, is_paid = Role(row["role"]), row["count"], row["state"] in PAID
        disks += count
        if by.beside.has_address(role, is_stopped=not is_paid):
            addresses += count
        if is_paid:
            kind = f"{row['machine_type']} · spot" if row["spot"] else row["machine_type"]
            key = ("master" if role is Role.MASTER else "worker", kind)
            before = machines.get(key, (0, NOTHING))
            hour = by.hour(row["machine_type"], spot=row["spot"])
            known = None if hour is None or before[1] is None else before[1] + hour * count
            machines[key] = (before[0] + count, known)
    found = [CostPart(what, count, kind, usd) for (what, kind), (count, usd) in machines.items()]
    if stands:
        addresses += by.beside.addresses
    gb = f"+ US$ {by.gateway_gb:f} a GB" if by.gateway_gb else ""
    gib = f"{by.beside.disk_gib or by.blueprint.disk_gib} GiB"
    for what, count, each, detail in (
        ("disk", disks, by.disk, gib),
        ("address", addresses, by.address, ""),
        ("gateway", by.beside.gateways if stands else 0, by.gateway, gb),
    ):
        if count:
            usd = None if each is None else each * count
            found.append(CostPart(what, count, detail, usd))
    return tuple(found)


def with_costs(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Clusters with what :func:`usd_of` and :func:`so_far` reckon by, without further queries."""
    rows = ClusterNode.objects.filter(cluster=OuterRef("pk"), gone_at=None)
    there = rows.order_by().values("cluster")
    paid, still = there.filter(state__in=PAID), there.exclude(state__in=PAID)
    return clusters.annotate(
        usd_running=_one(paid, Sum("usd_per_hour")),
        usd_still=_one(still, Sum("usd_stopped")),
        unpriced=_one(paid.filter(usd_per_hour=None), Count("pk")),
    )


def usd_of(cluster: Any) -> Decimal | None:
    """What a cluster of :func:`with_costs` costs per hour; None when a price is not known."""
    return None if cluster.unpriced else _rate(cluster)


def so_far(cluster: Any, *, now: datetime | None = None) -> Decimal:
    """What a cluster of :func:`with_costs` has cost until now, as far as prices were known."""
    spent: Decimal = cluster.cost + since(cluster.cost_at, _rate(cluster), now or timezone.now())
    return spent


def of_node(node: ClusterNode) -> Decimal | None:
    """What a machine costs per hour at the moment; None when it is not known."""
    if node.gone_at is not None:
        return NOTHING
    return node.usd_per_hour if MachineState(node.state).is_paid else node.usd_stopped


def _rate(cluster: Any) -> Decimal:
    parts = (cluster.usd_running, cluster.usd_still, cluster.usd_beside)
    return sum((each for each in parts if each is not None), NOTHING)


def _one(rows: Any, what: Any) -> Subquery:
    return Subquery(rows.annotate(each=what).values("each"))
