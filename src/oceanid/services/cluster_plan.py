"""Plans: what a change of a cluster will make, end and keep, and what it costs by the hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from oceanid.clouds import blueprints
from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import Blueprint
from oceanid.errors import CloudMissing
from oceanid.models import Cluster, ClusterNode
from oceanid.services import prices
from oceanid.services.cluster_values import effective, is_elastic, is_made
from oceanid.services.costs import NOTHING, Tariff, tariff
from oceanid.services.machines import rate_of
from oceanid.states import ClusterWanted, MachineState, Role

Verb = Literal["make", "keep", "start", "stop", "end"]
UNKNOWN: Final = ""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One kind of thing, and what becomes of it.

    Args:
        verb: ``make``, ``keep``, ``start``, ``stop`` or ``end``.
        what: ``master``, ``worker``, ``disk``, ``address``, ``gateway`` or ``rest``: the network
            and what else belongs to the cluster and costs nothing.
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
        usd_before: US$ per hour now; None when it is not known. What the lines say to be of an
            unknown price beside the machines is not in it, nor in the others.
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
    account = cluster.account
    cost = tariff(account.cloud, account.config, blueprint, table, spot=cluster.spot)
    present = _present(cluster)
    before = present.usd
    if before is None and present.master != MachineState.STOPPED:
        before = cost.of(present.workers)  # of before prices were known, or were kept
    lines, after = _lines(wish, cost, present, workers)
    most = None
    if is_elastic(cluster) and wish is ClusterWanted.RUN:
        most = cost.of((cluster.max_size or 1) - 1)
    return Plan(
        lines=lines,
        usd_before=before,
        usd_after=after,
        usd_most=most,
        remarks=_remarks(cluster, wish, cost, after, most),
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


@dataclass(frozen=True, slots=True)
class _Present:
    """What there is of a cluster.

    Args:
        master: The state of the master; None without one.
        workers: How many there are.
        usd: What all of it costs, US$ per hour; None when it is not known.
        stands: Whether there is anything beside machines.
    """

    master: str | None = None
    workers: int = 0
    usd: Decimal | None = NOTHING
    stands: bool = False


def _present(cluster: Cluster) -> _Present:
    if cluster.pk is None:
        return _Present()
    rows = ClusterNode.objects.filter(cluster=cluster, gone_at=None)
    nodes = list(rows.only("role", "state", "ended_at", "gone_at", "usd_per_hour", "usd_stopped"))
    alive = [each for each in nodes if each.ended_at is None]
    masters = [each.state for each in alive if each.role == Role.MASTER]
    unpriced = any(MachineState(each.state).is_paid and each.usd_per_hour is None for each in nodes)
    return _Present(
        master=masters[0] if masters else None,
        workers=sum(each.role == Role.WORKER for each in alive),
        usd=None if unpriced else rate_of(nodes, cluster.usd_beside),
        stands=cluster.usd_beside is not None,
    )


def _lines(
    wish: ClusterWanted, cost: Tariff, present: _Present, workers: int
) -> tuple[tuple[PlanLine, ...], Decimal | None]:
    blueprint, master, there = cost.blueprint, present.master, present.workers
    where = ", ".join(blueprint.zones) or blueprint.region
    as_master = _detail(blueprint.master_type, where, blueprint.master_image)
    as_node = _detail(blueprint.node_type, where, blueprint.node_image, "spot" if cost.spot else "")
    lines: list[PlanLine] = []
    if wish is ClusterWanted.DELETE:
        if master is not None:
            lines.append(PlanLine("end", "master", 1, as_master))
        if there:
            lines.append(PlanLine("end", "worker", there, as_node))
        if present.stands and cost.beside.gateways:
            lines.append(PlanLine("end", "gateway", cost.beside.gateways))
        return (*lines, PlanLine("end", "rest", 1)), NOTHING
    if wish is ClusterWanted.STOP:
        if master is not None:
            verb: Verb = "keep" if master == MachineState.STOPPED else "stop"
            lines.append(PlanLine(verb, "master", 1, as_master, NOTHING))
        if there:
            lines.append(PlanLine("end", "worker", there, as_node))
        if master is not None:
            return (*lines, *_with_them("keep", cost, 0, is_stopped=True)), cost.stopped
        ground = _with_them("keep", cost, 0, has_master=False) if present.stands else []
        return (*lines, *ground), cost.ground if present.stands else NOTHING
    verb = "make" if master is None else "start" if master == MachineState.STOPPED else "keep"
    lines.append(PlanLine(verb, "master", 1, as_master, cost.master))
    for each, count in (
        ("keep", min(there, workers)), ("make", workers - there), ("end", there - workers)
    ):  # fmt: skip
        if count > 0:
            each_cost = None if cost.worker is None else cost.worker * count
            price = NOTHING if each == "end" else each_cost
            lines.append(PlanLine(each, "worker", count, as_node, price))  # type: ignore[arg-type]
    whose: Verb = "keep" if master is not None else "make"
    lines += _with_them(whose, cost, workers, before=None if master is None else there)
    lines.append(PlanLine(whose, "rest", 1, blueprint.network or blueprint.resource_group))
    return tuple(lines), cost.of(workers)


def _with_them(
    verb: Verb, cost: Tariff, workers: int, *, has_master: bool = True, is_stopped: bool = False,
    before: int | None = None,
) -> list[PlanLine]:  # fmt: skip
    """Disks, addresses and gateways, as they will be afterwards.

    Args:
        verb: What becomes of them.
        cost: What they cost.
        workers: How many workers there will be.
        has_master: Whether there will be a master.
        is_stopped: Whether it will be stopped.
        before: How many workers there are: what more of them bring is made.
    """
    found: list[PlanLine] = []
    had = {} if before is None else {"disk": before + 1, "address": cost.addresses(before)}
    gib = cost.beside.disk_gib or cost.blueprint.disk_gib
    addresses = cost.addresses(workers, has_master=has_master, is_stopped=is_stopped)
    gb = f"and US$ {cost.gateway_gb:f} a GB that goes through it" if cost.gateway_gb else ""
    for what, count, price, detail in (
        ("disk", workers + has_master, cost.disk, f"{gib} GiB, encrypted"),
        ("address", addresses, cost.address, ""),
        ("gateway", cost.beside.gateways, cost.gateway, gb),
    ):
        kept = min(count, had.get(what, count))
        for becomes, some in ((verb, kept), ("make", count - kept)):
            if some:
                each = None if price is None else price * some
                found.append(PlanLine(becomes, what, some, detail, each))
    return found


def _detail(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


UNCOUNTED: Final = {
    "disk": "disks", "address": "public addresses", "gateway": "the NAT gateway",
}  # fmt: skip


def uncounted(cost: Tariff) -> str:
    """What costs and is not counted, because the table has no price of it; "" when all is."""
    if not cost.missing:
        return ""
    things = ", ".join(UNCOUNTED[each] for each in cost.missing)
    return f"Not counted, because the table of prices does not tell it: {things}."


def _remarks(
    cluster: Cluster, wish: ClusterWanted, cost: Tariff, after: Decimal | None,
    most: Decimal | None,
) -> tuple[str, ...]:  # fmt: skip
    found: list[str] = []
    table, is_run = cost.table, wish is ClusterWanted.RUN
    if is_run and not cost.blueprint.node_type:
        found.append("The cloud's default types are taken; what they cost is told once known.")
    elif after is None:
        found.append("The price of these machines is not in the table of prices.")
    if wish is not ClusterWanted.DELETE and cost.missing and after is not None:
        found.append(uncounted(cost))
    if is_run:
        found += [each for each in (cost.beside.unsure, cost.beside.varies) if each]
    if table is not None and table.is_old():
        found.append(f"The prices are {table.age_days()} days old.")
    if cluster.spot and is_run:
        found.append("Workers are spot machines where there are some, at a typical price.")
    limit = cluster.hourly_limit
    if is_run and limit is not None and max(after or NOTHING, most or NOTHING) > limit:
        found.append(f"It would cost more than the limit of US$ {limit} an hour: fewer will come.")
    return tuple(found)
