"""What is Azure's own: slow operations, groups and networks that others use, rights, spot."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oceanid.clouds.azure import operations, orders, watching
from oceanid.clouds.azure.role import NEEDED, ROLE
from oceanid.clouds.specs import Claim, ClusterSpec, Ground, Launch
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    InvalidValue,
    NameTaken,
    QuotaExceeded,
)
from oceanid.states import MachineState, Role
from tests.clouds.azure.server import fault
from tests.clouds.azure.world import SUBSCRIPTION, Group, Thing
from tests.contract.clouds.azure_stage import AzureStage

ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
Scenario = Callable[[], Awaitable[None]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureStage]:
    made = AzureStage(tmp_path, monkeypatch)
    yield made
    made.close()


def run(scenario: Awaitable[None]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(120):
            await scenario

    asyncio.run(whole())


def hold(stage: AzureStage, held: bool) -> None:
    """Whether long operations go on."""
    stage.azure.world.is_held = held


def things(stage: AzureStage, kind: str) -> list[Thing]:
    return [each for each in stage.azure.world.things.values() if each.kind.endswith(f"/{kind}")]


# -- long operations


def test_what_is_under_way_is_begun_once_and_gone_on_with_after_a_crash(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.claimed()
        hold(stage, True)
        for _ in range(3):
            assert not await actor.cloud.prepare(claim, actor.ground)
            actor.begins_anew()
        puts = [line for line in stage.azure.lines if line.startswith("PUT")]
        assert len(puts) == len(set(puts)), "nothing is begun twice"
        hold(stage, False)
        await actor.prepared()
        hold(stage, True)
        order = actor.order(3)
        for _ in range(3):
            told = await actor.cloud.launch(claim, order)
            assert told.under_way and not told.got
            actor.begins_anew()
        assert {each.state for each in await actor.machines()} == {MachineState.PENDING}
        hold(stage, False)
        assert (await actor.cloud.launch(claim, order)).got == 3
        await actor.settled(3, MachineState.RUNNING)
        assert len([line for line in stage.azure.lines if "PUT" in line and "-w-" in line]) == 1
        hold(stage, True)
        for _ in range(3):
            assert not await actor.cloud.dismantle(claim)
            actor.begins_anew()
        assert {each.state for each in await actor.machines()} == {MachineState.RUNNING}
        hold(stage, False)
        await actor.dismantled()
        assert stage.remains() == []
        assert not any("op:" in note for note in actor.notes.kept)

    run(scenario())


def test_a_straggler_does_not_keep_the_others_waiting(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        order = actor.order(3)
        assert (await actor.cloud.launch(claim, order)).under_way
        monkeypatch.setattr(orders, "ANSWER_S", 0)
        assert (await actor.cloud.launch(claim, order)).got == 3

    run(scenario())


def test_capacity_that_is_short_late_is_told_by_what_failed(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)
    monkeypatch.setattr(orders, "ANSWER_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        stage.give_room(1)
        assert (await actor.cloud.launch(claim, actor.order(3))).got == 3, "not known yet"
        hold(stage, False)
        found = await actor.machines()
        failed = [each for each in found if each.state is MachineState.FAILED]
        assert len(failed) == 2 and "Allocation failed" in failed[0].reason
        await actor.cloud.terminate(claim, tuple(each.id for each in failed))
        await actor.settled(1, MachineState.RUNNING)

    run(scenario())


def test_an_order_of_which_nothing_came_is_shown_until_it_is_ended(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)
    monkeypatch.setattr(orders, "ANSWER_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        stage.give_room(0)
        order = actor.order(2)
        await actor.cloud.launch(claim, order)
        for machine in things(stage, "virtualMachines"):
            stage.azure.world.drop(machine)
        hold(stage, False)
        for _ in range(2):
            (ghost,) = await actor.machines()
            assert ghost.state is MachineState.FAILED and ghost.launch == order.token
            assert "capacity" in ghost.reason
        await actor.cloud.terminate(claim, (ghost.id,))
        assert await actor.machines() == ()
        assert things(stage, "virtualMachineScaleSets") == []

    run(scenario())


# -- orders


def test_machines_are_made_moved_and_ended_once_whichever_call_breaks(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        (master,) = await actor.running(0)
        claim = await actor.claimed()

        async def broke(call: int, done: bool, ask: Callable[[], Awaitable[object]]) -> bool:
            """Ask with a break at a call; whether it came so far."""
            stage.cut(call, done=done)
            try:
                await ask()
            except CloudUnavailable:
                return True
            finally:
                stage.disarm()
                actor.begins_anew()
            return False

        async def of(order: Launch) -> tuple[str, ...]:
            return tuple(each.id for each in await actor.alive() if each.launch == order.token)

        async def one_round(call: int, done: bool) -> bool:
            struck = []
            for role, count in ((Role.WORKER, 2), (Role.MASTER, 1)):
                order = actor.order(count, role)
                struck.append(await broke(call, done, partial(actor.cloud.launch, claim, order)))
                assert (await actor.cloud.launch(claim, order)).got == count
                made = await of(order)
                assert len(made) == count
                struck.append(await broke(call, done, partial(actor.cloud.terminate, claim, made)))
                await actor.cloud.terminate(claim, made)
                assert await of(order) == ()
            struck.append(await broke(call, done, partial(actor.cloud.stop, claim, (master.id,))))
            await actor.cloud.stop(claim, (master.id,))
            await actor.settled(1, MachineState.STOPPED)
            struck.append(await broke(call, done, partial(actor.cloud.start, claim, (master.id,))))
            await actor.cloud.start(claim, (master.id,))
            await actor.settled(1, MachineState.RUNNING)
            return any(struck)

        call = 0
        while any([await one_round(call, done) for done in (False, True)]):
            call += 1
        assert call >= 3
        await actor.dismantled()
        assert stage.remains() == []

    run(scenario())


def test_an_order_that_came_to_nothing_is_over_however_often_it_is_given(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        before = sorted(stage.remains())
        for role in (Role.WORKER, Role.MASTER):
            stage.give_room(0)
            order = actor.order(1, role)
            for _ in range(3):
                with pytest.raises(CapacityShort):
                    await actor.cloud.launch(claim, order)
                actor.begins_anew()
                stage.give_room(9)
            assert sorted(stage.remains()) == before, "nothing stays of it"

    run(scenario())


def test_an_order_that_the_quota_forbids_is_over(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        stage.azure.world.cores = 5
        with pytest.raises(QuotaExceeded) as refused:
            await actor.cloud.launch(claim, actor.order(3))
        assert "Quotas" in refused.value.hint
        assert (await actor.cloud.launch(claim, actor.order(2))).got == 2

    run(scenario())


def test_an_order_is_known_again_by_its_name_when_everything_else_is_forgotten(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        for order in (actor.order(1, Role.MASTER), actor.order(2)):
            await actor.cloud.launch(claim, order)
            actor.notes.kept.clear()
            actor.begins_anew()
            assert (await actor.cloud.launch(claim, order)).got == order.count
        await actor.settled(3, MachineState.RUNNING)

    run(scenario())


def test_machines_are_made_as_the_contract_says(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        await actor.running(2)
        machines = things(stage, "virtualMachines")
        tagged = list(stage.azure.world.things.values())
        assert all(each.tags["oceanid-cluster"] == str(actor.uuid) for each in tagged)
        for each in machines:
            about = each.properties
            assert {"oceanid-role", "oceanid-launch"} <= each.tags.keys()
            assert about["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
            assert about["diagnosticsProfile"] == {"bootDiagnostics": {"enabled": True}}
            assert "customData" not in str(about), "what they boot with is not to be read again"
        assert len(things(stage, "publicIPAddresses")) == 2, "the master's, and that of the way out"
        (group,) = things(stage, "networkSecurityGroups")
        rules = {each["name"]: each["properties"] for each in group.properties["securityRules"]}
        assert rules["ssh"]["sourceAddressPrefixes"] == ["192.0.2.0/24"]
        assert rules["ssh"]["destinationPortRange"] == "22"
        assert rules["pool"]["destinationPortRange"] == "9618"
        assert rules["nobody-else"]["access"] == "Deny"

    run(scenario())


def test_who_may_come_in_can_change(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        ground = Ground(stage.public_key(), ("198.51.100.0/24", "2001:db8::/32"))
        assert await actor.cloud.prepare(claim, ground)
        (group,) = things(stage, "networkSecurityGroups")
        rules = {each["name"]: each["properties"] for each in group.properties["securityRules"]}
        assert rules["ssh"]["sourceAddressPrefixes"] == ["198.51.100.0/24"]
        assert rules["ssh-6"]["sourceAddressPrefixes"] == ["2001:db8::/32"]
        count = stage.calls()
        assert await actor.cloud.prepare(claim, ground)
        assert stage.calls() - count == 2, "what stands is only looked at"

    run(scenario())


def test_spot_machines_that_azure_takes_back_are_gone(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        await actor.cloud.launch(claim, actor.order(2, spot=True))
        first, second = await actor.settled(2, MachineState.RUNNING)
        assert first.spot and second.spot
        (made,) = {each.properties["evictionPolicy"] for each in things(stage, "virtualMachines")}
        assert made == "Delete"
        stage.azure.control("evict", {"name": first.id})
        assert [each.id for each in await actor.machines()] == [second.id]
        await actor.cloud.launch(claim, actor.order(1))
        assert sorted(each.spot for each in await actor.machines()) == [False, True]

    run(scenario())


def test_sets_that_are_empty_for_long_go(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        for _ in range(2):
            await actor.cloud.launch(claim, actor.order(1))
        ids = tuple(each.id for each in await actor.settled(2, MachineState.RUNNING))
        await actor.cloud.terminate(claim, ids)
        await actor.settled(0, MachineState.RUNNING)
        assert len(things(stage, "virtualMachineScaleSets")) == 2
        for each in things(stage, "virtualMachineScaleSets"):
            each.made = datetime.now(UTC) - timedelta(hours=2)
        await actor.cloud.terminate(claim, ids)
        await actor.settled(0, MachineState.RUNNING)
        assert things(stage, "virtualMachineScaleSets") == []

    run(scenario())


def test_a_master_for_whose_start_there_is_no_room_is_told(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        (master,) = await actor.running(0)
        claim = await actor.claimed()
        await actor.cloud.stop(claim, (master.id,))
        await actor.settled(1, MachineState.STOPPED)
        stage.give_room(0)
        for _ in range(2):
            with pytest.raises(CapacityShort):
                await actor.cloud.start(claim, (master.id,))
            await actor.settled(1, MachineState.STOPPED)
        stage.give_room(1)
        await actor.cloud.start(claim, (master.id,))
        await actor.settled(1, MachineState.RUNNING)

    run(scenario())


# -- looks


def test_power_that_changed_from_inside_is_found_in_time(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        (master,) = await actor.running(0)
        stage.azure.control("power", {"name": master.id, "power": "stopped"})
        assert (await actor.machines())[0].state is MachineState.RUNNING, (
            "one call does not show it"
        )
        monkeypatch.setattr(watching, "AGAIN_S", 0)
        (found,) = await actor.machines()
        assert found.state is MachineState.STOPPED and "costs" in found.reason

    run(scenario())


def test_a_look_goes_through_all_pages(stage: AzureStage) -> None:
    async def scenario() -> None:
        stage.azure.world.page = 3
        actor = Actor(stage)
        assert len(await actor.running(9)) == 10
        claim = await actor.claimed()
        assert len((await actor.cloud.look(claim)).machines) == 10
        (estate,) = await actor.cloud.survey()
        assert len(estate.resources) > 30

    run(scenario())


def test_what_is_throttled_denied_or_broken_is_told_so(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        for error, kind in {
            "TooManyRequests": CloudThrottled,
            "InternalServerError": CloudUnavailable,
            "AuthorizationFailed": CloudDenied,
            "Strange": CloudError,
        }.items():
            stage.azure.hooks.arm(fault(error=error))
            with pytest.raises(kind):
                await actor.cloud.look(claim)
        stage.azure.hooks.arm(fault(error="ScopeLocked", operation="resourceGroups DELETE"))
        with pytest.raises(CloudDenied) as locked:
            await actor.cloud.dismantle(claim)
        assert "Locks" in locked.value.hint

    run(scenario())


def test_a_console_is_read_without_the_apps_token(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        (master,) = await actor.running(0)
        claim = await actor.claimed()
        text = await actor.cloud.console(claim, master.id)
        assert text.startswith("paper machine")
        assert await actor.cloud.console(claim, "never-was") == ""

    run(scenario())


# -- groups and networks that are others' too


def shared(stage: AzureStage) -> None:
    """A group with a network in it that the cluster is put into."""
    world = stage.azure.world
    world.groups["ours"] = Group("ours", "westeurope", {"owner": "hydrology"})
    net = f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan"
    subnets = [
        {"name": "a", "id": f"{net}/subnets/a", "properties": {"addressPrefix": "10.1.0.0/24"}},
        {"name": "b", "id": f"{net}/subnets/b", "properties": {"addressPrefix": "10.1.1.0/24"}},
    ]
    kind = "Microsoft.Network/virtualNetworks"
    world.add(Thing(net, "lan", kind, "ours", "westeurope", {}, {"subnets": subnets}))
    disk = f"{ID}/ours/providers/Microsoft.Compute/disks/theirs"
    world.add(Thing(disk, "theirs", "Microsoft.Compute/disks", "ours", "westeurope", {}, {}))


def put_into(actor: Actor, stage: AzureStage, **changes: str) -> Any:
    async def resolved() -> None:
        spec = replace(stage.spec(actor.name), resource_group="ours", **changes)
        blueprint = await actor.cloud.resolve(spec)
        actor.claim = Claim(actor.uuid, actor.name, actor.portal, blueprint, actor.notes)

    return resolved()


@pytest.mark.parametrize("network", ["", f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan/subnets/b"])  # fmt: skip # noqa: E501
def test_in_a_group_of_others_only_what_is_tagged_is_touched(
    stage: AzureStage, network: str
) -> None:
    async def scenario() -> None:
        shared(stage)
        before = sorted(stage.remains())
        for half in (False, True):
            actor = Actor(stage)
            await put_into(actor, stage, network=network)
            if half:
                await actor.prepared()
            else:
                found = await actor.running(2)
                public = [each.role for each in found if each.public_address]
                assert (Role.WORKER in public) == bool(network), "there is no other way out"
            await actor.dismantled()
            assert sorted(stage.remains()) == before
        assert stage.azure.world.groups["ours"].tags == {"owner": "hydrology"}

    run(scenario())


def test_dismantling_in_a_group_of_others_goes_on_after_any_call_that_broke(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        shared(stage)
        before = sorted(stage.remains())
        first = Actor(stage)
        await put_into(first, stage)
        claim = await first.claimed()
        call, broke = 0, True
        while broke:
            actor = Actor(stage)
            actor.claim = replace(claim, uuid=actor.uuid, notes=actor.notes)
            await actor.running(1)
            stage.cut(call, done=True)
            try:
                await actor.dismantled()
                broke = False
            except CloudUnavailable:
                broke = True
            stage.disarm()
            actor.begins_anew()
            await actor.dismantled()
            assert sorted(stage.remains()) == before, f"cut at call {call}"
            call += 1

    run(scenario())


def test_a_name_is_taken_wherever_the_other_cluster_is(stage: AzureStage) -> None:
    async def scenario() -> None:
        shared(stage)
        inside = Actor(stage)
        await put_into(inside, stage)
        await inside.prepared()
        for other in (Actor(stage), Actor(stage, portal=uuid.UUID(int=8))):
            with pytest.raises(NameTaken):
                await other.prepared()
            steps = await other.cloud.preflight(await other.claimed(), size=1)
            assert [step.name for step in steps if not step.ok] == ["name"]
        await inside.dismantled()
        alone = Actor(stage)
        await alone.prepared()
        twin = Actor(stage)
        await put_into(twin, stage)
        with pytest.raises(NameTaken):
            await twin.prepared()

    run(scenario())


def test_a_group_that_another_portal_makes_in_the_same_moment_is_one_of_theirs(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.claimed()
        stage.cut(3, done=True)  # after it was made: the other portal makes it as well
        with pytest.raises(CloudUnavailable):
            await actor.cloud.prepare(claim, actor.ground)
        group = stage.azure.world.groups["oceanid-alps"]
        group.tags = {**group.tags, "oceanid-cluster": str(uuid.uuid4())}
        with pytest.raises(NameTaken):
            await actor.cloud.prepare(claim, actor.ground)
        await actor.dismantled()
        assert "oceanid-alps" in stage.azure.world.groups, "it is not ours to delete"

    run(scenario())


def test_what_others_tagged_like_ours_is_told_and_not_deleted(stage: AzureStage) -> None:
    async def scenario() -> None:
        shared(stage)
        actor = Actor(stage)
        await put_into(actor, stage)
        claim = await actor.prepared()
        kind = "Microsoft.Storage/storageAccounts"
        named = f"{ID}/ours/providers/{kind}/x"
        tags = {"oceanid-cluster": str(actor.uuid)}
        stage.azure.world.add(Thing(named, "x", kind, "ours", "westeurope", tags, {}))
        with pytest.raises(CloudError, match="storageaccounts") as told:
            await actor.dismantled()
        assert "oceanid-cluster" in told.value.hint
        stage.azure.world.drop(stage.azure.world.things[named.lower()])
        assert await actor.cloud.dismantle(claim)

    run(scenario())


@pytest.mark.parametrize("network", ["", f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan/subnets/b"])  # fmt: skip # noqa: E501
def test_a_survey_tells_what_a_lost_cluster_was_made_of(stage: AzureStage, network: str) -> None:
    async def scenario() -> None:
        shared(stage)
        actor = Actor(stage)
        await put_into(actor, stage, network=network, node_type="Standard_D4as_v5", zones=("2",))
        await actor.running(1)
        claim = await actor.claimed()
        (found,) = await stage.make_cloud().survey()
        assert found.blueprint == claim.blueprint
        kinds = [each.kind for each in found.resources]
        assert kinds.count("virtualMachines") == 2

    run(scenario())


# -- what is found out before

OWN = f"{ID}/ours/providers/Microsoft.Compute"


def own_images(stage: AzureStage) -> list[str]:
    """Images of one's own, here and elsewhere; those that can be used."""

    def add(path: str, kind: str, place: str, properties: dict[str, Any]) -> None:
        thing = Thing(f"{OWN}/{path}", path.rpartition("/")[2], kind, "ours", place, {}, properties)
        stage.azure.world.add(thing)

    disk = {"storageProfile": {"osDisk": {"diskSizeGB": 64}}, "hyperVGeneration": "V2"}
    add("images/ours", "Microsoft.Compute/images", "westeurope", disk)
    add("images/far", "Microsoft.Compute/images", "norwayeast", disk)
    kind = "Microsoft.Compute/galleries/images"
    for name, place in (("near", "West Europe"), ("far", "Norway East")):
        about = {"architecture": "x64", "hyperVGeneration": "V2"}
        add(f"galleries/g/images/{name}", kind, "westeurope", about)
        for version in ("1.9.0", "1.10.0", "2.0.0"):
            told = {
                "storageProfile": {"osDiskImage": {"sizeInGB": 40}},
                "publishingProfile": {
                    "targetRegions": [{"name": place}], "excludeFromLatest": version == "2.0.0",
                },
            }  # fmt: skip
            path = f"galleries/g/images/{name}/versions/{version}"
            add(path, f"{kind}/versions", "westeurope", told)
    return [f"{OWN}/images/ours", f"{OWN}/galleries/g/images/near"]


