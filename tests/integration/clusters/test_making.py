"""A cluster is made, changed, stopped, started and taken down; step by step, on paper."""

from __future__ import annotations

from oceanid.models import ClusterEvent, ClusterLaunch, Scheduler
from oceanid.services import clusters
from oceanid.states import Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse


def test_a_cluster_comes_up_and_is_a_scheduler(house: PaperHouse) -> None:
    assert len(house.machines(Role.MASTER)) == 1
    assert len(house.machines()) == 2
    assert len(house.nodes()) == 2 and all(node.joined_at for node in house.nodes())
    record = Scheduler.objects.get(name="alps")
    (master,) = house.machines(Role.MASTER)
    assert house.row.scheduler == record and record.engine == "paper" and record.enabled
    assert record.config["host"] == master.address and record.config["user"] == "oceanid"
    assert record.config["host_key"] in master.user_data
    assert "private_key" in record.secrets
    assert [step["state"] for step in house.row.steps] == ["done"] * 6
    assert house.state.calls.count("launch") == 2, "one order for the master, one for all workers"
    assert not ClusterLaunch.objects.filter(is_over=False).exists()
    assert all(launch.secrets == {} for launch in ClusterLaunch.objects.all())


def test_a_look_at_what_does_not_change_is_one_call_and_writes_but_its_minute(
    house: PaperHouse,
) -> None:
    calls, events = len(house.state.calls), ClusterEvent.objects.count()
    before = house.row
    for _ in range(3):
        house.round()
    assert house.state.calls[calls:] == ["look"] * 3
    assert ClusterEvent.objects.count() == events
    after = house.row
    for field in after._meta.concrete_fields:
        if field.name != "looked_at":
            assert getattr(after, field.name) == getattr(before, field.name), field.name


def test_it_grows_and_shrinks_to_the_master_alone_and_back(house: PaperHouse) -> None:
    clusters.resize(house.cluster, 6, house.boss)
    house.settles()
    assert len(house.machines()) == 5 and house.row.state == "RUN"
    (master,) = house.machines(Role.MASTER)
    assert not master.works
    clusters.resize(house.cluster, 1, house.boss)
    house.settles()
    assert house.machines() == [] and house.row.state == "RUN"
    (master,) = house.machines(Role.MASTER)
    assert master.works
    clusters.resize(house.cluster, 3, house.boss)
    house.settles()
    (master,) = house.machines(Role.MASTER)
    assert len(house.machines()) == 2 and not master.works


def test_a_master_alone_works_from_the_start(make_house: MakeHouse) -> None:
    house = make_house(size=1)
    house.settles()
    (master,) = house.machines(Role.MASTER)
    assert master.works and house.row.state == "RUN"
    assert house.state.calls.count("launch") == 1


def test_shrinking_takes_idle_ones_first_and_waits_for_jobs(house: PaperHouse) -> None:
    clusters.resize(house.cluster, 5, house.boss)
    house.settles()
    house.submit(2)
    house.round()
    clusters.resize(house.cluster, 2, house.boss)
    for _ in range(20):
        house.round()
    assert len(house.machines()) == 2, "two idle ones went; two run jobs, one of them drained"
    assert sum(each.draining for each in house.machines()) == 1
    assert house.row.state == "RSZ"
    house.finish()
    house.settles()
    assert len(house.machines()) == 1 and house.state.killed == []


def test_a_job_that_begins_while_it_shrinks_is_not_killed(house: PaperHouse) -> None:
    """At any moment: between the look that finds all idle, the drain, and the end of a worker."""
    struck = 0
    for call in range(0, 16, 2):
        before = len(house.state.jobs)
        clusters.resize(house.cluster, 1, house.boss)
        house.interrupt(call, lambda: house.submit(2), after=True)
        for _ in range(4):
            house.round()
        state = house.state
        struck += len(state.jobs) > before
        busy = {job.machine for job in state.jobs if job.machine}
        assert state.killed == [] and busy <= {each.id for each in state.machines if each.is_alive}
        house.finish()
        house.settles()
        assert house.machines() == [] and house.row.state == "RUN"
        clusters.resize(house.cluster, 3, house.boss)
        house.settles()
    assert struck > 5 and house.state.killed == []


