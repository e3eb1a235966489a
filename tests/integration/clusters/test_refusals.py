"""What a cloud refuses is told with its cure, and hurts nothing that stands."""

from __future__ import annotations

from pathlib import Path

from oceanid.clouds.testing.world import World
from oceanid.models import Cluster
from oceanid.services import accounts, clusters
from oceanid.states import Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse


def test_without_room_other_zones_are_tried_and_then_on_demand(make_house: MakeHouse) -> None:
    house = make_house(size=1, zones=["a", "b"], spot=True)
    house.settles()
    with house.world.open() as state:
        state.room = {"a/spot": 1, "b/spot": 0, "a/plain": 0}
    clusters.resize(house.cluster, 5, house.boss)
    house.settles()
    assert house.row.state == "RUN"
    places = sorted((each.zone, each.spot) for each in house.machines())
    assert places == [("a", True), ("b", False), ("b", False), ("b", False)]


def test_without_any_room_the_healthy_part_stays_and_it_is_tried_later(house: PaperHouse) -> None:
    house.submit(2)
    house.round()
    before = {each.id for each in house.machines()}
    with house.world.open() as state:
        state.room = {"*": 0}
    clusters.resize(house.cluster, 6, house.boss)
    for _ in range(10):
        house.round()
    row = house.row
    assert row.state == "DEG" and "no such machines left" in row.message and row.hint
    assert {each.id for each in house.machines()} == before and house.state.killed == []
    assert house.state.calls.count("launch") == 3, "it is not asked at every look"
    with house.world.open() as state:
        state.room = {}
    house.pass_time(minutes=6)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 5


def test_a_quota_is_told_with_its_cure(house: PaperHouse) -> None:
    with house.world.open() as state:
        state.quota = 4
    clusters.resize(house.cluster, 9, house.boss)
    for _ in range(4):
        house.round()
    assert house.row.state == "DEG" and "quota" in house.row.message and house.row.hint
    assert len(house.machines()) == 2


def test_what_preflight_finds_is_told_and_nothing_is_made(make_house: MakeHouse) -> None:
    house = make_house(size=1)
    house.settles()
    with house.world.open() as state:
        state.quota = 2
    other = make_house(name="fens", size=5)
    for _ in range(3):
        other.round()
    row = other.row
    assert row.state == "FAI" and row.hint == "Ask for more."
    assert [step["ok"] for step in row.preflight] == [True, False]
    assert len(other.state.groups) == 1
    with house.world.open() as state:
        state.quota = 20
    other.settles()
    assert other.row.state == "RUN"


def test_a_taken_name_is_told(make_house: MakeHouse) -> None:
    house = make_house(size=1)
    house.settles()
    type(house.row).objects.filter(pk=house.cluster.pk).update(name="renamed")
    twin = make_house(name="alps", size=1)
    for _ in range(3):
        twin.round()
    assert twin.row.state == "FAI" and "taken" in twin.row.message
    clusters.delete(twin.cluster, twin.boss)
    twin.gone()
    assert len(house.machines(Role.MASTER)) == 1, "what is another's is not touched"


def test_lost_credentials_are_told_and_nothing_is_forgotten(house: PaperHouse) -> None:
    with house.world.open() as state:
        state.denied = True
    for _ in range(4):
        house.round()
    row = house.row
    assert row.state == "DEG" and "may not do this" in row.message
    assert len(house.nodes()) == 2 and row.scheduler is not None
    with house.world.open() as state:
        state.denied = False
    account = row.account
    account.config = {**account.config, "key": "new"}
    accounts.save(account, house.boss)
    house.settles()
    assert house.row.state == "RUN" and house.row.message == ""
    assert len(house.machines()) == 2


def test_with_credentials_of_another_account_nothing_is_touched_and_nothing_forgotten(
    house: PaperHouse, tmp_path: Path
) -> None:
    account = house.row.account
    before, elsewhere = account.config, {"folder": str(tmp_path / "elsewhere")}
    account.config = elsewhere
    accounts.save(account, house.boss)
    for _ in range(4):
        house.round()
    assert house.row.state == "DEG" and "another account" in house.row.message
    assert "Give the cloud account" in house.row.hint
    clusters.delete(house.cluster, house.boss, force=True)
    house.die()
    for _ in range(4):
        house.round()
    assert house.row.wanted == "DEL" and "another account" in house.row.message
    assert len(house.nodes()) == 2 and len(house.machines()) == 2
    assert not World(elsewhere["folder"]).read().calls
    account.config = before
    accounts.save(account, house.boss)
    house.gone()
    assert house.state.machines == [] and house.state.groups == []


def test_credentials_that_are_refused_are_found_by_the_look_before(house: PaperHouse) -> None:
    moor = clusters.save(Cluster(account=house.account, name="moor", size=1), house.boss)
    clusters.preflight(moor, house.boss)
    with house.world.open() as state:
        state.denied = True
    house.die()
    house.cluster = moor
    house.round()
    (step,) = house.row.preflight
    assert (step["ok"], house.row.preflight_wanted_at) == (False, None)
    assert "may not do this" in step["found"] and step["hint"]
