"""What a machine costs by the hour; unknown when its price is."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from oceanid.clouds.prices import Prices, RegionPrices
from oceanid.services import costs

HERE = RegionPrices({"small": Decimal("0.10")}, disk_gib_month=Decimal("0.073"))


def test_a_machine_costs_with_its_disk() -> None:
    table = Prices("paper", date(2026, 6, 30), {"here": HERE}, spot_share=Decimal("0.5"))
    found = costs.of_machine(table, "here", "small", spot=False, disk_gib=10)
    assert found == Decimal("0.101")
    assert costs.of_machine(table, "here", "small", spot=True, disk_gib=10) == Decimal("0.051")
    assert costs.of_machine(table, "here", "odd", spot=False, disk_gib=10) is None
    assert costs.of_machine(None, "here", "small", spot=False, disk_gib=10) is None