def test_by_force_a_running_job_is_no_reason_to_wait(house: PaperHouse) -> None:
    house.submit(2)
    house.round()
    clusters.resize(house.cluster, 1, house.boss, force=True)
    house.settles()
    assert house.machines() == [] and sorted(house.state.killed) == [0, 1]
    assert not house.row.force


def test_those_that_are_drained_stay_when_more_are_wanted_again(house: PaperHouse) -> None:
    house.submit(2)
    house.round()
    clusters.resize(house.cluster, 1, house.boss)
    house.until(lambda: all(each.draining for each in house.machines()), what="all are drained")
    launches = house.state.calls.count("launch")
    clusters.resize(house.cluster, 3, house.boss)
    house.settles()
    assert not any(each.draining for each in house.machines())
    assert house.state.calls.count("launch") == launches and house.state.killed == []


def test_it_stops_and_starts_with_the_wanted_size(house: PaperHouse) -> None:
    (master,) = house.machines(Role.MASTER)
    clusters.stop(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "STO" and house.row.size == 3
    assert [each.state for each in house.state.machines] == ["STO"]
    calls = len(house.state.calls)
    house.round()
    assert house.state.calls[calls:] == ["look"]
    clusters.start(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2
    assert house.machines(Role.MASTER)[0].id == master.id


def test_a_stop_waits_for_running_jobs_unless_forced(house: PaperHouse) -> None:
    house.submit(1)
    house.round()
    clusters.stop(house.cluster, house.boss)
    for _ in range(20):
        house.round()
    assert house.row.state == "STG" and house.state.killed == []
    assert len(house.machines()) == 1 and len(house.machines(Role.MASTER)) == 1
    clusters.stop(house.cluster, house.boss, force=True)
    house.settles()
    assert house.row.state == "STO" and house.state.killed == [0]


def test_nothing_is_left_of_one_that_was_deleted(house: PaperHouse) -> None:
    clusters.delete(house.cluster, house.boss)
    house.gone()
    state = house.state
    assert state.machines == [] and state.groups == []
    assert not Scheduler.objects.filter(name="alps").exists()


def test_one_with_running_jobs_of_others_is_emptied_before_it_is_deleted(house: PaperHouse) -> None:
    house.submit(1)
    house.round()
    clusters.delete(house.cluster, house.boss)
    for _ in range(20):
        house.round()
    assert house.row.state == "DEL" and house.state.killed == []
    assert "1 jobs run" in str(house.row.steps)
    clusters.delete(house.cluster, house.boss, force=True)
    house.gone()
    assert house.state.machines == [] and house.state.killed == [0]


def test_one_that_is_deleted_while_it_is_made_goes_too(make_house: MakeHouse) -> None:
    for rounds in range(12):
        house = make_house(name=f"alps-{rounds}")
        for _ in range(rounds):
            house.round()
        clusters.delete(house.cluster, house.boss)
        house.gone()
        assert house.state.machines == [] and house.state.groups == []


def test_one_that_is_stopped_while_it_is_made_stops(make_house: MakeHouse) -> None:
    for rounds in range(10):
        house = make_house(name=f"alps-{rounds}")
        for _ in range(rounds):
            house.round()
        clusters.stop(house.cluster, house.boss)
        house.settles()
        assert house.row.state == "STO", house.told()
        assert house.machines() == [] and house.machines(Role.MASTER) == []
        clusters.start(house.cluster, house.boss)
        house.settles()
        assert house.row.state == "RUN" and len(house.machines()) == 2, house.told()
        clusters.delete(house.cluster, house.boss)
        house.gone()
