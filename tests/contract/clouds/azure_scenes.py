"""What scenes at a small Azure need: a group that others use, images, hands on its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from oceanid.clouds.specs import Claim
from oceanid.clouds.testing.stage import Actor
from tests.clouds.azure.world import SUBSCRIPTION, Group, Thing
from tests.contract.clouds.azure_stage import AzureStage

ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
OWN = f"{ID}/ours/providers/Microsoft.Compute"
LAN = f"{ID}/ours/providers/Microsoft.Network/virtualNetworks/lan"


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


def shared(stage: AzureStage) -> None:
    """A group with a network in it that the cluster is put into."""
    world = stage.azure.world
    world.groups["ours"] = Group("ours", "westeurope", {"owner": "hydrology"})
    net = LAN
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
