"""Orders of machines at Amazon: what is asked, what comes, and what goes wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest

from oceanid.clouds.specs import Launch
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    InvalidValue,
    OceanidError,
    QuotaExceeded,
)
from oceanid.states import MachineState, Role
from tests.clouds.hooks import Fault
from tests.contract.clouds.amazon_stage import AmazonStage

Scenario = Callable[[AmazonStage, Actor], Coroutine[Any, Any, None]]


@pytest.fixture
def stage() -> Iterator[AmazonStage]:
    made = AmazonStage()
    yield made
    made.close()


def play(stage: AmazonStage, scenario: Scenario) -> None:
    asyncio.run(scenario(stage, Actor(stage)))


def machines_at(stage: AmazonStage) -> list[Any]:
    """As the emulator has them."""
    return [life.instance for life in stage.emulator.region("eu-central-1").lives.values()]


def opened(stage: AmazonStage, name: str) -> set[tuple[int, str]]:
    """The ports that a security group opens, and to whom."""
    backend = stage.emulator.region("eu-central-1").backend
    (group,) = (each for all_ in backend.groups.values() for each in all_.values()
                if each.name == name)  # fmt: skip
    return {
        (rule.from_port, source)
        for rule in group.ingress_rules
        for source in (*rule.ip_range.values(), rule.source_group.get("GroupId"))
        if source
    }


def test_machines_guard_their_metadata_and_encrypt_their_disks(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        await actor.running(1)
        region = stage.emulator.region("eu-central-1")
        for machine in machines_at(stage):
            options = machine.metadata_options
            assert options.http_tokens == "required"
            assert options.http_put_response_hop_limit == 1
            (disk,) = machine.block_device_mapping.values()
            assert disk.delete_on_termination
            volume = region.backend.volumes[disk.volume_id]
            assert volume.encrypted and volume.volume_type == "gp3" and volume.size >= 30

    play(stage, scenario)


def test_everything_carries_the_clusters_tags_from_the_first_moment(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        await actor.running(2)
        for name in ("eu-central-1", "us-east-1"):
            region = stage.emulator.region(name)
            made = {id_ for id_ in region.things() if id_ not in region.beginning}
            assert made
            for id_ in made:
                tags = region.tags_of(id_)
                assert tags["oceanid-cluster"] == str(actor.uuid), id_
                assert tags["oceanid-name"] == "alps"
                assert tags["oceanid-portal"] == str(actor.portal)
        assert "CreateTags" not in stage.emulator.hooks.calls

    play(stage, scenario)


def test_only_ssh_to_the_master_is_open_and_follows_what_is_wanted(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        await actor.running(1)
        ground = replace(actor.ground, ssh_from=("198.51.100.0/24", "2001:db8::/32"))
        await actor.cloud.prepare(claim, ground)
        door, inside = opened(stage, "oceanid/alps/door"), opened(stage, "oceanid/alps/inside")
        assert door == {(22, "198.51.100.0/24"), (22, "2001:db8::/32")}
        assert {port for port, _ in inside} == {9618, -1}
        assert all(source.startswith("sg-") for _, source in inside), "from the cluster only"
        lives = stage.emulator.region("eu-central-1").lives.values()
        assert sorted(len(life.groups) for life in lives) == [1, 2]

    play(stage, scenario)


def test_spot_machines_are_asked_for_as_such_and_go_when_amazon_takes_them(
    stage: AmazonStage,
) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        await actor.cloud.launch(claim, actor.order(2, spot=True))
        found = await actor.settled(2, MachineState.RUNNING)
        assert all(each.spot for each in found)
        stage.emulator.region("eu-central-1").reclaim(found[0].id)
        assert [each.id for each in await actor.settled(1, MachineState.RUNNING)] == [found[1].id]

    play(stage, scenario)


def test_without_room_for_spot_there_is_room_on_demand_or_in_another_zone(
    stage: AmazonStage,
) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        first, second = claim.blueprint.zones[:2]
        stage.emulator.knobs.room = {"spot": 0, first: 1}
        with pytest.raises(CapacityShort) as short:
            await actor.cloud.launch(claim, actor.order(1, spot=True))
        assert short.value.hint
        assert (await actor.cloud.launch(claim, actor.order(2))).got == 1
        with pytest.raises(CapacityShort):
            await actor.cloud.launch(claim, actor.order(1))
        assert (await actor.cloud.launch(claim, replace(actor.order(1), zone=second))).got == 1
        found = await actor.settled(2, MachineState.RUNNING)
        assert {each.zone for each in found} == {first, second}
        with pytest.raises(InvalidValue):
            await actor.cloud.launch(claim, replace(actor.order(1), zone="eu-central-1z"))

    play(stage, scenario)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", CapacityShort),
        ("InsufficientFreeAddressesInSubnet", CapacityShort),
        ("Unsupported", CapacityShort),
        ("VcpuLimitExceeded", QuotaExceeded),
        ("MaxSpotInstanceCountExceeded", QuotaExceeded),
        ("UnauthorizedOperation", CloudDenied),
        ("RequestLimitExceeded", CloudThrottled),
        ("InternalError", CloudUnavailable),
        ("SomethingNew", CloudError),
    ],
)
def test_each_refusal_is_told_as_what_it_is(
    stage: AmazonStage, code: str, kind: type[OceanidError]
) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        # What the SDK may try again by itself comes twice.
        for _ in range(2):
            stage.emulator.hooks.arm(Fault(operation="RunInstances", act="error", error=code))
        order = actor.order(2)
        try:
            await actor.cloud.launch(claim, order)
        except OceanidError as refused:
            assert type(refused) is kind
            assert refused.hint or kind is CloudError
        else:
            assert kind in (CloudThrottled, CloudUnavailable), "only these are tried again"
        stage.disarm()
        assert (await actor.cloud.launch(claim, order)).got == 2
        await actor.settled(2, MachineState.RUNNING)

    play(stage, scenario)


def test_an_order_that_was_given_in_other_words_answers_for_its_machines(
    stage: AmazonStage,
) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        order = actor.order(2)
        first = await actor.cloud.launch(claim, order)
        again = await actor.cloud.launch(claim, replace(order, user_data="#cloud-config\n"))
        assert sorted(again.machines) == sorted(first.machines) and again.got == 2
        await actor.settled(2, MachineState.RUNNING)

    play(stage, scenario)


def test_a_machine_that_amazon_does_not_know_yet_is_no_failure(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        stage.emulator.knobs.unseen = 99
        made = await actor.cloud.launch(claim, actor.order(2))
        for asked in (actor.cloud.terminate, actor.cloud.stop, actor.cloud.start):
            await asked(claim, (*made.machines, "i-0123456789abcdef0"))
        assert await actor.machines() == ()
        assert not await actor.cloud.dismantle(claim), "its groups are in use"
        for life in stage.emulator.region("eu-central-1").lives.values():
            life.unseen = 0
        found = await actor.settled(2, MachineState.RUNNING)
        await actor.cloud.terminate(claim, tuple(each.id for each in found))
        await actor.dismantled()
        assert stage.remains() == []

    play(stage, scenario)


def test_one_machine_of_many_that_is_gone_does_not_keep_the_others(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        found = await actor.cloud.launch(claim, actor.order(3))
        await actor.settled(3, MachineState.RUNNING)
        gone = ("i-0123456789abcdef0", "i-0123456789abcdef1")
        await actor.cloud.terminate(claim, (gone[0], *found.machines, gone[1]))
        await actor.settled(0, MachineState.RUNNING)
        await actor.cloud.terminate(claim, gone)
        await actor.cloud.terminate(claim, ())

    play(stage, scenario)


def test_a_machine_in_another_state_is_left_to_the_next_look(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        (master,) = await actor.running(0)
        claim = await actor.claimed()
        await actor.cloud.stop(claim, (master.id,))
        await actor.cloud.start(claim, (master.id,))
        await actor.settled(1, MachineState.STOPPED)

    play(stage, scenario)


def test_what_they_boot_with_has_its_limit(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        large = Launch("token", Role.WORKER, 1, "é" * 9000)
        with pytest.raises(InvalidValue, match="too large"):
            await actor.cloud.launch(claim, large)
        whole = "#cloud-config\nnote: Überraschung 🌊\n"
        made = await actor.cloud.launch(claim, Launch("token-2", Role.WORKER, 1, whole))
        booter: Any = stage.emulator.booter
        assert booter.user_data(made.machines[0]) == whole

    play(stage, scenario)


def test_a_console_of_a_machine_that_is_gone_is_empty(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        (master,) = await actor.running(0)
        claim = await actor.claimed()
        assert "paper machine" in await actor.cloud.console(claim, master.id)
        assert await actor.cloud.console(claim, "i-0123456789abcdef0") == ""

    play(stage, scenario)


def test_what_leaked_is_dismantled_too_and_what_is_not_ours_is_not(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        await actor.running(1)
        backend = stage.emulator.region("eu-central-1").backend
        leaked = backend.create_volume(size=10, zone_name="eu-central-1a")
        leaked.add_tags({"oceanid-cluster": str(actor.uuid)})
        other = backend.create_volume(size=10, zone_name="eu-central-1a")
        await actor.dismantled()
        assert stage.remains() == [f"volume {other.id}"]

    play(stage, scenario)


def test_what_somebody_removed_by_hand_is_told_and_made_again(stage: AmazonStage) -> None:
    async def scenario(stage: AmazonStage, actor: Actor) -> None:
        claim = await actor.prepared()
        backend = stage.emulator.region("eu-central-1").backend
        for remove in (
            lambda: [
                backend.delete_security_group(group_id=group.id)
                for groups in list(backend.groups.values())
                for group in list(groups.values())
                if group.name == "oceanid/alps/inside"
            ],
            lambda: backend.delete_launch_template("oceanid/alps/worker", None),
        ):
            remove()
            order = actor.order(1)
            with pytest.raises(CloudUnavailable) as told:
                await actor.cloud.launch(claim, order)
            assert "repaired" in told.value.hint
            await actor.prepared()
            assert (await actor.cloud.launch(claim, order)).got == 1

    play(stage, scenario)
