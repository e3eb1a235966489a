"""Resource groups of the small Azure, and the lists of everything."""

from __future__ import annotations

from typing import Any

from tests.clouds.azure.answers import Answer, Asked, by_location, paged
from tests.clouds.azure.machines import remove_machine
from tests.clouds.azure.world import SUBSCRIPTION, Group, Refused, Thing, World, tag_filter


def shown(group: Group) -> dict[str, Any]:
    """As an answer has it."""
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group.name}",
        "name": group.name, "type": "Microsoft.Resources/resourceGroups",
        "location": group.location, "tags": group.tags,
        "properties": {"provisioningState": group.state},
    }  # fmt: skip


def listed(world: World, asked: Asked) -> Answer:
    """Resource Groups - List."""
    rows = list(world.groups.values())
    if tag := tag_filter(asked.query.get("$filter", "")):
        rows = [each for each in rows if each.tags.get(tag[0]) == tag[1]]
    return paged(world, asked, [shown(each) for each in rows])


def got(world: World, asked: Asked, name: str) -> Answer:
    """Resource Groups - Get."""
    return Answer(200, shown(world.group(name)))


def put(world: World, asked: Asked, name: str) -> Answer:
    """Resource Groups - Create Or Update: the tags are replaced, whoever's they were."""
    there = world.groups.get(name.lower())
    location, tags = asked.body["location"], asked.body.get("tags") or {}
    if there is None:
        made = world.groups[name.lower()] = Group(name, location, tags)
        return Answer(201, shown(made))
    if there.state == "Deleting":
        raise Refused(409, "ResourceGroupBeingDeleted", f"The group '{name}' is being deleted.")
    if there.location != location:
        raise Refused(409, "InvalidResourceGroupLocation", "It is somewhere else.")
    there.tags = tags
    return Answer(200, shown(there))


def deleted(world: World, asked: Asked, name: str) -> Answer:
    """Resource Groups - Delete: everything in it goes, in whatever order."""
    group = world.group(name)
    group.state = "Deleting"

    def done() -> None:
        for each in world.within(name):
            if each.kind == "Microsoft.Compute/virtualMachines":
                remove_machine(world, each)
            world.drop(each)
        world.groups.pop(name.lower(), None)

    return by_location(asked, world.begin(done))


def resources(world: World, asked: Asked, name: str = "") -> Answer:
    """Resources - List, and List By Resource Group; filtered by a tag, tags are not shown."""
    rows = world.within(name) if name else list(world.things.values())
    if name:
        world.group(name)
    tag = tag_filter(asked.query.get("$filter", ""))
    if asked.query.get("$filter") and tag is None:
        raise Refused(400, "InvalidFilterInQueryString", "The filter is not known here.")
    if tag:
        rows = [each for each in rows if each.tags.get(tag[0]) == tag[1]]
    with_state = "provisioningState" in asked.query.get("$expand", "")
    return paged(world, asked, [_row(each, bool(tag), with_state) for each in rows])


def all_of_kind(world: World, asked: Asked, kind: str) -> Answer:
    """Virtual Machines - List All, Network Interfaces - List All."""
    rows = [each.shown() for each in world.things.values() if each.kind == kind]
    return paged(world, asked, rows)


def _row(thing: Thing, filtered: bool, with_state: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": thing.id, "name": thing.name, "type": thing.kind, "location": thing.location,
    }  # fmt: skip
    if not filtered:
        row["tags"] = thing.tags
    if with_state:
        row["provisioningState"] = thing.state
    return row
