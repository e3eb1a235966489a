"""Finds everything in an account that carries the house's tags, in all regions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from oceanid.clouds.amazon.machines import described, machine_of
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import CLUSTER, NAME, PORTAL, read_tags
from oceanid.clouds.specs import Blueprint, Estate, Machine, Resource
from oceanid.states import MachineState, Role

AT_ONCE: Final = 4

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a cluster may consist of beside machines, and how it is asked for.

    Args:
        operation: What lists it.
        key: Where the answer has it.
        id: Where its id is.
        detail: What is told of it.
    """

    operation: str
    key: str
    id: str
    detail: Callable[[Found], str]


KINDS: Final[Mapping[str, Kind]] = {
    "volume": Kind(
        "DescribeVolumes", "Volumes", "VolumeId",
        lambda found: f"{found.get('Size')} GiB, {found.get('State')}",
    ),
    "network-interface": Kind(
        "DescribeNetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId",
        lambda found: str(found.get("Status") or ""),
    ),
    "security-group": Kind(
        "DescribeSecurityGroups", "SecurityGroups", "GroupId",
        lambda found: str(found.get("GroupName") or ""),
    ),
    "launch-template": Kind(
        "DescribeLaunchTemplates", "LaunchTemplates", "LaunchTemplateId",
        lambda found: str(found.get("LaunchTemplateName") or ""),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is there.

    Args:
        kind: What it is.
        id: What Amazon calls it.
        detail: What is told of it.
        tags: Its tags.
        machine: It, when it is one.
        network: The network that it is in, where it says so.
    """

    kind: str
    id: str
    detail: str
    tags: Mapping[str, str]
    machine: Machine | None = None
    network: str = ""


async def survey(session: Session) -> tuple[Estate, ...]:
    """Every cluster of which something stands; one call a region, five more where there is."""
    answer = await session.call("DescribeRegions", region=session.region)
    regions = sorted({str(each["RegionName"]) for each in answer["Regions"]} | {session.region})
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(region: str) -> list[Estate]:
        async with gate:
            return await _of_region(session, region)

    found = await asyncio.gather(*(one(region) for region in regions))
    return tuple(_joined([each for estates in found for each in estates]))


async def _of_region(session: Session, region: str) -> list[Estate]:
    tagged = await session.pages(
        "DescribeTags", "Tags", region=region, Filters=[{"Name": "key", "Values": [CLUSTER]}]
    )
    if not tagged:
        return []
    # Tags outlive what they were on by some time; so what is there is asked for itself.
    clusters: dict[str, list[Thing]] = defaultdict(list)
    for thing in await _things(session, region):
        clusters[thing.tags.get(CLUSTER, "")].append(thing)
    estates = [_estate(region, cluster, things) for cluster, things in clusters.items()]
    return [each for each in estates if each is not None]


async def _things(session: Session, region: str) -> list[Thing]:
    ours = [{"Name": "tag-key", "Values": [CLUSTER]}]
    things = []
    for found in await described(session, region, ours):
        machine = machine_of(found)
        if machine.state is not MachineState.GONE:
            detail = f"{machine.machine_type}, {machine.state.name.lower()}"
            things.append(Thing("instance", machine.id, detail, read_tags(found), machine))
    for name, kind in KINDS.items():
        for found in await session.pages(kind.operation, kind.key, region=region, Filters=ours):
            thing = Thing(
                name, str(found[kind.id]), kind.detail(found), read_tags(found),
                network=str(found.get("VpcId") or ""),
            )  # fmt: skip
            things.append(thing)
    return things


def _estate(region: str, cluster: str, things: Sequence[Thing]) -> Estate | None:
    uuid = _uuid(cluster)
    if uuid is None:
        return None
    name = next((each.tags[NAME] for each in things if each.tags.get(NAME)), "")
    portal = next((each.tags[PORTAL] for each in things if each.tags.get(PORTAL)), "")
    resources = tuple(
        Resource(each.kind, each.id, each.tags.get("Name") or name, each.detail) for each in things
    )
    machines = [each.machine for each in things if each.machine is not None]
    network = next((each.network for each in things if each.network), "")
    blueprint = _blueprint(region, network, machines)
    return Estate(uuid, name, _uuid(portal), region, blueprint, resources)


def _blueprint(region: str, network: str, machines: Sequence[Machine]) -> Blueprint:
    by_role = {each.role: each for each in machines}
    master = by_role.get(Role.MASTER) or by_role.get(Role.WORKER)
    node = by_role.get(Role.WORKER) or master
    return Blueprint(
        region=region,
        master_image=master.image if master else "",
        master_type=master.machine_type if master else "",
        node_image=node.image if node else "",
        node_type=node.machine_type if node else "",
        zones=tuple(sorted({each.zone for each in machines if each.zone})),
        spot=any(each.spot for each in machines),
        network=network,
    )


def _joined(estates: Sequence[Estate]) -> list[Estate]:
    """One estate a cluster: what only reserves its name in another region belongs to it."""
    by_cluster: dict[UUID, list[Estate]] = defaultdict(list)
    for each in estates:
        by_cluster[each.cluster].append(each)
    joined: list[Estate] = []
    for parts in by_cluster.values():
        # Its own region is the one that has more than the name's reservation.
        home = min(parts, key=lambda each: (-len(each.resources), each.region))
        resources = tuple(thing for part in parts for thing in part.resources)
        joined.append(
            Estate(home.cluster, home.name, home.portal, home.region, home.blueprint, resources)
        )
    return joined


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
