"""A cluster's machines: what looks at its cloud and at its pool found, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from oceanid import conf
from oceanid.clouds.specs import Machine
from oceanid.engines.pools import PoolLook, PoolNode
from oceanid.models import Cluster, ClusterLaunch, ClusterNode
from oceanid.services import launches
from oceanid.services.cluster_state import Told, tell
from oceanid.services.costs import NOTHING, Tariff, since
from oceanid.services.leases import Hold, guard
from oceanid.states import MachineState, Role

MOST_CONSOLE: Final = 64_000
COPIED: Final = (
    "name", "host_name", "machine_type", "zone", "spot", "public_address", "private_address",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What one round of looks found.

    Args:
        machines: At the cloud, those of ours.
        lost: The ids of machines that are known and that the looks do not find any more.
        pool: In the pool; None when it was not asked or did not answer.
        master_answers: Whether the master answered.
        tariff: What its parts cost.
        stands: Whether anything of the cluster stands in the cloud.
        stood: What the row says that costs beside the machines.
    """

    machines: tuple[Machine, ...]
    lost: frozenset[str]
    pool: PoolLook | None
    master_answers: bool
    tariff: Tariff
    stands: bool
    stood: Decimal | None


@dataclass(slots=True)
class _Changes:
    made: list[ClusterNode] = field(default_factory=list)
    changed: list[ClusterNode] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    joined: int = 0


def observe(hold: Hold, cluster_id: int, seen: Seen, *, now: datetime) -> int:
    """Write down what looks found: nothing at all when nothing changed.

    Returns:
        How many machines have joined since the last look.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
    """
    ids = [each.id for each in seen.machines]
    rows = ClusterNode.objects.filter(cluster=cluster_id).order_by("id")
    # One that was thought to be gone may be seen again.
    known = list(rows.filter(Q(gone_at=None) | Q(cloud_id__in=ids)))
    before = rate_of(known, seen.stood)
    changes = _compared(cluster_id, known, seen, now)
    done = launches.settled(cluster_id, now=now)
    beside = seen.tariff.ground if seen.stands else None
    if not (changes.made or changes.changed or done or beside != seen.stood):
        return 0
    with transaction.atomic():
        guard(hold)
        _tokens(changes.made)
        ClusterNode.objects.bulk_create(changes.made, ignore_conflicts=True)
        if changes.changed:
            ClusterNode.objects.bulk_update(changes.changed, _FIELDS, batch_size=100)
        launches.close(launches.settled(cluster_id, now=now))
        if changes.told:
            tell(cluster_id, changes.told, now=now)
        _accrue(cluster_id, before, rate_of([*known, *changes.made], beside), now)
        if beside != seen.stood:
            Cluster.objects.filter(pk=cluster_id).update(usd_beside=beside)
        _forget(cluster_id, now)
    return changes.joined


_FIELDS: Final = [
    *COPIED, "state", "state_since", "joined_at", "heard_at", "jobs_running", "gone_at",
    "usd_per_hour", "usd_stopped", "problem",
]  # fmt: skip


def _compared(cluster_id: int, known: list[ClusterNode], seen: Seen, now: datetime) -> _Changes:
    changes = _Changes()
    rows = {node.cloud_id: node for node in known}
    inside = {each.address: each for each in (seen.pool.nodes if seen.pool else ())}
    joined: list[str] = []
    for machine in seen.machines:
        node = rows.get(machine.id)
        is_new = node is None
        if node is None:
            node = _new(cluster_id, machine, now)
            changes.made.append(node)
        is_changed = _copy(node, machine, now) | _price(node, machine, seen.tariff)
        if seen.pool is not None or (node.role == Role.MASTER and seen.master_answers):
            was = node.joined_at
            is_changed |= _heard(node, inside.get(node.private_address), seen, now)
            if was is None and node.joined_at is not None:
                joined.append(node.role)
        if is_changed and not is_new:
            changes.changed.append(node)
    for node in known:
        if node.cloud_id in seen.lost and node.gone_at is None:
            changes.told += _lost(node, now)
            changes.changed.append(node)
    workers = sum(role == Role.WORKER for role in joined)
    changes.joined = workers
    if len(joined) > workers:
        changes.told.append(Told("machine", "The master answers."))
    if workers:
        noun = "worker has" if workers == 1 else "workers have"
        changes.told.append(Told("machine", f"{workers} {noun} joined the pool."))
    return changes


def _new(cluster_id: int, machine: Machine, now: datetime) -> ClusterNode:
    node = ClusterNode(
        cluster_id=cluster_id, cloud_id=machine.id, role=machine.role.value,
        launched_at=machine.launched_at or now,
    )  # fmt: skip
    node.token = machine.launch  # type: ignore[attr-defined]
    return node


def _tokens(made: list[ClusterNode]) -> None:
    """Say of which order each new machine came; of an unknown one when no row is kept of it."""
    tokens = {str(node.token) for node in made}  # type: ignore[attr-defined]
    rows = ClusterLaunch.objects.filter(token__in=[each for each in tokens if _is_uuid(each)])
    by_token = {str(row.token): row for row in rows}
    for node in made:
        node.launch = by_token.get(str(node.token))  # type: ignore[attr-defined]


