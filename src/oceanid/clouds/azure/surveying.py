"""What in a subscription carries Oceanid's tags, whoever's it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from oceanid.clouds.azure.names import CLUSTER, NAME, PORTAL, group_of, uuid_of
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Blueprint, Estate, Resource


async def surveyed(session: Session) -> tuple[Estate, ...]:
    """Two calls and their further pages; not filtered by tag, for then the tags themselves, which
    tell the name and the portal, are not in the answer (Resources - List)."""
    groups = await session.call(lambda: list(session.resources.resource_groups.list()))
    things = await session.call(
        lambda: list(session.resources.resources.list(expand="provisioningState"))
    )
    found: dict[UUID, list[Any]] = {}
    everything: list[Any] = [*groups, *things]
    for each in everything:
        uuid = uuid_of((each.tags or {}).get(CLUSTER))
        if uuid is not None:
            found.setdefault(uuid, []).append(each)
    return tuple(_estate(uuid, parts) for uuid, parts in found.items())


def _estate(uuid: UUID, parts: list[Any]) -> Estate:
    groups = [each for each in parts if _is_group(each)]
    tags = dict(parts[0].tags or {})
    group = str(groups[0].name) if groups else group_of(str(parts[0].id))
    region = str(parts[0].location or "")
    has_network = any("virtualnetworks" in str(each.type).lower() for each in parts)
    return Estate(
        cluster=uuid,
        name=str(tags.get(NAME, "")),
        portal=uuid_of(tags.get(PORTAL)),
        region=region,
        blueprint=Blueprint(
            region=region,
            master_image="",
            master_type="",
            node_image="",
            node_type="",
            network="" if has_network or groups else "unknown",
            resource_group=group,
            has_own_group=bool(groups),
        ),
        resources=tuple(map(_resource, parts)),
    )


def _is_group(thing: Any) -> bool:
    return str(thing.type).lower() == "microsoft.resources/resourcegroups"


def _resource(thing: Any) -> Resource:
    if _is_group(thing):
        return Resource("resource-group", str(thing.id), str(thing.name))
    kind = str(thing.type).rpartition("/")[2]
    return Resource(kind, str(thing.id), str(thing.name), str(thing.provisioning_state or ""))
