"""What a cluster costs by the hour: before it is made, and while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from oceanid.clouds.prices import Prices
from oceanid.models import Cluster, ClusterNode
from oceanid.states import MachineState

DISK_GIB: Final = 30
"""What a machine's disk is taken for while the cluster has no blueprint."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One thing that is paid by the hour.

    Args:
        what: ``master``, ``worker``, ``spot``, ``disk`` or ``address``.
        name: Its type, "" when that is not found out yet.
        count: How many.
        each: US$ per hour of one; None when that is not known.
    """

    what: str
    name: str
    count: int
    each: Decimal | None

    @property
    def per_hour(self) -> Decimal | None:
        """US$ per hour of all of them."""
        return None if self.each is None else self.each * self.count


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a number of machines costs.

    Args:
        lines: All that is paid.
        prices: By which prices; None when there are none for this cloud.
    """

    lines: tuple[CostLine, ...]
    prices: Prices | None

    @property
    def per_hour(self) -> Decimal | None:
        """US$ per hour of all; None when the price of something is not known."""
        parts = [line.per_hour for line in self.lines]
        known = [part for part in parts if part is not None]
        return sum(known, Decimal(0)) if len(known) == len(parts) else None

    @property
    def known_per_hour(self) -> Decimal:
        """US$ per hour of what has a known price: at least so much it is."""
        return sum((line.per_hour or Decimal(0) for line in self.lines), Decimal(0))


def estimate(cluster: Cluster, table: Prices | None, *, size: int | None = None) -> Estimate:
    """What a cluster would cost at a size; nothing is asked of a cloud or of the database.

    Args:
        cluster: With its account; its blueprint counts, before there is one what is wanted.
        table: The prices in use for its cloud.
        size: How many machines, the master included; the wanted size when None.
    """
    made = cluster.blueprint or {}
    region = str(made.get("region") or cluster.region)
    node_type = str(made.get("node_type") or cluster.node_type)
    master_type = str(made.get("master_type") or cluster.master_type or node_type)
    spot = bool(made.get("spot", cluster.spot))
    disk_gib = int(made.get("disk_gib") or DISK_GIB)
    count = cluster.size if size is None else size
    lines = [CostLine("master", master_type, 1, _machine(table, region, master_type, spot=False))]
    if count > 1:
        each = _machine(table, region, node_type, spot=spot)
        lines.append(CostLine("spot" if spot else "worker", node_type, count - 1, each))
    disk = None if table is None else table.disk(region, disk_gib)
    lines.append(CostLine("disk", f"{disk_gib} GiB", count, disk))
    lines.append(CostLine("address", "", 1, None if table is None else table.address(region)))
    return Estimate(tuple(lines), table)


def of_machine(
    table: Prices | None, region: str, machine_type: str, *, spot: bool, disk_gib: int
) -> Decimal | None:
    """What one machine with its disk costs, US$ per hour; None when that is not known."""
    machine = _machine(table, region, machine_type, spot=spot)
    disk = None if table is None else table.disk(region, disk_gib)
    return None if machine is None else machine + (disk or Decimal(0))


def of_nodes(nodes: Iterable[ClusterNode]) -> Decimal | None:
    """What machines cost that are paid at the moment, US$ per hour; None when one's price is not
    known."""
    total = Decimal(0)
    for node in nodes:
        if not MachineState(node.state).is_paid:
            continue
        if node.usd_per_hour is None:
            return None
        total += node.usd_per_hour
    return total


def _machine(table: Prices | None, region: str, machine_type: str, *, spot: bool) -> Decimal | None:
    return None if table is None else table.machine(region, machine_type, spot=spot)
