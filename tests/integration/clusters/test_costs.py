"""A cluster costs what it says: all that stands is counted, as long as it stands."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from oceanid import clusters as public
from oceanid.clouds import prices
from oceanid.models import CloudAccount, Cluster, ClusterNode, PriceTable
from oceanid.services import cluster_costs, cluster_page, clusters
from oceanid.states import ClusterWanted, Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse

# A disk is 0.03 an hour and an address 0.02, so with its gateway's address 0.52 stand beside.
HERE: dict[str, Any] = {
    "machines": {"small": 1.0, "large": 4.0}, "disk_gib_month": 0.73, "address_hour": 0.02,
    "gateway_hour": 0.5, "gateway_gb": 0.04,
}  # fmt: skip
MASTER, WORKER, BESIDE = Decimal("1.05"), Decimal("1.03"), Decimal("0.52")
LEFT = Decimal("0.05") + BESIDE
"""What is left of a stopped one: the master's disk and its address, and what stands beside."""


def price(**changed: Any) -> None:
    """Use these prices from now on."""
    here = {name: each for name, each in (HERE | changed).items() if each is not None}
    table = {
        "format": 1, "cloud": "paper", "dated": "2026-01-01", "currency": "USD",
        "spot_share": 0.25, "regions": {"paper-1": copy.deepcopy(here)},
    }  # fmt: skip
    prices.parse(table)
    PriceTable.objects.update_or_create(
        cloud="paper",
        defaults={"dated": "2026-01-01", "prices": table, "loaded_at": "2026-01-01T00:00Z"},
    )


def with_gateway(make_house: MakeHouse, **fields: Any) -> PaperHouse:
    """A cluster of a cloud in which each has a NAT gateway of its own."""
    house = make_house(**{"region": "paper-1", "node_type": "small"} | fields)
    for account in CloudAccount.objects.filter(cloud="paper"):
        account.config = {**account.config, "gateways": 1}
        account.save()
    return house


def cost(house: PaperHouse) -> cluster_costs.ClusterCost:
    """What the page tells at this moment."""
    return cluster_costs.cost(house.row, now=house.now)


def spent_in(house: PaperHouse, hours: float) -> Decimal:
    """What so many hours cost."""
    before = cost(house).usd_so_far
    house.pass_time(hours=hours)
    return cost(house).usd_so_far - before


def told(parts: tuple[cluster_costs.CostPart, ...]) -> dict[str, tuple[int, Decimal | None]]:
    return {each.what: (each.count, each.usd_per_hour) for each in parts}


def test_it_costs_what_it_says_while_it_runs_and_while_it_is_stopped(
    make_house: MakeHouse,
) -> None:
    price()
    house = with_gateway(make_house, size=3)
    plan = clusters.plan(house.row)
    whole = MASTER + 2 * WORKER + BESIDE
    assert plan.usd_after == whole and plan.usd_before == 0
    assert {line.what: line.usd_per_hour for line in plan.lines} == {
        "master": Decimal(1), "worker": Decimal(2), "disk": Decimal("0.09"),
        "address": Decimal("0.04"), "gateway": Decimal("0.5"), "rest": None,
    }  # fmt: skip
    (gateway,) = [line for line in plan.lines if line.what == "gateway"]
    assert "0.04 a GB" in gateway.detail
    house.settles()
    now = cost(house)
    assert now.usd_per_hour == whole and now.remark == ""
    assert told(now.parts) == {
        "master": (1, Decimal(1)), "worker": (2, Decimal(2)), "disk": (3, Decimal("0.09")),
        "address": (2, Decimal("0.04")), "gateway": (1, Decimal("0.5")),
    }  # fmt: skip
    assert clusters.plan(house.row).usd_before == whole
    assert spent_in(house, 10) == 10 * whole, "between two changes too"
    stop = clusters.plan(house.row, wanted=ClusterWanted.STOP)
    assert stop.usd_after == LEFT
    assert sum(line.usd_per_hour or 0 for line in stop.lines) == LEFT
    clusters.stop(house.cluster, house.boss)
    house.settles()
    still = cost(house)
    assert house.row.state == "STO" and still.usd_per_hour == LEFT
    assert told(still.parts) == {
        "disk": (1, Decimal("0.03")), "address": (2, Decimal("0.04")),
        "gateway": (1, Decimal("0.5")),
    }  # fmt: skip
    assert spent_in(house, 100) == 100 * LEFT
    assert clusters.plan(house.row, wanted=ClusterWanted.RUN).usd_before == LEFT
    end = clusters.plan(house.row, wanted=ClusterWanted.DELETE)
    assert end.usd_after == 0 and ("end", "gateway") in [(x.verb, x.what) for x in end.lines]
    clusters.start(house.cluster, house.boss)
    house.settles()
    assert cost(house).usd_per_hour == whole


