"""Machines at Azure: as they are made, looked at, moved, taken back, and what goes wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oceanid.clouds.azure import watching
from oceanid.clouds.specs import Ground, Launch
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
)
from oceanid.states import MachineState, Role
from tests.clouds.azure.server import fault
from tests.contract.clouds.azure_scenes import (
    run,
    things,
)
from tests.contract.clouds.azure_stage import AzureStage


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
        assert found.still_paid
        await actor.cloud.stop(await actor.claimed(), (found.id,))
        (given_back,) = await actor.settled(1, MachineState.STOPPED)
        assert not given_back.still_paid

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
