"""Looks at a cluster's machines in Azure: one call while nothing changed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from oceanid.clouds.azure.names import LAUNCH, ROLE, Names, last_of, word_of
from oceanid.clouds.azure.orders import Orders, looked_after
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Claim, Inventory, Machine
from oceanid.states import MachineState, Role

if TYPE_CHECKING:
    from azure.mgmt.compute.models import VirtualMachine

AGAIN_S: Final = 300.0
"""A machine that shuts itself down from inside changes nothing in what one call shows; so after
this time its power is asked for again."""
MOST_CONSOLE: Final = 64 * 1024
_POWER: Final = {
    "starting": MachineState.PENDING,
    "running": MachineState.RUNNING,
    "stopping": MachineState.STOPPING,
    "deallocating": MachineState.STOPPING,
    "stopped": MachineState.STOPPED,
    "deallocated": MachineState.STOPPED,
}
_MOVING: Final = ("Creating", "Updating", "Deleting", "Migrating")


@dataclass
class Seen:
    """What was found out in the looks before, beyond what one call shows.

    Args:
        print: What that call showed.
        is_settled: Whether nothing was under way.
        at: When everything was asked for, by the monotonic clock.
        addresses: Private and public one by machine.
        power: State and reason by machine, of those that were asked for it.
        moved: Machines that changed after they had come up.
    """

    print: frozenset[tuple[str, str, str]] = frozenset()
    is_settled: bool = False
    at: float = 0.0
    addresses: dict[str, tuple[str, str]] = field(default_factory=dict)
    power: dict[str, tuple[str, str]] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)


async def looked(session: Session, claim: Claim, seen: Seen) -> Inventory:
    """All machines with the cluster's tag; ``seen`` is brought up to date."""
    names = Names(session.subscription, claim)
    orders = await looked_after(session, claim)
    listed = await session.found(lambda: list(session.compute.virtual_machines.list(names.group)))
    ours = [each for each in listed or [] if names.are_ours(each.tags)]
    print_ = frozenset((str(each.name), _provisioning(each), str(each.etag or "")) for each in ours)
    is_same = seen.is_settled and print_ == seen.print
    if not is_same or time.monotonic() - seen.at > AGAIN_S:
        _note_moves(seen, print_)
        await _find_out(session, names, ours, seen)
        seen.print, seen.at = print_, time.monotonic()
        seen.is_settled = not any(_provisioning(each) in _MOVING for each in ours)
    failed = orders.failed()
    machines = tuple(_machine(each, seen, failed) for each in ours)
    phantoms = tuple([each async for each in _never_came(orders, machines)])
    is_standing = listed is not None if names.has_own_group else (True if machines else None)
    return Inventory((*machines, *phantoms), is_standing)


async def console_of(session: Session, claim: Claim, machine: str) -> str:
    """The end of a machine's boot log."""
    names = Names(session.subscription, claim)
    found = await session.found(
        lambda: session.compute.virtual_machines.retrieve_boot_diagnostics_data(
            names.group, machine
        )
    )
    address = str(getattr(found, "serial_console_log_blob_uri", "") or "")
    if not address.startswith("https://"):
        return ""
    return await session.call(lambda: _read(session, address))


def _read(session: Session, address: str) -> str:
    """A signed address, that is asked for without the app's token."""
    from azure.core import PipelineClient
    from azure.core.exceptions import ResourceNotFoundError
    from azure.core.rest import HttpRequest

    # Without policies: what comes is neither JSON nor XML, and no token goes along.
    with PipelineClient("", policies=[], **session.limits) as client:
        answer = client.send_request(HttpRequest("GET", address))
        try:
            answer.raise_for_status()
        except ResourceNotFoundError:
            return ""  # it has not written anything yet
        content: bytes = answer.content
        return content[-MOST_CONSOLE:].decode("utf-8", "replace")


def _provisioning(machine: VirtualMachine) -> str:
    properties = machine.properties
    return word_of(properties.provisioning_state) if properties else ""


def _set_of(machine: VirtualMachine) -> str:
    inside = machine.properties.virtual_machine_scale_set if machine.properties else None
    return last_of(inside.id) if inside else ""


def _note_moves(seen: Seen, now: frozenset[tuple[str, str, str]]) -> None:
    before = {name: (state, tag) for name, state, tag in seen.print}
    for name, state, tag in now:
        came_up = before.get(name, ("Creating", ""))[0] not in ("Creating", "")
        if came_up and before[name] != (state, tag):
            seen.moved.add(name)
    here = {name for name, _, _ in now}
    seen.moved &= here
    for known in (seen.addresses, seen.power):
        for gone in known.keys() - here:
            del known[gone]


async def _find_out(session: Session, names: Names, ours: list[VirtualMachine], seen: Seen) -> None:
    ending = {str(each.name) for each in ours if _provisioning(each) == "Deleting"}
    if any(str(each.name) not in seen.addresses for each in ours if str(each.name) not in ending):
        seen.addresses.update(await _addresses(session, names))
    sets: set[str] = set()
    for each in ours:
        name = str(each.name)
        if name in ending:
            continue
        inside = _set_of(each)
        if not inside:
            seen.power.update(await _power_of_one(session, names, name))
        elif name in seen.moved or _provisioning(each) in ("Failed", "Updating"):
            sets.add(inside)
    for inside in sorted(sets):
        seen.power.update(await _power_of_set(session, names, inside))


