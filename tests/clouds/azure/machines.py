"""Machines of the small Azure: alone and in sets of the orchestration mode Flexible."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import Any

from tests.clouds.azure import catalogue
from tests.clouds.azure.answers import Answer, Asked, by_async_operation, paged
from tests.clouds.azure.networks import ADDRESSES, CARDS
from tests.clouds.azure.world import Refused, Thing, World

MACHINES = "Microsoft.Compute/virtualMachines"
SETS = "Microsoft.Compute/virtualMachineScaleSets"
DISKS = "Microsoft.Compute/disks"
SHORT = Refused(
    200, "AllocationFailed", "Allocation failed. We do not have sufficient capacity for the size."
)
MOST_CUSTOM_DATA = 87_380


def listed(world: World, asked: Asked, group: str) -> Answer:
    """Virtual Machines - List; the power only for one set, and when it is asked for."""
    world.group(group)
    only, expand = asked.query.get("$filter", ""), asked.query.get("$expand", "")
    rows = world.within(group, MACHINES)
    if only:
        found = re.fullmatch(r"'virtualMachineScaleSet/id' eq '([^']+)'", only)
        if found is None:
            raise Refused(400, "InvalidParameter", "The filter is not known.")
        rows = [each for each in rows if set_of(each).lower() == found[1].lower()]
    elif expand:
        raise Refused(400, "InvalidParameter", "$expand needs a valid $filter.")
    return paged(world, asked, [_shown(each, with_view=bool(expand)) for each in rows])


def got(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machines - Get."""
    world.group(group)
    found = world.thing(world.make_id(group, MACHINES, name))
    return Answer(200, _shown(found, with_view=asked.query.get("$expand") == "instanceView"))


