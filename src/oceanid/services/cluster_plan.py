"""Plans: what a change of a cluster will make, end and keep, and what it costs by the hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from oceanid.clouds import blueprints
from oceanid.clouds.prices import Prices
from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import Blueprint
from oceanid.errors import CloudMissing
from oceanid.models import Cluster, ClusterNode
from oceanid.services import prices
from oceanid.services.cluster_values import effective, is_elastic, is_made
from oceanid.states import ClusterWanted, MachineState, Role

Verb = Literal["make", "keep", "start", "stop", "end"]
UNKNOWN: Final = ""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One kind of thing, and what becomes of it.

    Args:
        verb: ``make``, ``keep``, ``start``, ``stop`` or ``end``.
        what: ``master``, ``worker``, ``disk``, ``address`` or ``rest``: the network and what else
            belongs to the cluster and costs nothing.
        count: How many.
        detail: Type, image and place; "" where the cloud chooses when it is made.
        usd_per_hour: What all of them cost together afterwards; None when it is not known.
    """

    verb: Verb
    what: str
    count: int
    detail: str = ""
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to. It is reckoned from what is known now; nothing was asked.

    Args:
        lines: What becomes of each thing.
        usd_before: US$ per hour now; None when it is not known.
        usd_after: US$ per hour afterwards.
        usd_most: US$ per hour at the maximum size, for a size that follows the queue; else None.
        remarks: What a person should know, a sentence each.
        prices_dated: Of what day the prices are; None when there are none.
    """

    lines: tuple[PlanLine, ...]
    usd_before: Decimal | None
    usd_after: Decimal | None
    usd_most: Decimal | None = None
    remarks: tuple[str, ...] = ()
    prices_dated: date | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """What each machine of a cluster costs, US$ per hour; None when it is not known.

    Args:
        master: The master.
        worker: A worker, of the kind that is asked for first.
        disk: One machine's disk.
        address: The master's public address.
    """

    master: Decimal | None
    worker: Decimal | None
    disk: Decimal | None = None
    address: Decimal | None = None

    def of(self, workers: int, *, works: bool = True) -> Decimal | None:
        """What a cluster costs with so many workers; without ``works`` it is stopped."""
        extra = (self.disk or Decimal(0)) * (workers + 1) + (self.address or Decimal(0))
        if not works:
            return extra
        if self.master is None or (workers and self.worker is None):
            return None
        return self.master + workers * (self.worker or Decimal(0)) + extra


def rates(cloud: str, blueprint: Blueprint, table: Prices | None, *, spot: bool) -> Rates:
    """What a cluster's machines cost; a pure reckoning."""
    if table is None:
        return Rates(None, None)
    region = blueprint.region
    return Rates(
        master=table.machine(region, blueprint.master_type),
        worker=table.machine(region, blueprint.node_type, spot=spot),
        disk=table.disk(region, blueprint.disk_gib),
        address=table.address(region),
    )


def plan(cluster: Cluster, *, wanted: ClusterWanted | None = None, size: int | None = None) -> Plan:
    """What would become of a cluster. Nothing is changed, and nothing is asked of a cloud.

    Args:
        cluster: In the database, or not yet.
        wanted: What would be wanted of it; what is wanted now when None, RUN for one that is
            only prepared.
        size: What size would be wanted; the present wish when None.
    """
    wish = wanted or ClusterWanted(cluster.wanted)
    if wish is ClusterWanted.PREPARED:
        wish = ClusterWanted.RUN
    workers = (cluster.size if size is None else size) - 1
    blueprint = _blueprint(cluster)
    table = prices.of_cloud(cluster.account.cloud)
    cost = rates(cluster.account.cloud, blueprint, table, spot=cluster.spot)
    master, there = _present(cluster)
    working = master is not None and master != MachineState.STOPPED
    before = cost.of(there, works=working) if master is not None else Decimal(0)
    lines, after = _lines(wish, blueprint, cost, master, there, workers, cluster.spot)
    most = None
    if is_elastic(cluster) and wish is ClusterWanted.RUN:
        most = cost.of((cluster.max_size or 1) - 1)
    return Plan(
        lines=lines,
        usd_before=before,
        usd_after=after,
        usd_most=most,
        remarks=_remarks(cluster, wish, blueprint, table, after),
        prices_dated=None if table is None else table.dated,
    )