def test_page_list_and_python_tell_the_same(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=2, budget=Decimal("100"))
    house.settles()
    house.pass_time(hours=20)
    row = house.row
    listed = cluster_page.with_figures(Cluster.objects.filter(pk=row.pk)).get()
    now = cluster_costs.cost(row, now=house.now)
    assert cluster_costs.usd_of(listed) == now.usd_per_hour == MASTER + WORKER + BESIDE
    assert cluster_costs.so_far(listed, now=house.now) == now.usd_so_far
    assert now.usd_so_far > 20 * (MASTER + WORKER + BESIDE), "not only until the last change"
    assert public.cost(row.name).usd_per_hour == now.usd_per_hour
    assert public.cost(row).parts == now.parts


def test_it_costs_from_when_the_first_of_it_stands(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=2)
    with house.world.open() as state:
        state.room = {"*": 0}
    for _ in range(4):
        house.round()
    assert house.state.machines == [] and house.row.usd_beside == BESIDE
    assert told(cost(house).parts) == {
        "address": (1, Decimal("0.02")),
        "gateway": (1, Decimal("0.5")),
    }
    assert spent_in(house, 10) == 10 * BESIDE
    stop = clusters.plan(house.row, wanted=ClusterWanted.STOP)
    assert stop.usd_before == stop.usd_after == BESIDE


def test_the_budget_counts_what_stands_beside_machines(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=1, budget=Decimal("15"))
    house.settles()
    house.pass_time(hours=9)
    house.settles()
    assert house.row.state == "RUN", house.told()
    house.pass_time(hours=0.6)
    house.settles()
    assert house.row.state == "STO", "15 are spent after 9.6 hours at 1.57"
    assert "budget" in house.row.message and "US$ 0.570 an hour" in house.row.hint


@pytest.mark.parametrize(("limit", "machines"), [("3.63", 3), ("3.62", 2), ("1.57", 1)])
def test_the_hourly_limit_counts_it_too(make_house: MakeHouse, limit: str, machines: int) -> None:
    price()
    house = with_gateway(make_house, size=6, hourly_limit=Decimal(limit))
    for _ in range(30):
        house.round()
    assert 1 + len(house.machines()) == machines, house.told()
    rate = cost(house).usd_per_hour
    assert rate is not None and rate <= Decimal(limit)


def test_a_limit_below_what_stands_with_the_master_starts_nothing(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=2, hourly_limit=Decimal("1.56"))
    for _ in range(6):
        house.round()
    assert house.state.machines == [] and "master alone costs more" in house.row.message


def test_spot_machines_beside_dear_ones_keep_within_the_limit(make_house: MakeHouse) -> None:
    price()
    limit = Decimal("4.3")
    house = make_house(size=6, spot=True, hourly_limit=limit)  # a spot machine costs 0.28
    with house.world.open() as state:
        state.room = {"/spot": 0}
    for _ in range(6):
        house.round()
    assert len(house.machines()) == 3, "on demand, as many as are allowed"
    with house.world.open() as state:
        state.room = {}
    house.pass_time(minutes=30)
    for _ in range(30):
        house.round()
    rate = cost(house).usd_per_hour
    assert rate is not None and rate <= limit, house.told()


