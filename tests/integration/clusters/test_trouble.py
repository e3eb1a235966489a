"""What goes wrong with machines is told, put right, and hurts nothing else."""

from __future__ import annotations

from decimal import Decimal

from oceanid.clouds.testing.world import PaperMachine
from oceanid.models import Cluster, ClusterEvent, ClusterNode, Outbox
from oceanid.services import clusters
from oceanid.services.outbox import ClusterNews
from oceanid.states import MachineState, Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse


def fates(house: PaperHouse, *told: str) -> None:
    with house.world.open() as state:
        state.fates = list(told)


def end(house: PaperHouse, machine: PaperMachine, reason: str = "") -> None:
    """A machine goes without having been asked."""
    with house.world.open() as state:
        found = state.at(machine.id)
        assert found is not None
        state.strike(found)
        found.state, found.reason, found.looks = MachineState.ENDING, reason, 0


def test_one_that_does_not_join_is_reported_and_replaced_and_holds_nobody_up(
    make_house: MakeHouse,
) -> None:
    house = make_house(size=4)
    fates(house, "well", "well", "mute", "well")
    house.until(lambda: len([n for n in house.nodes() if n.joined_at]) == 2, what="two joined")
    assert house.row.scheduler is not None and house.row.scheduler.enabled
    house.pass_time(minutes=16)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 3
    bad = ClusterNode.objects.get(problem__contains="did not join")
    assert bad.gone_at is not None and bad.console == "paper boots: mute\n"
    assert house.row.failures == 0, "another one has joined since"


