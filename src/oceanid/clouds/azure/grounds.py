"""What machines stand on in Azure: the group, the network, its firewall, and its way out."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from oceanid.clouds.azure.names import CLUSTER, NAME, Names
from oceanid.clouds.azure.operations import Keep, concluded, opened
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Claim, Ground
from oceanid.errors import InvalidValue, NameTaken

HTCONDOR_PORT: Final = 9618
"""All that HTCondor's daemons say to each other goes through this one ("shared port")."""
SPACE: Final = "10.42.0.0/16"
SUBNET: Final = "10.42.0.0/20"
RULES: Final = "rules"
PARTS: Final = ("pool", "master", "nsg", "out", "nat", "net")
_FINAL: Final = ("Succeeded", "Failed", "Canceled")


@dataclass(frozen=True)
class Part:
    """One resource.

    Args:
        kind: Its type.
        suffix: What its name ends with.
        body: What it is made of.
        begin: The SDK's method that makes it.
        needs: Suffixes of those that must stand before.
    """

    kind: str
    suffix: str
    body: dict[str, Any]
    begin: Callable[..., Any]
    needs: tuple[str, ...] = ()


async def prepared(session: Session, claim: Claim, ground: Ground) -> bool:
    """Make what is missing; True when all of it stands.

    Raises:
        NameTaken: Something that is not this cluster's has its name.
    """
    names = Names(session.subscription, claim)
    if not await _group_stands(session, names):
        return False
    there = await _there(session, names)
    parts = list(_parts(session, names, ground))
    if names.has_own_group is False and not any(_key(names, each) in there for each in parts):
        await refuse_taken(session, names)
    standing: set[str] = set()
    left = parts
    while ready := [part for part in left if set(part.needs) <= standing]:
        left = [part for part in left if part not in ready]
        # Those that do not need each other come to be beside each other.
        begun = [(part, await _begun(session, names, part, there)) for part in ready]
        for part, making in begun:
            if making is None or await _ended(session, names, part, making):
                standing.add(part.suffix)
    return len(standing) == len(parts)


async def refuse_taken(session: Session, names: Names) -> None:
    """Look through the whole subscription for another cluster of the name.

    Raises:
        NameTaken: There is one.
    """
    name = names.claim.name
    tagged = f"tagName eq '{NAME}' and tagValue eq '{name}'"
    mine = f"tagName eq '{CLUSTER}' and tagValue eq '{names.claim.uuid}'"
    groups = await session.call(lambda: list(session.resources.resource_groups.list(filter=tagged)))
    if any(not names.are_ours(each.tags) for each in groups):
        raise name_taken(names)
    # Tags are not in the answer when it was filtered by them: so who is not mine is found twice.
    called = await session.call(
        lambda: {str(each.id).lower() for each in session.resources.resources.list(filter=tagged)}
    )
    if called:
        ours = await session.call(
            lambda: {str(each.id).lower() for each in session.resources.resources.list(filter=mine)}
        )
        if called - ours:
            raise name_taken(names)


def name_taken(names: Names) -> NameTaken:
    """What is said of a name that another cluster has."""
    return NameTaken(
        "Something else in the subscription is called “{name}” already.",
        hint="Choose another name; oceanid clusters audit shows what is there.",
        name=names.claim.name,
    )


async def _group_stands(session: Session, names: Names) -> bool:
    found = await session.found(lambda: session.resources.resource_groups.get(names.group))
    if not names.has_own_group:
        if found is None:
            raise InvalidValue(
                "There is no resource group “{group}”.",
                hint="Make it, or let the cluster have a group of its own.",
                group=names.group,
            )
        return True
    if found is None:
        await refuse_taken(session, names)
        body: Any = {"location": names.claim.blueprint.region, "tags": names.tags}
        await session.call(
            lambda: session.resources.resource_groups.create_or_update(names.group, body)
        )
        # Making a group that is there already changes its tags: who was last has it.
        found = await session.call(lambda: session.resources.resource_groups.get(names.group))
    if not names.are_ours(found.tags):
        raise name_taken(names)
    return str(getattr(found.properties, "provisioning_state", "")) != "Deleting"


async def _there(session: Session, names: Names) -> dict[str, Any]:
    """What is in the group, by kind and name."""
    found = await session.call(
        lambda: list(
            session.resources.resources.list_by_resource_group(
                names.group, expand="provisioningState"
            )
        )
    )
    return {f"{each.type}/{each.name}".lower(): each for each in found}


def _key(names: Names, part: Part) -> str:
    return f"{part.kind}/{names.stem}-{part.suffix}".lower()


@dataclass(frozen=True)
class Making:
    """A part that is being made.

    Args:
        poller: The operation; None when it was begun by a call whose answer was lost.
        kept: The token that it is kept by.
        is_seen: Whether what comes of it is sure to be what was begun.
    """

    poller: Any = None
    kept: str = ""
    is_seen: bool = True