def _is_uuid(token: str) -> bool:
    try:
        UUID(token)
    except ValueError:
        return False
    return True


def _copy(node: ClusterNode, machine: Machine, now: datetime) -> bool:
    is_changed = node.gone_at is not None
    node.gone_at = None
    for name in COPIED:
        value: Any = getattr(machine, name)
        if value != getattr(node, name) and value != "":
            setattr(node, name, value)
            is_changed = True
    if node.state != machine.state.value:
        node.state, node.state_since = machine.state.value, now
        if machine.reason:
            node.problem = machine.reason[:2000]
        if not machine.state.is_alive:
            node.jobs_running = 0
        is_changed = True
    return is_changed


def _price(node: ClusterNode, machine: Machine, tariff: Tariff) -> bool:
    """What it costs by the prices of now; whether that is something else than before."""
    before = (node.usd_per_hour, node.usd_stopped)
    role = Role(node.role)
    node.usd_per_hour = tariff.machine(role, node.machine_type, spot=node.spot)
    node.usd_stopped = tariff.with_it(role, is_stopped=True)
    if machine.still_paid and node.usd_per_hour is not None:
        node.usd_stopped = node.usd_per_hour
    return before != (node.usd_per_hour, node.usd_stopped)


def _heard(node: ClusterNode, inside: PoolNode | None, seen: Seen, now: datetime) -> bool:
    before = (node.joined_at, node.heard_at, node.jobs_running)
    if node.role == Role.MASTER:
        if seen.master_answers and node.joined_at is None:
            node.joined_at = now
    elif inside is not None:
        node.joined_at = node.joined_at or now
        node.heard_at = None  # it is in the pool now; a time stands for the last before silence
    elif node.joined_at is not None and node.heard_at is None:
        node.heard_at = now
    node.jobs_running = inside.jobs_running if inside is not None else 0
    return before != (node.joined_at, node.heard_at, node.jobs_running)


def _lost(node: ClusterNode, now: datetime) -> list[Told]:
    was_ended = node.ended_at is not None
    node.gone_at = now
    node.state, node.state_since, node.jobs_running = MachineState.GONE.value, now, 0
    if was_ended:
        return []
    what = "The master" if node.role == Role.MASTER else f"Worker {node}"
    why = f": {node.problem}" if node.problem else "."
    taken = " The cloud may have taken it back." if node.spot and not node.problem else ""
    return [Told("machine", f"{what} is gone{why}{taken}")]


def rate_of(nodes: Iterable[ClusterNode], beside: Decimal | None) -> Decimal:
    """What a cluster costs now, US$ per hour, as far as prices are known.

    Args:
        nodes: Its machines; one that does not run costs what it has with it.
        beside: What stands beside them.
    """
    here = (each for each in nodes if each.gone_at is None)
    paid = (
        each.usd_per_hour if MachineState(each.state).is_paid else each.usd_stopped for each in here
    )
    return sum((each or NOTHING for each in paid), beside or NOTHING)


def cost_now(row: Cluster, nodes: Iterable[ClusterNode], now: datetime) -> Decimal:
    """What a cluster has cost until now, US$."""
    return row.cost + since(row.cost_at, rate_of(nodes, row.usd_beside), now)


def _accrue(cluster_id: int, before: Decimal, after: Decimal, now: datetime) -> None:
    """From here on it costs otherwise: what it cost until now is added up."""
    row = Cluster.objects.only("cost", "cost_at").get(pk=cluster_id)
    if before == after and row.cost_at is not None:
        return
    added = since(row.cost_at, before, now)
    Cluster.objects.filter(pk=cluster_id).update(cost=F("cost") + added, cost_at=now)


def _forget(cluster_id: int, now: datetime) -> None:
    old = now - timedelta(days=conf.current().clusters.nodes_days)
    ClusterNode.objects.filter(cluster=cluster_id, gone_at__lt=old).delete()


def mark(
    hold: Hold,
    cluster_id: int,
    ids: Sequence[str],
    *,
    now: datetime,
    told: str = "",
    kind: str = "machine",
    **values: Any,
) -> None:
    """Write down what is about to be done with machines: before it is done.

    Args:
        hold: The cluster's lease.
        cluster_id: The cluster.
        ids: The machines, as the cloud calls them.
        now: The time.
        told: A line for the cluster's history.
        kind: Its kind.
        values: The columns that change: ``leaving_at``, ``ended_at``, ``problem``, ``console``.

    Raises:
        LeaseLost: Another supervisor drives the cluster; it must not be done.
    """
    if "console" in values:
        values["console"] = values["console"][-MOST_CONSOLE:]
    with transaction.atomic():
        guard(hold)
        for start in range(0, len(ids), 500):
            some = list(ids[start : start + 500])
            ClusterNode.objects.filter(cluster=cluster_id, cloud_id__in=some).update(**values)
        if told:
            tell(cluster_id, [Told(kind, told)], now=now)