def test_after_three_failures_it_says_so_and_stops_trying_until_repair(
    house: PaperHouse,
) -> None:
    fates(house, *["mute"] * 10)
    clusters.resize(house.cluster, 4, house.boss)
    for _ in range(3):
        for _ in range(8):
            house.round()
        house.pass_time(minutes=16)
    house.settles()
    row = house.row
    assert row.state == "DEG" and row.failures == 3
    assert "3 times in a row" in row.message and "Repair" in row.hint
    calls = house.state.calls.count("launch")
    for _ in range(5):
        house.round()
        house.pass_time(hours=1)
    assert house.state.calls.count("launch") == calls
    assert len(house.machines()) == 2, "the healthy part is not touched"
    fates(house)
    clusters.repair(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 3


def test_a_machine_that_fails_at_the_cloud_is_replaced(make_house: MakeHouse) -> None:
    house = make_house(size=3)
    fates(house, "well", "fails", "well")
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2
    assert ClusterNode.objects.get(problem="The host failed.").gone_at is not None


def test_a_dead_worker_is_replaced_and_a_spot_machine_taken_back_too(house: PaperHouse) -> None:
    gone = house.machines()[0]
    end(house, gone, "Taken back.")
    house.settles()
    assert len(house.machines()) == 2 and house.row.state == "RUN"
    assert house.row.failures == 0
    assert any("Taken back." in event.message for event in ClusterEvent.objects.all())


def test_a_dead_master_is_replaced_with_its_workers(house: PaperHouse) -> None:
    (master,) = house.machines(Role.MASTER)
    before = {each.id for each in house.machines()}
    end(house, master)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2
    assert not before & {each.id for each in house.machines()}, "they could not have joined it"
    (again,) = house.machines(Role.MASTER)
    assert house.row.scheduler is not None
    assert house.row.scheduler.config["host"] == again.address


def test_a_master_that_someone_stopped_is_started(house: PaperHouse) -> None:
    (master,) = house.machines(Role.MASTER)
    with house.world.open() as state:
        found = state.at(master.id)
        assert found is not None
        found.state, found.joined = MachineState.STOPPED, False
    house.settles()
    assert house.row.state == "RUN"
    assert [each.id for each in house.machines(Role.MASTER)] == [master.id]


def mute(house: PaperHouse, *, is_mute: bool) -> None:
    """The master answers no more, or again."""
    with house.world.open() as state:
        (master,) = [each for each in state.machines if each.role == Role.MASTER]
        master.joined, master.fate = not is_mute, "mute" if is_mute else "well"


def test_one_look_that_the_master_does_not_answer_alarms_nobody_and_a_minute_does(
    house: PaperHouse,
) -> None:
    Outbox.objects.all().delete()
    mute(house, is_mute=True)
    for _ in range(3):
        house.round()
    assert (house.row.state, house.row.message) == ("RUN", "")
    mute(house, is_mute=False)
    house.settles()
    assert not Outbox.objects.filter(subject="cluster").exists()
    mute(house, is_mute=True)
    house.round()
    house.pass_time(minutes=1)
    house.round()
    assert house.row.state == "DEG" and "does not answer" in house.row.message
    told = Outbox.objects.get(subject="cluster")
    assert told.after == ClusterNews.DEGRADED and "does not answer" in told.message


def test_a_cluster_whose_master_is_gone_says_so_at_once(house: PaperHouse) -> None:
    end(house, house.machines(Role.MASTER)[0])
    house.until(lambda: house.row.state == "DEG", what="it is told")
    assert house.row.message.startswith("The master is not there.")
    house.settles()
    assert (house.row.state, house.row.message) == ("RUN", "")


def test_a_master_that_does_not_answer_is_told_and_replaced_only_by_repair(
    house: PaperHouse,
) -> None:
    (master,) = house.machines(Role.MASTER)
    workers = {each.id for each in house.machines()}
    with house.world.open() as state:
        found = state.at(master.id)
        assert found is not None
        found.joined, found.fate = False, "mute"
    for _ in range(10):
        house.round()
        house.pass_time(minutes=10)
    row = house.row
    assert row.state == "DEG" and "does not answer" in row.message and "Repair" in row.hint
    assert {each.id for each in house.machines()} == workers
    clusters.repair(house.cluster, house.boss)
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2
    assert house.machines(Role.MASTER)[0].id != master.id


def test_what_the_pool_tells_of_a_former_machine_is_not_believed_of_the_next_at_its_address(
    house: PaperHouse,
) -> None:
    clusters.resize(house.cluster, 4, house.boss)
    house.until(lambda: len(house.machines()) == 3, what="one is ordered")
    with house.world.open() as state:
        new = max(state.machines, key=lambda each: each.number)
        new.launched_at = house.now.timestamp()
        state.join_looks = 4
        state.ghosts = {new.address: house.now.timestamp() - 30}
    for _ in range(4):
        house.round()
        row = next(each for each in house.nodes() if each.cloud_id == new.id)
        assert (row.joined_at, row.jobs_running, row.leaving_at) == (None, 0, None)
    assert house.row.state == "RSZ" and house.row.message == ""
    house.settles()
    assert house.row.state == "RUN" and len([n for n in house.nodes() if n.joined_at]) == 3


def test_a_cloud_that_is_away_says_nothing_of_the_machines(house: PaperHouse) -> None:
    for number in range(6):
        house.world.arm("unavailable", left=number)
    for _ in range(6):
        house.round()
    assert house.row.state == "RUN" and "can't be reached" in house.row.message
    assert len(house.nodes()) == 2
    house.settles()
    assert house.row.message == ""


def test_machines_that_nobody_knows_of_are_put_to_use_or_ended(house: PaperHouse) -> None:
    with house.world.open() as state:
        (master,) = [each for each in state.machines if each.role == Role.MASTER]
        worker = next(each for each in state.machines if each.role == Role.WORKER)
        for number, role in ((900, Role.WORKER), (901, Role.MASTER)):
            like = master if role is Role.MASTER else worker
            state.machines.append(
                PaperMachine(
                    id=f"p-{number}", cluster=like.cluster, role=role, launch="unheard-of",
                    user_data=like.user_data, state="RUN", address=f"10.9.9.{number - 900}",
                    number=number, joined=True,
                )
            )  # fmt: skip
    house.settles()
    assert len(house.machines()) == 2
    assert [each.id for each in house.machines(Role.MASTER)] == [master.id]
    assert house.row.state == "RUN"


def test_a_row_that_was_lost_does_not_lose_the_machines(house: PaperHouse) -> None:
    house.row.nodes.all().delete()
    house.settles()
    assert len(house.nodes()) == 2 and len(house.machines()) == 2
    assert house.state.calls.count("launch") == 2


def test_the_hourly_limit_caps_the_growth(make_house: MakeHouse) -> None:
    house = make_house(size=2, hourly_limit=Decimal("1"))
    for _ in range(5):
        house.round()
    row = house.row
    assert "price of these machines is not known" in row.message
    assert house.state.machines == [], "without a price nothing runs under a limit"


def test_an_order_whose_answer_was_lost_is_over_once_its_machines_are_there(
    make_house: MakeHouse,
) -> None:
    house = make_house(size=3)
    house.world.arm("crash", when="after", only="launch")
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 2
    assert not house.row.launches.filter(is_over=False).exists()


def test_what_was_to_end_when_the_supervisor_died_ends(house: PaperHouse) -> None:
    house.world.arm("crash", when="before", only="terminate")
    clusters.resize(house.cluster, 1, house.boss)
    house.settles()
    assert house.machines() == [] and house.row.state == "RUN"


def test_one_that_can_not_be_drained_holds_up_nothing_else(house: PaperHouse) -> None:
    house.submit(2)
    house.round()
    with house.world.open() as state:
        state.deaf = True
    clusters.resize(house.cluster, 2, house.boss)
    for _ in range(4):
        house.round()
    row = house.row
    assert row.state == "DEG" and "does not hear" in row.message and row.hint
    clusters.resize(house.cluster, 5, house.boss)
    house.until(lambda: len(house.machines()) >= 4, what="others come")
    with house.world.open() as state:
        state.deaf = False
    house.finish()
    house.settles()
    assert house.row.state == "RUN" and len(house.machines()) == 4 and house.state.killed == []


def test_what_can_not_be_made_is_told_once_and_tried_again_without_a_word(
    make_house: MakeHouse,
) -> None:
    house = make_house(node_type="huge")
    began = house.now
    for _ in range(8):
        house.round()
    row = house.row
    assert row.state == "FAI" and "huge" in row.message and row.hint
    assert row.looked_at is not None and row.looked_at > began
    events = [each.message for each in row.events.order_by("id")]
    assert len([each for each in events if each.startswith("Failed")]) == 1, events
    clusters.repair(house.cluster, house.boss)
    for _ in range(4):
        house.round()
    assert house.row.state == "FAI" and house.row.repair_wanted_at is None
    fails = house.row.events.filter(message__startswith="Failed")
    assert fails.count() == 2, "once more, for somebody asked"
    Cluster.objects.filter(pk=house.cluster.pk).update(node_type="small")
    house.settles()
    assert house.row.state == "RUN" and house.row.message == ""


def test_when_the_cloud_was_looked_at_is_known_to_the_minute(house: PaperHouse) -> None:
    for _ in range(30):
        house.round()
        at = house.row.looked_at
        assert at is not None and (house.now - at).total_seconds() <= 60