async def _begun(
    session: Session, names: Names, part: Part, there: dict[str, Any]
) -> Making | None:
    """Begin to make a part, or take up its making; None when it stands."""
    notes = names.claim.notes
    found = there.get(_key(names, part))
    if found is not None and not names.are_ours(found.tags):
        raise name_taken(names)
    state = str(found.provisioning_state or "Succeeded") if found is not None else ""
    is_new = part.suffix != "nsg" or notes.get(RULES) == _print_of(part.body)
    if state == "Succeeded" and is_new:
        return None
    kept = notes.get(_note(part))
    if state not in ("", *_FINAL) and not kept:
        return Making()

    def begin(**how: Any) -> Any:
        return part.begin(names.group, f"{names.stem}-{part.suffix}", part.body, **how)

    poller, token = await opened(session, begin, kept=kept, keep=_keeping(names, part))
    # What was begun by a call of long ago must be seen to stand.
    return Making(poller, token, is_seen=found is not None or token != kept or not kept)


async def _ended(session: Session, names: Names, part: Part, making: Making) -> bool:
    if making.poller is None:
        return False
    keep = _keeping(names, part)
    if not await concluded(session, making.poller, kept=making.kept, keep=keep):
        return False
    if part.suffix == "nsg":
        await names.claim.notes.keep(RULES, _print_of(part.body))
    return making.is_seen


def _note(part: Part) -> str:
    return f"op:{part.suffix}"


def _keeping(names: Names, part: Part) -> Keep:
    async def keep(token: str) -> None:
        await names.claim.notes.keep(_note(part), token)

    return keep


def _print_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _parts(session: Session, names: Names, ground: Ground) -> Iterator[Part]:
    """In an order in which each stands on those before it."""
    where = {"location": names.claim.blueprint.region, "tags": names.tags}
    standard = {"sku": {"name": "Standard", "tier": "Regional"}}

    def part(kind: str, suffix: str, body: Any, *needs: str) -> Part:
        def begin(*arguments: Any, **how: Any) -> Any:
            return getattr(session.network, _CLIENTS[kind]).begin_create_or_update(
                *arguments, **how
            )

        return Part(f"Microsoft.Network/{kind}", suffix, {**where, **body}, begin, needs)

    yield part("applicationSecurityGroups", "pool", {"properties": {}})
    yield part("applicationSecurityGroups", "master", {"properties": {}})
    rules = {"securityRules": list(_rules(names, ground))}
    yield part("networkSecurityGroups", "nsg", {"properties": rules}, "pool", "master")
    if not names.has_own_network:
        return
    static = {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"}
    yield part("publicIPAddresses", "out", {**standard, "properties": static})
    out = {"publicIpAddresses": [{"id": names.part("Microsoft.Network/publicIPAddresses", "out")}]}
    yield part("natGateways", "nat", {"sku": {"name": "Standard"}, "properties": out}, "out")
    subnet = {
        "addressPrefix": SUBNET,
        "natGateway": {"id": names.part("Microsoft.Network/natGateways", "nat")},
        "defaultOutboundAccess": False,
    }
    net = {
        "addressSpace": {"addressPrefixes": [SPACE]},
        "subnets": [{"name": "machines", "properties": subnet}],
    }
    yield part("virtualNetworks", "net", {"properties": net}, "nat")


_CLIENTS: Final = {
    "applicationSecurityGroups": "application_security_groups",
    "networkSecurityGroups": "network_security_groups",
    "publicIPAddresses": "public_ip_addresses",
    "natGateways": "nat_gateways",
    "virtualNetworks": "virtual_networks",
}


def _rules(names: Names, ground: Ground) -> Iterator[dict[str, Any]]:
    """From outside port 22 of the master alone, among the machines HTCondor's alone."""
    kind = "Microsoft.Network/applicationSecurityGroups"
    pool, master = ([{"id": names.part(kind, each)}] for each in ("pool", "master"))
    families = {4: "ssh", 6: "ssh-6"}
    for number, (version, name) in enumerate(families.items()):
        sources = [
            each for each in ground.ssh_from if ipaddress.ip_network(each, False).version == version
        ]
        if sources:
            yield _rule(
                name, 100 + number, "Allow", protocol="Tcp", destinationPortRange="22",
                sourceAddressPrefixes=sources, destinationApplicationSecurityGroups=master,
            )  # fmt: skip
    inside = {
        "sourceApplicationSecurityGroups": pool,
        "destinationApplicationSecurityGroups": pool,
    }
    port = str(HTCONDOR_PORT)
    yield _rule("pool", 200, "Allow", protocol="Tcp", destinationPortRange=port, **inside)
    yield _rule("pool-icmp", 210, "Allow", protocol="Icmp", **inside)
    yield _rule("nobody-else", 4096, "Deny", sourceAddressPrefix="*", destinationAddressPrefix="*")


def _rule(name: str, priority: int, access: str, **more: Any) -> dict[str, Any]:
    every = {"protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*"}
    what = {"priority": priority, "direction": "Inbound", "access": access, **every, **more}
    return {"name": name, "properties": what}
