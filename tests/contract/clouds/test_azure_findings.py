"""What is found out at Azure before anything is made, and by which rights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oceanid.clouds.azure.role import NEEDED, ROLE
from oceanid.clouds.specs import ClusterSpec
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    InvalidValue,
)
from oceanid.states import MachineState, Role
from tests.clouds.azure.world import Thing
from tests.contract.clouds.azure_scenes import (
    ID,
    OWN,
    own_images,
    put_into,
    run,
    shared,
    things,
)
from tests.contract.clouds.azure_stage import AzureStage


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


def test_the_docs_show_the_role_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/azure-credentials.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(shown) == ROLE