def put(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machines - Create Or Update; of an existing one nothing is changed here."""
    machine_id = world.make_id(group, MACHINES, name)
    _once(world, asked, group, machine_id)
    body = asked.body
    profile = dict(body["properties"])
    size = profile["hardwareProfile"]["vmSize"]
    _refuse(world, profile, size, 1, "computerName")
    _refuse_cores(world, size, 1)
    machine = _machine(
        world, group, name, size, profile, body.get("tags") or {}, zones=body.get("zones") or []
    )
    if not world.take_room():
        return _all_or_some(world, asked, machine, [machine])
    _boot(world, machine, profile)
    return _all_or_some(world, asked, machine, [])


def deleted(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machines - Delete."""
    world.group(group)
    found = world.find(world.make_id(group, MACHINES, name))
    if found is None:
        return Answer(204)
    return _ended(world, asked, [found])


def powered(world: World, asked: Asked, group: str, name: str, what: str) -> Answer:
    """Virtual Machines - Start, Deallocate."""
    found = world.thing(world.make_id(group, MACHINES, name))
    if found.state in ("Creating", "Deleting"):
        raise Refused(409, "OperationNotAllowed", f"The machine is {found.state}.")
    to = {"start": "running", "deallocate": "deallocated"}[what]
    fails = None
    if what == "start" and found.hidden["power"] == "deallocated" and not world.take_room():
        fails = SHORT
    found.state = "Updating"
    found.hidden["power"] = {"start": "starting", "deallocate": "deallocating"}[what]
    world.touch(found)
    before = "deallocated"

    def done() -> None:
        if found.state == "Deleting":
            return
        found.state = "Failed" if fails else "Succeeded"
        found.hidden["power"] = before if fails else to
        world.touch(found)
        if not fails:
            (world.booter.start if what == "start" else world.booter.stop)(found.name)

    return by_async_operation(asked, world.begin(done, fails=fails), 202, None)


def boot_log(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machines - Retrieve Boot Diagnostics Data."""
    found = world.thing(world.make_id(group, MACHINES, name))
    address = f"{asked.base}/blobs/{found.name}/serial.log?sig=signed"
    return Answer(200, {"serialConsoleLogBlobUri": address, "consoleScreenshotBlobUri": address})


def sets_listed(world: World, asked: Asked, group: str) -> Answer:
    """Virtual Machine Scale Sets - List."""
    world.group(group)
    return paged(world, asked, [_set_shown(world, each) for each in world.within(group, SETS)])


def set_got(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machine Scale Sets - Get."""
    world.group(group)
    return Answer(200, _set_shown(world, world.thing(world.make_id(group, SETS, name))))


def set_put(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machine Scale Sets - Create Or Update: brings the set to an absolute capacity."""
    set_id = world.make_id(group, SETS, name)
    _once(world, asked, group, set_id)
    body, about = asked.body, asked.body["properties"]
    if about.get("orchestrationMode") != "Flexible" or "platformFaultDomainCount" not in about:
        raise Refused(400, "InvalidParameter", "Only the orchestration mode Flexible is here.")
    size, capacity = body["sku"]["name"], int(body["sku"]["capacity"])
    profile = about["virtualMachineProfile"]
    _refuse(world, profile, size, capacity, "computerNamePrefix")
    there = world.find(set_id)
    members = _members(world, set_id)
    if there is not None and capacity < len(members):
        raise Refused(400, "NotHere", "Machines are ended by their names.")
    _refuse_cores(world, size, capacity - len(members))
    kept = {key: value for key, value in about.items() if key != "virtualMachineProfile"}
    made = there or Thing(set_id, name, SETS, group, body["location"], {}, {})
    made.tags, made.properties = body.get("tags") or {}, kept
    made.more = {"sku": body["sku"], **({"zones": body["zones"]} if body.get("zones") else {})}
    made.state = "Updating"
    world.add(made)
    failed = []
    for number in range(capacity - len(members)):
        one = f"{name}_{uuid.uuid4().hex[:8]}"
        zones = body.get("zones") or []
        zone = zones[number % len(zones) :][:1] if zones else []
        mine = dict(profile)
        prefix = profile["osProfile"]["computerNamePrefix"]
        mine["osProfile"] = {**profile["osProfile"], "computerName": f"{prefix}{number:06d}"}
        machine = _machine(world, group, one, size, mine, dict(made.tags), zones=zone)
        machine.properties["virtualMachineScaleSet"] = {"id": set_id}
        if world.take_room():
            _boot(world, machine, mine)
        else:
            failed.append(machine)
    return _all_or_some(world, asked, made, failed)


def set_deleted(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machine Scale Sets - Delete: its machines go with it."""
    world.group(group)
    found = world.find(world.make_id(group, SETS, name))
    if found is None:
        return Answer(204)
    found.state = "Deleting"
    return _ended(world, asked, _members(world, found.id), then=found)


def members_deleted(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machine Scale Sets - Delete Instances: by the names of the machines."""
    found = world.thing(world.make_id(group, SETS, name))
    wanted = set(asked.body["instanceIds"])
    members = [each for each in _members(world, found.id) if each.name in wanted]
    if len(members) < len(wanted):
        raise Refused(400, "InvalidParameter", "An instance is not in the set.")
    return _ended(world, asked, members)


def set_deallocated(world: World, asked: Asked, group: str, name: str) -> Answer:
    """Virtual Machine Scale Sets - Deallocate: not for Flexible ones."""
    world.thing(world.make_id(group, SETS, name))
    raise Refused(
        409, "OperationNotAllowed", "Deallocate is not supported for Flexible orchestration mode."
    )


def remove_machine(world: World, machine: Thing) -> None:
    """A machine is gone, with those of its parts that go with it."""
    world.end_machine(machine.name)
    world.drop(machine)
    for part in machine.hidden["parts"]:
        if thing := world.find(part):
            world.drop(thing)


def evicted(world: World, name: str) -> None:
    """Azure takes a spot machine back; its policy is that it is deleted."""
    for each in list(world.things.values()):
        if each.kind == MACHINES and each.name == name:
            remove_machine(world, each)


def set_of(machine: Thing) -> str:
    """The id of the set that a machine is in; "" for one alone."""
    return str(machine.properties.get("virtualMachineScaleSet", {}).get("id", ""))


def _members(world: World, set_id: str) -> list[Thing]:
    return [
        each
        for each in world.things.values()
        if each.kind == MACHINES and set_of(each).lower() == set_id.lower()
    ]


def _once(world: World, asked: Asked, group: str, thing_id: str) -> None:
    there = world.find(thing_id)
    if asked.headers.get("if-none-match") == "*" and there is not None:
        raise Refused(412, "PreconditionFailed", f"{thing_id} exists.")
    match = asked.headers.get("if-match", "").strip('"')
    if match not in ("", "*") and (there is None or there.etag != match):
        raise Refused(412, "PreconditionFailed", "The etag does not match.")
    if world.group(group).state == "Deleting":
        raise Refused(409, "ResourceGroupBeingDeleted", "The group is being deleted.")
    if there is not None and there.state in ("Updating", "Creating", "Deleting"):
        raise Refused(409, "AnotherOperationInProgress", "Another operation is in progress.")


def _refuse(world: World, profile: dict[str, Any], size: str, count: int, name: str) -> None:
    """What ARM refuses before it begins."""
    if not 0 <= count <= 1000:
        raise Refused(400, "InvalidParameter", "The capacity is not one of Flexible's.")
    if size in world.restricted or size not in catalogue.SIZES:
        raise Refused(409, "SkuNotAvailable", f"The requested size {size} is not available.")
    catalogue.refuse_unknown(world, profile["storageProfile"]["imageReference"])
    system = profile["osProfile"]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,14}", system[name]):
        raise Refused(400, "InvalidParameter", f"{name} is not one.")
    try:
        data = base64.b64decode(system.get("customData", ""), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, "InvalidParameter", "customData must be Base64.") from problem
    if len(data) > MOST_CUSTOM_DATA:
        raise Refused(400, "InvalidParameter", "customData is too long.")
    keys = system["linuxConfiguration"]["ssh"]["publicKeys"]
    if not keys or not keys[0]["keyData"].startswith("ssh-"):
        raise Refused(400, "InvalidParameter", "A key is needed.")
    network = profile["networkProfile"]
    if not network.get("networkApiVersion"):
        raise Refused(400, "InvalidParameter", "networkApiVersion is needed.")
    for card in network["networkInterfaceConfigurations"]:
        world.need(card["properties"]["networkSecurityGroup"]["id"])
        for each in card["properties"]["ipConfigurations"]:
            net, _, subnet = each["properties"]["subnet"]["id"].partition("/subnets/")
            known = world.need(net).properties.get("subnets", [])
            if subnet not in [one["name"] for one in known]:
                raise Refused(400, "InvalidResourceReference", f"There is no subnet {subnet}.")
            for one in each["properties"].get("applicationSecurityGroups", []):
                world.need(one["id"])


def _refuse_cores(world: World, size: str, count: int) -> None:
    used = catalogue.cores_used(world)
    wanted = catalogue.SIZES[size].cpus * count
    if used + wanted > world.cores:
        raise Refused(
            409, "OperationNotAllowed",
            "Operation could not be completed as it results in exceeding approved Total Regional "
            f"Cores quota. Current Limit: {world.cores}, Current Usage: {used}, Additional "
            f"Required: {wanted}.",
        )  # fmt: skip


def _machine(
    world: World, group: str, name: str, size: str, profile: dict[str, Any],
    tags: dict[str, str], *, zones: list[str],
) -> Thing:  # fmt: skip
    system = {
        key: value for key, value in profile["osProfile"].items()
        if key not in ("customData", "computerNamePrefix")
    }  # fmt: skip
    shown = {
        "vmId": str(uuid.uuid4()), "hardwareProfile": {"vmSize": size}, "osProfile": system,
        "storageProfile": profile["storageProfile"],
        **{key: profile[key] for key in ("priority", "evictionPolicy", "securityProfile",
                                         "diagnosticsProfile") if key in profile},
    }  # fmt: skip
    thing_id = world.make_id(group, MACHINES, name)
    made = Thing(
        thing_id, name, MACHINES, group, catalogue.REGION, tags, shown,
        more={"zones": zones} if zones else {}, state="Creating",
        hidden={"power": "", "parts": [], "why": ""},
    )  # fmt: skip
    return world.add(made)


def _boot(world: World, machine: Thing, profile: dict[str, Any]) -> None:
    """Its card, its address and its disk; and let it boot."""
    data = base64.b64decode(profile["osProfile"].get("customData", "")).decode()
    where = world.booter.boot(machine.name, data, machine.tags.get("oceanid-role", ""))
    machine.properties["networkProfile"] = {"networkInterfaces": []}
    for wanted in profile["networkProfile"]["networkInterfaceConfigurations"]:
        _add_card(world, machine, wanted, where.private, where.public)
    disk = profile["storageProfile"]["osDisk"]
    disk_id = world.make_id(machine.group, DISKS, f"{machine.name}_disk")
    shown = {"diskSizeGB": disk["diskSizeGB"], "encryption": {"type": "EncryptionAtRest"}}
    world.add(
        Thing(disk_id, f"{machine.name}_disk", DISKS, machine.group, machine.location,
              dict(machine.tags), shown)
    )  # fmt: skip
    if disk.get("deleteOption") == "Delete":
        machine.hidden["parts"].append(disk_id)
    machine.hidden["power"] = "starting"


def _add_card(
    world: World, machine: Thing, wanted: dict[str, Any], private: str, public: str
) -> None:
    name = f"{machine.name}-{wanted['name']}"
    about, tags = wanted["properties"], wanted.get("tags") or {}
    address = dict(about["ipConfigurations"][0]["properties"])
    configured = address.pop("publicIPAddressConfiguration", None)
    if configured is not None:
        address_id = world.make_id(machine.group, ADDRESSES, f"{name}-public")
        world.add(
            Thing(address_id, f"{name}-public", ADDRESSES, machine.group, machine.location,
                  configured.get("tags") or {}, {"ipAddress": public or "203.0.113.9"})
        )  # fmt: skip
        address["publicIPAddress"] = {"id": address_id}
        if configured["properties"].get("deleteOption") == "Delete":
            machine.hidden["parts"].append(address_id)
    shown = {
        "virtualMachine": {"id": machine.id},
        "networkSecurityGroup": about["networkSecurityGroup"],
        "ipConfigurations": [
            {"name": "address", "properties": {**address, "privateIPAddress": private}}
        ],
    }
    card_id = world.make_id(machine.group, CARDS, name)
    world.add(Thing(card_id, name, CARDS, machine.group, machine.location, tags, shown))
    if about.get("deleteOption") == "Delete":
        machine.hidden["parts"].append(card_id)
    machine.properties["networkProfile"]["networkInterfaces"].append({"id": card_id})


def _all_or_some(world: World, asked: Asked, made: Thing, failed: list[Thing]) -> Answer:
    """What was accepted comes up, or fails, when its operation is over."""
    mine = [made] if made.kind == MACHINES else _members(world, made.id)
    coming = [each for each in mine if each.state == "Creating"]

    def done() -> None:
        for each in coming:
            if each.state == "Deleting":
                continue
            each.state = "Failed" if each in failed else "Succeeded"
            each.hidden["power"] = "" if each in failed else "running"
            each.hidden["why"] = SHORT.told if each in failed else ""
            world.touch(each)
        if made.state != "Deleting":
            made.state = "Failed" if failed else "Succeeded"
            world.touch(made)

    operation = world.begin(done, fails=SHORT if failed else None)
    shown = _shown(made) if made.kind == MACHINES else _set_shown(world, made)
    return by_async_operation(asked, operation, 201, shown)


def _ended(world: World, asked: Asked, machines: list[Thing], then: Thing | None = None) -> Answer:
    for each in machines:
        each.state = "Deleting"
        world.touch(each)

    def done() -> None:
        for each in machines:
            remove_machine(world, each)
        if then is not None:
            world.drop(then)

    return by_async_operation(asked, world.begin(done), 202, None)


def _shown(machine: Thing, *, with_view: bool = False) -> dict[str, Any]:
    shown = machine.shown()
    if with_view:
        power, word = machine.hidden["power"], machine.state.lower()
        statuses = [{"code": f"ProvisioningState/{word}", "message": machine.hidden["why"]}]
        if power:
            statuses.append({"code": f"PowerState/{power}"})
        shown["properties"]["instanceView"] = {"statuses": statuses}
    return shown


def _set_shown(world: World, thing: Thing) -> dict[str, Any]:
    shown = thing.shown()
    shown["sku"] = {**shown["sku"], "capacity": len(_members(world, thing.id))}
    return shown