def test_an_image_of_ones_own_is_taken_as_it_is(stage: AzureStage) -> None:
    async def scenario() -> None:
        shared(stage)
        image, gallery = own_images(stage)
        cloud = stage.make_cloud()
        found = await cloud.resolve(ClusterSpec("alps", master_image=image, node_image=gallery))
        assert (found.master_image, found.disk_gib) == (image, 64)
        assert found.node_image == f"{gallery}/versions/1.10.0"
        one = await cloud.resolve(ClusterSpec("alps", node_image=f"{gallery}/versions/2.0.0"))
        assert (one.node_image, one.disk_gib) == (f"{gallery}/versions/2.0.0", 40)

    run(scenario())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"region": "nowhere"}, "no region"),
        ({"node_type": "Standard_X9"}, "no node type"),
        ({"master_type": "Standard_X9"}, "no master type"),
        ({"node_type": "Standard_D2ps_v5"}, "Arm64"),
        ({"node_image": "Debian:debian-13:13-gen2:0.1"}, "no image"),
        ({"node_image": "Nobody:x:y:latest"}, "no image"),
        ({"node_image": f"{ID}/ours/providers/Microsoft.Compute/images/x"}, "no image"),
        ({"node_image": f"{OWN}/images/far"}, "in norwayeast, not in westeurope"),
        ({"node_image": f"{OWN}/galleries/g/images/far"}, "in Norway East, not in westeurope"),
        ({"node_image": f"{OWN}/galleries/g/images/none"}, "no image"),
        ({"node_image": f"{OWN}/images/x?y=z"}, "not the whole id"),
        ({"zones": ("4",)}, "zone 4"),
        ({"zones": ("1",), "node_type": "Standard_M8ms"}, "zone 1"),
        ({"resource_group": "nothing"}, "no resource group"),
        ({"network": f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/x"}, "no virtual"),
        ({"network": f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan"}, "a, b"),
    ],
)
def test_what_does_not_exist_is_told_with_its_cure(
    stage: AzureStage, change: dict[str, Any], told: str
) -> None:
    async def scenario() -> None:
        shared(stage)
        own_images(stage)
        with pytest.raises(InvalidValue) as problem:
            await stage.make_cloud().resolve(replace(ClusterSpec("alps"), **change))
        assert told in problem.value.message + problem.value.hint and problem.value.hint

    run(scenario())


def test_a_size_that_the_subscription_can_not_have_is_passed_over(stage: AzureStage) -> None:
    async def scenario() -> None:
        found = await stage.make_cloud().resolve(ClusterSpec("alps"))
        assert found.node_type == "Standard_D2as_v5"
        assert found.node_image == "Debian:debian-13:13-gen2:0.20261101.3"
        assert (found.node_shape.cpus, found.node_shape.memory_mib) == (2, 8192)
        stage.azure.world.restricted = {"Standard_D2as_v5"}
        with pytest.raises(InvalidValue, match="usual sizes"):
            await stage.make_cloud().resolve(ClusterSpec("alps"))
        wanted = ClusterSpec("alps", node_type="Standard_D2as_v5")
        with pytest.raises(InvalidValue, match="NotAvailableForSubscription"):
            await stage.make_cloud().resolve(wanted)

    run(scenario())


def test_disks_are_encrypted_at_the_host_where_it_is_switched_on(stage: AzureStage) -> None:
    async def scenario() -> None:
        stage.azure.world.features = {"EncryptionAtHost"}
        actor = Actor(stage)
        await actor.running(1)
        for each in things(stage, "virtualMachines"):
            assert each.properties["securityProfile"] == {"encryptionAtHost": True}
        small = await actor.cloud.resolve(ClusterSpec("fens", node_type="Standard_B1ms"))
        assert small.more["host_encryption"] == "no"

    run(scenario())


@pytest.mark.parametrize(
    ("spoil", "name", "cure"),
    [
        (lambda world: world.registered.pop("Microsoft.Compute"), "providers", "az provider"),
        (lambda world: setattr(world, "cores", 5), "quota", "Quotas"),
        (lambda world: world.restricted.add("Standard_D2as_v5"), "sizes", "another size"),
    ],
)
def test_preflight_finds_what_will_fail(
    stage: AzureStage, spoil: Callable[[Any], Any], name: str, cure: str
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.claimed()
        assert all(step.ok for step in await actor.cloud.preflight(claim, size=3))
        spoil(stage.azure.world)
        (bad,) = [step for step in await actor.cloud.preflight(claim, size=3) if not step.ok]
        assert bad.name == name and cure in bad.hint
        assert stage.remains() == []

    run(scenario())


def test_preflight_names_the_rights_that_are_missing(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.claimed()
        less = [each for each in NEEDED if each != "Microsoft.Compute/virtualMachines/write"]
        stage.azure.control("allow", {"actions": less})
        (bad,) = [step for step in await actor.cloud.preflight(claim, size=3) if not step.ok]
        assert "Microsoft.Compute/virtualMachines/write" in bad.found
        await actor.prepared()
        with pytest.raises(CloudDenied) as refused:
            await actor.cloud.launch(claim, actor.order(1, Role.MASTER))
        assert "Add Microsoft.Compute/virtualMachines/write to the role" in refused.value.hint
        stage.azure.control("allow", {"actions": ["*"]})
        assert all(step.ok for step in await actor.cloud.preflight(claim, size=3))

    run(scenario())


NOT_SEEN = {
    # ARM checks these when a machine is put into an address of its own, or a disk is left over.
    "Microsoft.Compute/disks/read",
    "Microsoft.Network/natGateways/read",
    "Microsoft.Network/networkSecurityGroups/read",
    "Microsoft.Network/locations/operationResults/read",
}


def test_the_role_has_no_right_that_is_not_used(stage: AzureStage) -> None:
    async def scenario() -> None:
        shared(stage)
        net = f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan/subnets/a"
        for changes in ({}, {"network": net}):
            actor = Actor(stage)
            await actor.cloud.check()
            await put_into(actor, stage, **changes)
            claim = await actor.claimed()
            await actor.cloud.preflight(claim, size=3)
            found = await actor.running(2)
            (master,) = (each.id for each in found if each.role is Role.MASTER)
            await actor.cloud.console(claim, master)
            await actor.cloud.stop(claim, (master,))
            await actor.settled(1, MachineState.STOPPED)
            await actor.cloud.start(claim, (master,))
            await actor.settled(3, MachineState.RUNNING)
            await actor.cloud.terminate(claim, tuple(each.id for each in found))
            await actor.cloud.launch(claim, actor.order(1))
            card = f"{ID}/ours/providers/Microsoft.Network/networkInterfaces/left"
            kind = "Microsoft.Network/networkInterfaces"
            tags = {"oceanid-cluster": str(actor.uuid)}
            world = stage.azure.world
            world.add(Thing(card, "left", kind, "ours", "westeurope", tags, {}))
            disk = card.replace("Network/networkInterfaces", "Compute/disks")
            world.add(
                Thing(disk, "left", "Microsoft.Compute/disks", "ours", "westeurope", tags, {})
            )
            await actor.dismantled()
            await actor.cloud.survey()
        for image in own_images(stage):
            await Actor(stage).cloud.resolve(ClusterSpec("fens", node_image=image))
        own = Actor(stage)
        await own.prepared()
        with pytest.raises(CapacityShort):
            stage.give_room(0)
            await own.cloud.launch(await own.claimed(), own.order(1))
        await own.dismantled()

    run(scenario())
    assert set(NEEDED) - stage.azure.used == NOT_SEEN


def test_what_a_machine_boots_with_is_sent_as_it_is(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        text = "#cloud-config\n# größer € 你好\n" + "x" * 15_000
        order = Launch(str(uuid.uuid4()), Role.MASTER, 1, text)
        await actor.cloud.launch(claim, order)
        (machine,) = things(stage, "virtualMachines")
        booter: Any = stage.azure.world.booter
        assert booter.user_data(machine.name) == text

    run(scenario())


def test_the_docs_show_the_role_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/azure-credentials.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(shown) == ROLE