def _blueprint(cluster: Cluster) -> Blueprint:
    if is_made(cluster):
        return blueprints.read(cluster.blueprint)
    spec = effective(cluster)
    try:
        likely = cloud_class(cluster.account.cloud).cluster_defaults(cluster.account.config)
    except CloudMissing:
        likely = None
    node = spec.node_type or spec.master_type
    node = node or (likely.node_type if likely else UNKNOWN)
    return Blueprint(
        region=spec.region or (likely.region if likely else UNKNOWN),
        zones=spec.zones,
        master_image=spec.master_image or spec.node_image,
        master_type=spec.master_type or spec.node_type or (likely.master_type if likely else node),
        node_image=spec.node_image,
        node_type=node,
        spot=spec.spot,
        network=spec.network,
        resource_group=spec.resource_group,
    )


def _present(cluster: Cluster) -> tuple[str | None, int]:
    """The state of the master, None without one, and how many workers there are."""
    if cluster.pk is None:
        return None, 0
    rows = ClusterNode.objects.filter(cluster=cluster, gone_at=None, ended_at=None)
    found = list(rows.values_list("role", "state"))
    masters = [state for role, state in found if role == Role.MASTER]
    return (masters[0] if masters else None), sum(role == Role.WORKER for role, _ in found)


def _lines(
    wish: ClusterWanted, blueprint: Blueprint, cost: Rates, master: str | None, there: int,
    workers: int, spot: bool,
) -> tuple[tuple[PlanLine, ...], Decimal | None]:  # fmt: skip
    where = ", ".join(blueprint.zones) or blueprint.region
    as_master = _detail(blueprint.master_type, where, blueprint.master_image)
    as_node = _detail(blueprint.node_type, where, blueprint.node_image, "spot" if spot else "")
    lines: list[PlanLine] = []
    if wish is ClusterWanted.DELETE:
        if master is not None:
            lines.append(PlanLine("end", "master", 1, as_master))
        if there:
            lines.append(PlanLine("end", "worker", there, as_node))
        return (*lines, PlanLine("end", "rest", 1)), Decimal(0)
    if wish is ClusterWanted.STOP:
        if master is not None:
            verb: Verb = "keep" if master == MachineState.STOPPED else "stop"
            lines.append(PlanLine(verb, "master", 1, as_master, cost.of(0, works=False)))
        if there:
            lines.append(PlanLine("end", "worker", there, as_node))
        return tuple(lines), cost.of(0, works=False) if master is not None else Decimal(0)
    verb = "make" if master is None else "start" if master == MachineState.STOPPED else "keep"
    lines.append(PlanLine(verb, "master", 1, as_master, cost.master))
    for each, count in (
        ("keep", min(there, workers)), ("make", workers - there), ("end", there - workers)
    ):  # fmt: skip
        if count > 0:
            each_cost = None if cost.worker is None else cost.worker * count
            price = Decimal(0) if each == "end" else each_cost
            lines.append(PlanLine(each, "worker", count, as_node, price))  # type: ignore[arg-type]
    whose: Verb = "keep" if master is not None else "make"
    if cost.disk is not None:
        disks = f"{blueprint.disk_gib} GiB, encrypted"
        lines.append(PlanLine(whose, "disk", workers + 1, disks, cost.disk * (workers + 1)))
    if cost.address is not None:
        lines.append(PlanLine(whose, "address", 1, "", cost.address))
    lines.append(PlanLine(whose, "rest", 1, blueprint.network or blueprint.resource_group))
    return tuple(lines), cost.of(workers)


def _detail(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _remarks(
    cluster: Cluster, wish: ClusterWanted, blueprint: Blueprint, table: Prices | None,
    after: Decimal | None,
) -> tuple[str, ...]:  # fmt: skip
    found: list[str] = []
    if wish is ClusterWanted.RUN and not blueprint.node_type:
        found.append("The cloud's default types are taken; what they cost is told once known.")
    elif after is None:
        found.append("The price of these machines is not in the table of prices.")
    if table is not None and table.is_old():
        found.append(f"The prices are {table.age_days()} days old.")
    if cluster.spot and wish is ClusterWanted.RUN:
        found.append("Workers are spot machines where there are some, at a typical price.")
    limit = cluster.hourly_limit
    if limit is not None and after is not None and after > limit:
        found.append(f"It would cost more than the limit of US$ {limit} an hour: fewer will come.")
    return tuple(found)
