"""A cluster's size follows its queue, its clock and its money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oceanid.clouds import prices
from oceanid.models import ClusterEvent, Job, Outbox, PriceTable
from oceanid.services import clusters, machines
from oceanid.services.outbox import ClusterNews
from oceanid.states import Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse

TABLE = {
    "format": 1, "cloud": "paper", "dated": "2026-01-01", "currency": "USD", "spot_share": 0.25,
    "regions": {"paper-1": {"machines": {"small": 1.0, "large": 4.0}}},
}  # fmt: skip


@pytest.fixture
def priced(db: None) -> None:
    prices.parse(TABLE)
    PriceTable.objects.create(
        cloud="paper", dated="2026-01-01", prices=TABLE, loaded_at="2026-01-01T00:00Z"
    )


def waiting_job(house: PaperHouse, count: int) -> Job:
    """A job of an app that waits in the database."""
    return Job.objects.create(
        name="run", user=house.boss, type="CONDOR", scheduler=house.row.scheduler, state="SUB",
        wanted="RUN", num_jobs=count, creation_time=house.now,
    )  # fmt: skip


def test_a_queue_of_fifty_grows_it_to_its_maximum_and_an_empty_one_shrinks_it(
    make_house: MakeHouse,
) -> None:
    house = make_house(size=1, min_size=1, max_size=5)
    house.settles()
    assert house.machines() == []
    house.submit(50, looks=8)
    house.settles()
    assert len(house.machines()) == 4 and house.row.target == 5
    assert house.row.size == 1, "what a person wants is not changed"
    house.until(lambda: all(job.done for job in house.state.jobs), what="all jobs end", rounds=400)
    house.round()
    assert len(house.machines()) == 4, "fewer must be enough for some minutes first"
    house.pass_time(minutes=6)
    house.settles()
    assert house.machines() == [] and house.row.target == 1
    assert house.state.killed == []
    told = [event.message for event in ClusterEvent.objects.filter(kind="decision")]
    assert "By its queue it grows from 1 to 5." in told
    assert "By its queue it shrinks from 5 to 1." in told


def test_jobs_that_wait_in_the_database_count(make_house: MakeHouse) -> None:
    house = make_house(size=1, max_size=4)
    house.settles()
    job = waiting_job(house, 2)
    house.settles()
    assert len(house.machines()) == 2
    job.delete()


def test_a_short_lull_ends_no_machine(make_house: MakeHouse) -> None:
    house = make_house(size=1, max_size=3)
    house.settles()
    house.submit(9)
    house.settles()
    launches = house.state.calls.count("launch")
    for _ in range(3):
        house.finish()
        house.round()
        house.pass_time(minutes=3)
        house.round()
        house.submit(9)
        house.round()
    house.settles()
    assert len(house.machines()) == 2
    assert house.state.calls.count("launch") == launches
    assert house.state.killed == []


def test_a_pool_that_does_not_answer_is_no_reason_to_end_machines(make_house: MakeHouse) -> None:
    house = make_house(size=3, min_size=1, max_size=5)
    house.settles()
    with house.world.open() as state:
        for each in state.machines:
            if each.role == Role.MASTER:
                each.joined, each.fate = False, "mute"
    for _ in range(5):
        house.round()
        house.pass_time(minutes=10)
    assert len(house.machines()) == 2


def test_without_a_job_it_is_stopped_and_starts_by_itself_when_one_comes(
    make_house: MakeHouse,
) -> None:
    house = make_house(size=3, idle_minutes=30)
    house.settles()
    house.submit(1)
    house.round()
    house.pass_time(hours=2)
    house.round()
    assert house.row.state == "RUN" and house.row.idle_since is None
    house.finish()
    house.round()
    house.pass_time(minutes=29)
    house.settles()
    assert len(house.machines()) == 2
    house.pass_time(minutes=1)
    house.settles()
    row = house.row
    assert (row.state, row.wanted) == ("STO", "RUN") and house.machines() == []
    assert "No job for 30 minutes" in row.message
    told = Outbox.objects.filter(subject="cluster", after=ClusterNews.IDLE.value)
    assert "it had no job for 30 minutes" in told.get().message
    for _ in range(5):
        house.round()
    waiting_job(house, 1)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2


def handed_over(house: PaperHouse) -> Job:
    """A job whose one process was given to the pool, as the database says."""
    return Job.objects.create(
        name="run", user=house.boss, type="CONDOR", scheduler=house.row.scheduler, state="SUB",
        wanted="RUN", num_jobs=1, tasks_made=1, tasks_submitted=1, creation_time=house.now,
    )  # fmt: skip


def test_a_job_that_comes_into_its_queue_in_the_last_moment_keeps_it_awake(
    make_house: MakeHouse,
) -> None:
    house = make_house(size=3, idle_minutes=30)
    house.settles()
    house.pass_time(minutes=31)
    house.submit(1)
    for _ in range(4):
        house.round()
    row = house.row
    assert (row.state, row.idle_since) == ("RUN", None)
    assert house.state.jobs[0].machine in {each.id for each in house.machines()}
    house.finish()
    house.round()
    house.pass_time(minutes=15)
    house.settles()
    house.pass_time(minutes=16)
    house.round()
    assert house.row.state == "STG"
    house.submit(1)
    house.settles()
    assert house.row.state == "RUN" and house.state.jobs[1].machine, "it had begun to stop"


def test_a_job_that_its_queue_got_after_the_last_look_wakes_it(make_house: MakeHouse) -> None:
    house = make_house(size=2, idle_minutes=30)
    house.settles()
    handed_over(house)  # one that the pool does not know (any more)
    house.round()
    house.pass_time(minutes=31)
    house.settles()
    assert house.row.state == "STO"
    for _ in range(5):
        house.round()
    assert house.row.state == "STO", "the former one wakes nobody"
    handed_over(house)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 1


def test_one_that_sleeps_is_started_by_a_person(make_house: MakeHouse) -> None:
    house = make_house(size=2, idle_minutes=10)
    house.settles()
    house.pass_time(minutes=11)
    house.settles()
    assert house.row.state == "STO"
    clusters.start(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 1


def test_what_it_costs_is_added_up_and_the_budget_stops_it(
    priced: None, make_house: MakeHouse
) -> None:
    house = make_house(size=3, budget=Decimal("30"))
    house.settles()
    assert all(node.usd_per_hour == 1 for node in house.nodes())
    before = machines.cost_now(house.row, [*house.nodes(), *house.nodes(Role.MASTER)], house.now)
    house.pass_time(hours=5)
    house.settles()
    row = house.row
    after = machines.cost_now(row, [*house.nodes(), *house.nodes(Role.MASTER)], house.now)
    assert Decimal("15") <= after - before < Decimal("15.2")
    assert row.cost < 1, "it is written down when it changes, and reckoned in between"
    house.pass_time(hours=5)
    house.settles()
    row = house.row
    assert (row.wanted, row.state) == ("STO", "STO")
    assert Decimal("30") <= row.cost < Decimal("31")
    assert "budget" in row.message and row.hint
    assert Outbox.objects.filter(subject="cluster", after="BUD").count() == 1
    house.pass_time(hours=100)
    house.round()
    assert house.row.cost == row.cost, "what is stopped costs nothing by the hour"
    clusters.start(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "STO", "there is no money for it"
    changed = house.row
    changed.budget = Decimal("60")
    clusters.save(changed, house.boss)
    clusters.start(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "RUN"


def test_the_hourly_limit_caps_it(priced: None, make_house: MakeHouse) -> None:
    house = make_house(size=6, hourly_limit=Decimal("3.5"))
    house.settles()
    row = house.row
    assert len(house.machines()) == 2
    assert row.state == "DEG" and "allows 3 of 6 machines" in row.message and row.hint
    changed = house.row
    changed.hourly_limit = Decimal("10")
    clusters.save(changed, house.boss)
    house.settles()
    assert len(house.machines()) == 5 and house.row.state == "RUN"


def test_on_demand_the_limit_holds_too(priced: None, make_house: MakeHouse) -> None:
    house = make_house(size=5, spot=True, hourly_limit=Decimal("2.1"))
    with house.world.open() as state:
        state.room = {"/spot": 1}
    for _ in range(14):
        house.round()
    assert [each.spot for each in house.machines()] == [True]
    assert "On demand" in house.row.message
    assert sum(node.usd_per_hour or 0 for node in house.nodes()) + 1 <= Decimal("2.1")


def test_a_limit_below_the_master_starts_nothing(priced: None, make_house: MakeHouse) -> None:
    house = make_house(size=2, hourly_limit=Decimal("0.5"))
    for _ in range(6):
        house.round()
    assert house.state.machines == []
    assert "master alone costs more" in house.row.message
