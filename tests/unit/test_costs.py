"""What a cluster costs by the hour: by its blueprint, and unknown when one price is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oceanid.clouds.prices import Prices, RegionPrices, shipped
from oceanid.models import Cluster, ClusterNode
from oceanid.services import costs

HERE = RegionPrices(
    {"small": Decimal("0.10"), "large": Decimal("0.40")},
    disk_gib_month=Decimal("0.073"),
    address_hour=Decimal("0.005"),
)


@pytest.fixture
def table() -> Prices:
    known = shipped("amazon")
    assert known is not None
    return Prices("amazon", known.dated, {"here": HERE}, spot_share=Decimal("0.5"))


def test_an_estimate_counts_machines_disks_and_the_one_address(table: Prices) -> None:
    cluster = Cluster(region="here", node_type="large", master_type="small", size=4)
    found = costs.estimate(cluster, table)
    assert [(each.what, each.count) for each in found.lines] == [
        ("master", 1), ("worker", 3), ("disk", 4), ("address", 1),
    ]  # fmt: skip
    disks = 4 * Decimal("0.073") * 30 / 730
    assert found.per_hour == Decimal("0.10") + 3 * Decimal("0.40") + disks + Decimal("0.005")
    alone = costs.estimate(cluster, table, size=1)
    assert [each.what for each in alone.lines] == ["master", "disk", "address"]


def test_the_blueprint_counts_before_what_is_wanted(table: Prices) -> None:
    cluster = Cluster(region="", size=2, blueprint={
        "region": "here", "master_type": "small", "node_type": "large", "spot": True,
        "disk_gib": 10,
    })  # fmt: skip
    master, worker, disk, _address = costs.estimate(cluster, table).lines
    assert (master.each, worker.what, worker.each) == (Decimal("0.10"), "spot", Decimal("0.200"))
    assert disk.each == Decimal("0.001")


def test_an_unset_master_is_as_the_nodes(table: Prices) -> None:
    cluster = Cluster(region="here", node_type="large", size=1)
    assert costs.estimate(cluster, table).lines[0].each == Decimal("0.40")


@pytest.mark.parametrize("known", [True, False])
def test_one_unknown_price_makes_the_sum_unknown(table: Prices, known: bool) -> None:
    cluster = Cluster(region="here", node_type="odd", master_type="small", size=2)
    found = costs.estimate(cluster, table if known else None)
    assert found.per_hour is None
    assert found.known_per_hour > Decimal("0.1") if known else found.known_per_hour == 0


def test_nodes_that_are_paid_are_counted() -> None:
    nodes = [
        ClusterNode(state=state, usd_per_hour=Decimal("0.1"))
        for state in ("PEN", "RUN", "STG", "STO", "END", "FAI", "GON")
    ]
    assert costs.of_nodes(nodes) == Decimal("0.3")
    assert costs.of_nodes([]) == 0
    nodes[1].usd_per_hour = None
    assert costs.of_nodes(nodes) is None


def test_a_machine_costs_with_its_disk(table: Prices) -> None:
    found = costs.of_machine(table, "here", "small", spot=False, disk_gib=10)
    assert found == Decimal("0.101")
    assert costs.of_machine(table, "here", "odd", spot=False, disk_gib=10) is None
    assert costs.of_machine(None, "here", "small", spot=False, disk_gib=10) is None
