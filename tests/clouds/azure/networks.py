"""Networks of the small Azure: each resource with what it needs, and what it is held by."""

from __future__ import annotations

from typing import Any

from tests.clouds.azure.answers import (
    Answer,
    Asked,
    by_async_operation,
    by_location,
    by_state,
    paged,
)
from tests.clouds.azure.world import Refused, Thing, World, walked

NETWORK = "Microsoft.Network/"
CARDS = "Microsoft.Network/networkInterfaces"
ADDRESSES = "Microsoft.Network/publicIPAddresses"
HELD = {
    "networksecuritygroups": "InUseNetworkSecurityGroupCannotBeDeleted",
    "virtualnetworks": "InUseSubnetCannotBeDeleted",
    "networkinterfaces": "NicInUse",
    "publicipaddresses": "PublicIPAddressCannotBeDeleted",
    "natgateways": "NatGatewayInUse",
    "applicationsecuritygroups": "ApplicationSecurityGroupInUse",
}
"""What ARM says of one that another one still uses."""


def listed(world: World, asked: Asked, group: str, kind: str) -> Answer:
    """… - List."""
    world.group(group)
    rows = [each.shown() for each in world.within(group, NETWORK + kind)]
    return paged(world, asked, rows)


def got(world: World, asked: Asked, group: str, kind: str, name: str) -> Answer:
    """… - Get."""
    world.group(group)
    return Answer(200, world.thing(world.make_id(group, NETWORK + kind, name)).shown())


def put(world: World, asked: Asked, group: str, kind: str, name: str) -> Answer:
    """… - Create Or Update."""
    if world.group(group).state == "Deleting":
        raise Refused(409, "ResourceGroupBeingDeleted", "The group is being deleted.")
    thing_id = world.make_id(group, NETWORK + kind, name)
    there = world.find(thing_id)
    properties = dict(asked.body.get("properties") or {})
    for each in walked(properties):
        if "/subnets/" not in each:
            world.need(each)
    if there is not None and there.state in ("Updating", "Deleting"):
        raise Refused(409, "AnotherOperationInProgress", "Another operation is in progress.")
    more = {key: asked.body[key] for key in ("sku", "zones") if key in asked.body}
    made = there or Thing(thing_id, name, NETWORK + kind, group, "", {}, {})
    made.location, made.tags = asked.body["location"], asked.body.get("tags") or {}
    made.properties, made.more, made.state = _filled(thing_id, properties), more, "Updating"
    if kind == "publicIPAddresses":
        made.properties.setdefault("ipAddress", f"203.0.113.{len(world.things) % 250 + 1}")
    world.add(made)

    def done() -> None:
        if made.state == "Updating":
            made.state = "Succeeded"
            world.touch(made)

    operation = world.begin(done)
    status = 200 if there is not None else 201
    if kind == "applicationSecurityGroups":
        return by_state(status, made.shown())
    return by_async_operation(asked, operation, status, made.shown())


def deleted(world: World, asked: Asked, group: str, kind: str, name: str) -> Answer:
    """… - Delete."""
    world.group(group)
    found = world.find(world.make_id(group, NETWORK + kind, name))
    if found is None:
        return Answer(204)
    if users := held_by(world, found):
        code = HELD.get(kind.lower(), "InUse")
        raise Refused(400, code, f"{found.id} is in use by {users[0]}.")
    found.state = "Deleting"
    return by_location(asked, world.begin(lambda: world.drop(found)))


def held_by(world: World, thing: Thing) -> list[str]:
    """The ids of those that use a resource."""
    own = thing.id.lower()
    return [
        each.id
        for each in world.things.values()
        if each is not thing
        and any(
            used.lower() == own or used.lower().startswith(f"{own}/subnets/")
            for used in walked(each.properties)
        )
    ]


def _filled(thing_id: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Give subnets and rules their ids, as answers have them."""
    for name in ("subnets", "securityRules"):
        rows = properties.get(name)
        if rows:
            properties[name] = [
                {**each, "id": f"{thing_id}/{name}/{each['name']}"} for each in rows
            ]
    return properties