def test_with_older_prices_it_runs_and_says_what_is_not_counted(make_house: MakeHouse) -> None:
    price(gateway_hour=None, gateway_gb=None)
    house = with_gateway(make_house, size=2, hourly_limit=Decimal("3"))
    plan = clusters.plan(house.row)
    assert plan.usd_after == MASTER + WORKER + Decimal("0.02")
    assert [line.usd_per_hour for line in plan.lines if line.what == "gateway"] == [None]
    assert any("Not counted" in each and "gateway" in each for each in plan.remarks)
    house.settles()
    now = cost(house)
    assert house.row.state == "RUN" and len(house.machines()) == 1
    assert told(now.parts)["gateway"] == (1, None)
    assert "NAT gateway" in now.remark
    price()
    house.round()
    assert cost(house).remark == "" and house.row.usd_beside == BESIDE


def test_new_prices_count_from_now_on(make_house: MakeHouse) -> None:
    house = make_house(size=2)
    house.settles()
    assert cost(house).usd_per_hour is None and spent_in(house, 5) == 0
    price(gateway_hour=None)
    house.round()
    first = cost(house)
    assert first.usd_per_hour == MASTER + WORKER and first.usd_so_far == 0
    assert spent_in(house, 2) == 2 * (MASTER + WORKER)
    price(machines={"small": 3.0})
    house.round()
    assert cost(house).usd_per_hour == MASTER + WORKER + 4
    assert spent_in(house, 1) == MASTER + WORKER + 4


def test_one_of_an_earlier_version_counts_from_the_next_look_on(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=1)
    house.settles()
    clusters.stop(house.cluster, house.boss)
    house.settles()
    ClusterNode.objects.update(usd_stopped=None, usd_per_hour=1)
    Cluster.objects.update(usd_beside=None)
    before = cost(house)
    assert before.usd_per_hour == 0 and spent_in(house, 50) == 0
    house.round()
    assert cost(house).usd_per_hour == LEFT
    assert cost(house).usd_so_far == before.usd_so_far, "nothing is made up for the past"
    (node,) = ClusterNode.objects.filter(
        cluster=house.cluster, role=Role.MASTER.value, gone_at=None
    )
    assert (node.usd_per_hour, node.usd_stopped) == (MASTER, Decimal("0.05"))


def test_a_master_that_shut_itself_down_is_paid_until_it_is_stopped_for_good(
    make_house: MakeHouse,
) -> None:
    price()
    house = make_house(size=1, region="paper-1", node_type="small")
    house.settles()
    clusters.stop(house.cluster, house.boss)
    with house.world.open() as state:
        (master,) = state.machines
        master.state, master.still_paid = "STO", True
    house.round()
    house.settles()
    assert house.row.state == "STO" and cost(house).usd_per_hour == Decimal("0.05")
    assert not house.state.machines[0].still_paid, "the cloud was asked to give it back"


def test_what_shut_itself_down_costs_as_if_it_ran(make_house: MakeHouse) -> None:
    price()
    house = make_house(size=1, region="paper-1", node_type="small")
    house.settles()
    clusters.stop(house.cluster, house.boss)
    house.settles()
    with house.world.open() as state:
        state.machines[0].still_paid = True
        state.denied = True
    house.round()
    with house.world.open() as state:
        state.denied = False
    house.round()
    assert cost(house).usd_per_hour == MASTER, "it is told as it is"
    house.settles()
    assert cost(house).usd_per_hour == Decimal("0.05")


def test_a_plan_tells_what_comes_to_what_is_there(make_house: MakeHouse) -> None:
    price()
    house = with_gateway(make_house, size=2)
    house.settles()
    up = [(line.verb, line.what, line.count) for line in clusters.plan(house.row, size=5).lines]
    assert up == [
        ("keep", "master", 1), ("keep", "worker", 1), ("make", "worker", 3), ("keep", "disk", 2),
        ("make", "disk", 3), ("keep", "address", 2), ("keep", "gateway", 1), ("keep", "rest", 1),
    ]  # fmt: skip
    lines = clusters.plan(house.row, size=1).lines
    down = [(line.verb, line.what, line.count) for line in lines]
    assert ("keep", "disk", 1) in down and ("make", "disk", 1) not in down
