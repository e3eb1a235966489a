"""What the parts of a cluster cost by the hour: a pure reckoning by a table of prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from oceanid.clouds.base import Cloud
from oceanid.clouds.prices import Prices
from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import Beside, Blueprint
from oceanid.errors import CloudMissing
from oceanid.states import Role

NOTHING: Final = Decimal(0)
HOUR: Final = Decimal("0.00001")
"""As exactly as prices by the hour are kept."""
MONEY: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the parts of one cluster cost, US$ per hour; None where a price is not known.

    A machine without a known price makes the whole unknown. Of disks, addresses and gateways only
    what is known is counted, and :attr:`missing` names the others.

    Args:
        table: Prices; None when there are none.
        blueprint: What the cluster is made of.
        beside: What costs beside the hours of its machines.
        spot: Whether the workers that are asked for first are spot machines.
    """

    table: Prices | None
    blueprint: Blueprint
    beside: Beside
    spot: bool = False

    @property
    def master(self) -> Decimal | None:
        """The master, as long as it runs."""
        return self.hour(self.blueprint.master_type, spot=False)

    @property
    def worker(self) -> Decimal | None:
        """A worker, of the kind that is asked for first."""
        return self.hour(self.blueprint.node_type, spot=self.spot)

    @property
    def disk(self) -> Decimal | None:
        """The disk of one machine."""
        gib = self.beside.disk_gib or self.blueprint.disk_gib
        return None if self.table is None else self.table.disk(self.blueprint.region, gib)

    @property
    def address(self) -> Decimal | None:
        """One public address."""
        return None if self.table is None else self.table.address(self.blueprint.region)

    @property
    def gateway(self) -> Decimal | None:
        """One NAT gateway."""
        return None if self.table is None else self.table.gateway(self.blueprint.region)

    @property
    def gateway_gb(self) -> Decimal | None:
        """A GB through a NAT gateway, which can't be counted; None where none stands."""
        if self.table is None or not self.beside.gateways:
            return None
        return self.table.through_gateway(self.blueprint.region)

    def hour(self, machine_type: str, *, spot: bool) -> Decimal | None:
        """A machine of a type, without what it has with it."""
        if self.table is None:
            return None
        return self.table.machine(self.blueprint.region, machine_type, spot=spot)

    def with_it(self, role: Role, *, is_stopped: bool = False) -> Decimal:
        """What a machine has with it, its disk and its address; of a stopped one it is all."""
        has = self.beside.has_address(role, is_stopped=is_stopped)
        whole = (self.disk or NOTHING) + ((self.address or NOTHING) if has else NOTHING)
        return whole.quantize(HOUR)

    def machine(self, role: Role, machine_type: str, *, spot: bool) -> Decimal | None:
        """A machine that runs, with all that it has with it."""
        alone = self.hour(machine_type, spot=spot)
        return None if alone is None else alone.quantize(HOUR) + self.with_it(role)

    @property
    def each(self) -> Decimal | None:
        """One worker more, with all that it has with it."""
        return self.machine(Role.WORKER, self.blueprint.node_type, spot=self.spot)

    @property
    def ground(self) -> Decimal:
        """What stands as long as the cluster does, with machines or without."""
        gateways = self.beside.gateways * (self.gateway or NOTHING)
        whole = gateways + self.beside.addresses * (self.address or NOTHING)
        return whole.quantize(HOUR)

    def addresses(self, workers: int, *, has_master: bool = True, is_stopped: bool = False) -> int:
        """How many public addresses are paid; those of gateways too."""
        roles = [(Role.MASTER, int(has_master)), (Role.WORKER, workers)]
        has = self.beside.has_address
        machines = sum(count for role, count in roles if has(role, is_stopped=is_stopped))
        return machines + self.beside.addresses

    def of(self, workers: int) -> Decimal | None:
        """A cluster that runs with so many workers."""
        master = self.machine(Role.MASTER, self.blueprint.master_type, spot=False)
        if master is None or (workers and self.each is None):
            return None
        return master + workers * (self.each or NOTHING) + self.ground

    @property
    def stopped(self) -> Decimal:
        """A stopped cluster, whose master keeps its disk."""
        return self.with_it(Role.MASTER, is_stopped=True) + self.ground

    @property
    def missing(self) -> tuple[str, ...]:
        """What of all that stands is not counted, because its price is not known: ``disk``,
        ``address`` and ``gateway``; nothing where there are no prices at all."""
        if self.table is None:
            return ()
        beside = self.beside
        parts = (
            ("disk", True, self.disk),
            ("address", beside.addresses or beside.master_address or beside.worker_address,
             self.address),
            ("gateway", beside.gateways, self.gateway),
        )  # fmt: skip
        return tuple(name for name, stands, price in parts if stands and price is None)


def tariff(
    cloud: str,
    config: Mapping[str, Any],
    blueprint: Blueprint,
    table: Prices | None,
    *,
    spot: bool = False,
) -> Tariff:
    """What a cluster's parts cost.

    Args:
        cloud: The name of its cloud; of one that is not installed what most clouds have is taken.
        config: Its account's options.
        blueprint: What it is made of.
        table: The prices in use.
        spot: Whether its workers are spot machines first.
    """
    try:
        beside = cloud_class(cloud).beside(blueprint, config)
    except CloudMissing:
        beside = Cloud.beside(blueprint, config)
    return Tariff(table, blueprint, beside, spot)


def since(at: datetime | None, rate: Decimal, now: datetime) -> Decimal:
    """What was spent since a time at so much per hour, US$."""
    if at is None or now <= at:
        return NOTHING
    hours = Decimal((now - at).total_seconds()) / 3600
    return (rate * hours).quantize(MONEY)