async def _addresses(session: Session, names: Names) -> dict[str, tuple[str, str]]:
    cards = await session.call(lambda: list(session.network.network_interfaces.list(names.group)))
    public: dict[str, str] = {}
    if any(_public_of(each) for each in cards):
        listed = await session.call(
            lambda: list(session.network.public_ip_addresses.list(names.group))
        )
        public = {
            str(each.id).lower(): str(each.properties.ip_address or "")
            for each in listed
            if each.properties
        }
    found = {}
    for card in cards:
        machine = card.properties.virtual_machine if card.properties else None
        private = _private_of(card)
        if machine is not None and private:
            found[last_of(machine.id)] = private, public.get(_public_of(card).lower(), "")
    return found


def _first_configuration(card: Any) -> Any:
    configurations = (card.properties.ip_configurations if card.properties else None) or []
    return configurations[0].properties if configurations else None


def _private_of(card: Any) -> str:
    return str(getattr(_first_configuration(card), "private_ip_address", "") or "")


def _public_of(card: Any) -> str:
    address = getattr(_first_configuration(card), "public_ip_address", None)
    return str(address.id or "") if address else ""


async def _power_of_one(session: Session, names: Names, name: str) -> dict[str, tuple[str, str]]:
    found = await session.found(
        lambda: session.compute.virtual_machines.get(names.group, name, expand="instanceView")
    )
    return {name: _power(found)} if found is not None else {}


async def _power_of_set(session: Session, names: Names, inside: str) -> dict[str, tuple[str, str]]:
    only = f"'virtualMachineScaleSet/id' eq '{names.set_id(inside)}'"
    machines = await session.found(
        lambda: list(
            session.compute.virtual_machines.list(names.group, filter=only, expand="instanceView")
        )
    )
    return {str(each.name): _power(each) for each in machines or []}


def _power(machine: VirtualMachine) -> tuple[str, str]:
    """The word of its power, and why it failed when it did."""
    view = machine.properties.instance_view if machine.properties else None
    power, reason = "", ""
    for status in (view.statuses if view else None) or []:
        code = str(status.code or "")
        if found := re.fullmatch(r"PowerState/(\w+)", code):
            power = found[1].lower()
        elif code.startswith("ProvisioningState/failed"):
            reason = str(status.message or status.display_status or code)
    return power, reason[:500]


def _state(provisioning: str, power: str) -> MachineState:
    if provisioning == "Deleting":
        return MachineState.ENDING
    if provisioning == "Creating":
        return MachineState.PENDING
    if power in _POWER:
        return _POWER[power]
    if provisioning in ("Failed", "Canceled"):
        return MachineState.FAILED
    return MachineState.PENDING if provisioning == "Updating" else MachineState.RUNNING


def _machine(one: VirtualMachine, seen: Seen, failed: dict[str, str]) -> Machine:
    name, tags = str(one.name), one.tags or {}
    power, reason = seen.power.get(name, ("", ""))
    private, public = seen.addresses.get(name, ("", ""))
    state, launch = _state(_provisioning(one), power), tags.get(LAUNCH, "")
    if state is MachineState.FAILED and not reason:
        reason = failed.get(launch, "")
    if power == "stopped":
        reason = "It shut itself down, and costs as if it ran."
    about = one.properties
    system = about.os_profile if about else None
    hardware = about.hardware_profile if about else None
    return Machine(
        id=name,
        role=Role.MASTER if tags.get(ROLE) == Role.MASTER.value else Role.WORKER,
        state=state,
        launch=launch,
        name=name,
        host_name=str(system.computer_name or "") if system else "",
        public_address=public,
        private_address=private,
        machine_type=word_of(hardware.vm_size) if hardware else "",
        image=image_told(one),
        zone=(one.zones or [""])[0],
        spot=word_of(about.priority) == "Spot" if about else False,
        launched_at=about.time_created if about else None,
        reason=reason,
        still_paid=power == "stopped",
    )


def image_told(one: VirtualMachine) -> str:
    """The image that a machine was made of: its URN, or its whole id."""
    storage = one.properties.storage_profile if one.properties else None
    image = storage.image_reference if storage else None
    if image is None:
        return ""
    if image.id:
        return str(image.id)
    version = image.exact_version or image.version
    return ":".join(str(part or "") for part in (image.publisher, image.offer, image.sku, version))


async def _never_came(orders: Orders, machines: Iterable[Machine]) -> Any:
    """Orders that failed after they were answered, and of which there is no machine to tell."""
    shown = {each.launch for each in machines}
    for token, why in orders.failed().items():
        name = orders.names()[token]
        if token in shown:
            await orders.keep(token)
            continue
        role = Role.MASTER if "-m-" in name[-16:] else Role.WORKER
        yield Machine(
            id=name, role=role, state=MachineState.FAILED, launch=token, name=name, reason=why
        )
