"""What in a subscription carries Oceanid's tags, whoever's it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from oceanid.clouds.azure.finding import LEAST_DISK_GIB, Size, sizes_of
from oceanid.clouds.azure.names import CLUSTER, NAME, PORTAL, ROLE, group_of, uuid_of, word_of
from oceanid.clouds.azure.session import Session
from oceanid.clouds.azure.watching import image_told
from oceanid.clouds.specs import Blueprint, Estate, Resource, Shape
from oceanid.errors import InvalidValue
from oceanid.states import Role


@dataclass
class Parts:
    """All that carries one cluster's tags.

    Args:
        things: Its group when it is its own, and its resources.
        machines: Those of them that are machines, with all that is told of them.
        subnets: Where its network cards are.
        public: Whether the master has, and a worker has, an address for the world.
    """

    things: list[Any] = field(default_factory=list)
    machines: list[Any] = field(default_factory=list)
    subnets: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)


async def surveyed(session: Session) -> tuple[Estate, ...]:
    """Two calls and their further pages; some more when there are machines, to tell what they are
    made of.

    Not filtered by tag, for then the tags themselves, which tell the name and the portal, are not
    in the answer (Resources - List).
    """
    groups = await session.call(lambda: list(session.resources.resource_groups.list()))
    things = await session.call(
        lambda: list(session.resources.resources.list(expand="provisioningState"))
    )
    found: dict[UUID, Parts] = {}
    everything: list[Any] = [*groups, *things]
    for each in everything:
        uuid = uuid_of((each.tags or {}).get(CLUSTER))
        if uuid is not None:
            found.setdefault(uuid, Parts()).things.append(each)
    if any(_is(each, "virtualmachines") for parts in found.values() for each in parts.things):
        await _add_machines(session, found)
    regions = {str(parts.things[0].location) for parts in found.values() if parts.machines}
    sizes = {region: await _sizes(session, region) for region in sorted(regions)}
    return tuple(_estate(uuid, parts, sizes) for uuid, parts in found.items())


async def _add_machines(session: Session, found: dict[UUID, Parts]) -> None:
    machines = await session.call(lambda: list(session.compute.virtual_machines.list_all()))
    cards = await session.call(lambda: list(session.network.network_interfaces.list_all()))
    both: list[Any] = [*machines, *cards]
    for each in both:
        parts = found.get(uuid_of((each.tags or {}).get(CLUSTER)) or UUID(int=0))
        if parts is None:
            continue
        if _is(each, "virtualmachines"):
            parts.machines.append(each)
            continue
        for address in each.properties.ip_configurations or ():
            parts.subnets.add(str(address.properties.subnet.id))
            if address.properties.public_ip_address:
                parts.public.add(str(each.tags.get(ROLE)))


async def _sizes(session: Session, region: str) -> dict[str, Size]:
    try:
        return await sizes_of(session, region)
    except InvalidValue:
        return {}


def _estate(uuid: UUID, parts: Parts, sizes: dict[str, dict[str, Size]]) -> Estate:
    first = parts.things[0]
    tags = dict(first.tags or {})
    region = str(first.location or "")
    return Estate(
        cluster=uuid,
        name=str(tags.get(NAME, "")),
        portal=uuid_of(tags.get(PORTAL)),
        region=region,
        blueprint=_blueprint(parts, region, sizes.get(region, {})),
        resources=tuple(map(_resource, parts.things)),
    )


def _blueprint(parts: Parts, region: str, sizes: dict[str, Size]) -> Blueprint:
    groups = [each for each in parts.things if _is(each, "resourcegroups")]
    group = str(groups[0].name) if groups else group_of(str(parts.things[0].id))
    by_role = {str((each.tags or {}).get(ROLE)): each for each in parts.machines}
    node = by_role.get(Role.WORKER.value) or by_role.get(Role.MASTER.value)
    master = by_role.get(Role.MASTER.value) or node
    master_type, node_type = _type(master), _type(node)
    has_network = any(_is(each, "virtualnetworks") for each in parts.things)
    return Blueprint(
        region=region,
        master_image=image_told(master) if master else "",
        master_type=master_type,
        node_image=image_told(node) if node else "",
        node_type=node_type,
        zones=tuple(sorted({zone for each in parts.machines for zone in each.zones or ()})),
        master_shape=_shape(sizes, master_type),
        node_shape=_shape(sizes, node_type),
        spot=any(word_of(each.properties.priority) == "Spot" for each in parts.machines),
        network="" if has_network else next(iter(sorted(parts.subnets)), ""),
        resource_group=group,
        has_own_group=bool(groups),
        disk_gib=_disk_gib(node),
        more={
            "master_family": sizes[master_type].family if master_type in sizes else "",
            "node_family": sizes[node_type].family if node_type in sizes else "",
            "master_address": "yes" if Role.MASTER.value in parts.public else "no",
            "worker_address": "yes" if Role.WORKER.value in parts.public else "no",
            "host_encryption": "yes" if _is_encrypted_at_host(node) else "no",
        },
    )


def _type(machine: Any) -> str:
    return word_of(machine.properties.hardware_profile.vm_size) if machine else ""


def _is_encrypted_at_host(machine: Any) -> bool:
    safety = machine.properties.security_profile if machine else None
    return bool(safety and safety.encryption_at_host)


def _shape(sizes: dict[str, Size], name: str) -> Shape:
    return sizes[name].shape if name in sizes else Shape(1, 1024)


def _disk_gib(machine: Any) -> int:
    storage = machine.properties.storage_profile if machine else None
    disk = storage.os_disk if storage else None
    return int((disk.disk_size_gb if disk else None) or LEAST_DISK_GIB)


def _is(thing: Any, kind: str) -> bool:
    return str(thing.type).lower().endswith(f"/{kind}")


def _resource(thing: Any) -> Resource:
    if _is(thing, "resourcegroups"):
        return Resource("resource-group", str(thing.id), str(thing.name))
    kind = str(thing.type).rpartition("/")[2]
    return Resource(kind, str(thing.id), str(thing.name), str(thing.provisioning_state or ""))
