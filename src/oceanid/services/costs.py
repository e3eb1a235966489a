"""What one machine of a cluster costs by the hour."""

from __future__ import annotations

from decimal import Decimal

from oceanid.clouds.prices import Prices


def of_machine(
    table: Prices | None, region: str, machine_type: str, *, spot: bool, disk_gib: int
) -> Decimal | None:
    """What one machine with its disk costs, US$ per hour; None when that is not known."""
    if table is None:
        return None
    machine = table.machine(region, machine_type, spot=spot)
    disk = table.disk(region, disk_gib)
    return None if machine is None else machine + (disk or Decimal(0))
