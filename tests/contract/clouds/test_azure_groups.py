"""Groups and networks at Azure that others use too, names, and lost clusters."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CloudError,
    CloudUnavailable,
    NameTaken,
)
from oceanid.states import Role
from tests.clouds.azure.world import Thing
from tests.contract.clouds.azure_scenes import (
    ID,
    LAN,
    put_into,
    run,
    shared,
)
from tests.contract.clouds.azure_stage import AzureStage


@pytest.mark.parametrize("network", ["", f"{LAN}/subnets/b"])
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


@pytest.mark.parametrize("network", ["", f"{LAN}/subnets/b"])
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
