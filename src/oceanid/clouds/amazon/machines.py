"""A cluster's machines: ordered, looked at, stopped, started, ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oceanid.clouds.amazon import networks
from oceanid.clouds.amazon.errors import NOT_THERE, code_of, refusal, words_of
from oceanid.clouds.amazon.ground import find_groups, network_of
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import (
    LAUNCH,
    ROLE,
    WORD,
    group_names,
    of_cluster,
    read_tags,
    tagged,
    tags_of,
    template_name,
)
from oceanid.clouds.specs import Claim, Inventory, Launch, Launched, Machine
from oceanid.errors import CloudDenied, InvalidValue, OceanidError
from oceanid.states import MachineState, Role

MOST_USER_DATA: Final = 16 * 1024
"""EC2 user guide, "Instance user data": 16 KB before it is encoded."""
MOST_IDS: Final = 1000
UNKNOWN: Final = "InvalidInstanceID"
PAGE: Final = 1000
SHORT: Final = "Amazon had no more machines of this type in this zone."

STATES: Final = {
    "pending": MachineState.PENDING,
    "running": MachineState.RUNNING,
    "stopping": MachineState.STOPPING,
    "stopped": MachineState.STOPPED,
    "shutting-down": MachineState.ENDING,
    "terminated": MachineState.GONE,
}
NOT_GONE: Final = [name for name, state in STATES.items() if state is not MachineState.GONE]
ROLES: Final = {word: role for role, word in WORD.items()}
MADE_WITH: Final = ("instance", "volume", "network-interface")
_IDS: Final = re.compile(r"i-[0-9a-f]{8,17}")

Found = Mapping[str, Any]


async def look(session: Session, claim: Claim) -> Inventory:
    """The machines of a cluster that are not gone."""
    filters = [of_cluster(claim), {"Name": "instance-state-name", "Values": NOT_GONE}]
    found = await described(session, claim.blueprint.region, filters)
    return Inventory(tuple(machine_of(each) for each in found))


async def described(session: Session, region: str, filters: list[dict[str, Any]]) -> list[Found]:
    """Instances as EC2 describes them, by filters."""
    reservations = await session.pages(
        "DescribeInstances", "Reservations", region=region, Filters=filters, MaxResults=PAGE
    )
    return [each for one in reservations for each in one.get("Instances") or ()]


def machine_of(found: Found) -> Machine:
    """An instance in the house's words."""
    tags = read_tags(found)
    reason = found.get("StateReason") or {}
    return Machine(
        id=str(found["InstanceId"]),
        role=ROLES.get(tags.get(ROLE, ""), Role.WORKER),
        state=STATES.get(str(found["State"]["Name"]), MachineState.FAILED),
        launch=tags.get(LAUNCH, ""),
        name=tags.get("Name", ""),
        host_name=str(found.get("PrivateDnsName") or "").partition(".")[0],
        public_address=str(found.get("PublicIpAddress") or ""),
        private_address=str(found.get("PrivateIpAddress") or ""),
        machine_type=str(found.get("InstanceType") or ""),
        image=str(found.get("ImageId") or ""),
        zone=str((found.get("Placement") or {}).get("AvailabilityZone") or ""),
        spot=found.get("InstanceLifecycle") == "spot",
        launched_at=found.get("LaunchTime"),
        reason=str(reason.get("Message") or found.get("StateTransitionReason") or ""),
    )


async def launch(session: Session, claim: Claim, order: Launch) -> Launched:
    """Order machines, all in one zone; two calls.

    The token makes it one order: EC2 user guide, "Ensuring idempotency in Amazon EC2 API
    requests".
    """
    if len(order.user_data.encode()) > MOST_USER_DATA:
        raise InvalidValue(
            "What the machines are to boot with is too large for Amazon (16 KiB).",
            hint="Put what is your own into an image instead.",
        )
    groups = await find_groups(session, claim)
    door, inside = group_names(claim.name)
    if door not in groups or inside not in groups:
        raise refusal(NOT_THERE)
    ids = [str(groups[inside]["GroupId"])]
    if order.role is Role.MASTER:
        ids.append(str(groups[door]["GroupId"]))
    wanted = await _request(session, claim, order, ids)
    try:
        answer = await session.call("RunInstances", region=claim.blueprint.region, **wanted)
    except OceanidError as problem:
        if code_of(problem) != "IdempotentParameterMismatch":
            raise
        return await _of_order(session, claim, order)
    made = tuple(str(each["InstanceId"]) for each in answer["Instances"])
    return Launched(made, len(made), SHORT if len(made) < order.count else "")


async def _request(
    session: Session, claim: Claim, order: Launch, groups: list[str]
) -> dict[str, Any]:
    network = await network_of(session, claim.blueprint)
    zone = order.zone or next(iter(claim.blueprint.zones or network.subnets))
    if zone not in network.subnets:
        raise InvalidValue(
            "The network has no subnet in the zone {zone}.",
            hint="It has in {subnets}.",
            zone=zone,
            subnets=", ".join(network.subnets),
        )
    word = WORD[order.role]
    tags = tags_of(
        claim, Name=f"{claim.name} {word}", oceanid_role=word, oceanid_launch=order.token
    )
    request: dict[str, Any] = {
        "ClientToken": order.token,
        "MinCount": 1,
        "MaxCount": order.count,
        "LaunchTemplate": {
            "LaunchTemplateName": template_name(claim.name, order.role),
            "Version": "1",
        },
        "UserData": order.user_data,
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": network.subnets[zone],
                "Groups": groups,
                "AssociatePublicIpAddress": network.way_out == networks.GATEWAY,
                "DeleteOnTermination": True,
            }
        ],
        "TagSpecifications": tagged(MADE_WITH, tags),
    }
    if order.machine_type:
        request["InstanceType"] = order.machine_type
    if order.spot:
        request["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
        request["TagSpecifications"] += tagged(["spot-instances-request"], tags)
    return request


async def _of_order(session: Session, claim: Claim, order: Launch) -> Launched:
    """What an order came to that was given before with other words: its tag tells."""
    filters = [of_cluster(claim), {"Name": f"tag:{LAUNCH}", "Values": [order.token]}]
    made = await described(session, claim.blueprint.region, filters)
    ids = tuple(str(each["InstanceId"]) for each in made)
    return Launched(ids, len(ids), SHORT if len(ids) < order.count else "")


async def terminate(session: Session, claim: Claim, ids: Sequence[str]) -> None:
    """End machines."""
    await _each(session, claim, "TerminateInstances", ids)


async def stop(session: Session, claim: Claim, ids: Sequence[str]) -> None:
    """Stop machines; one that is about to start or to end is left to the next look."""
    await _each(session, claim, "StopInstances", ids)


async def start(session: Session, claim: Claim, ids: Sequence[str]) -> None:
    """Start machines; one that is still stopping is left to the next look."""
    await _each(session, claim, "StartInstances", ids)


async def console(session: Session, claim: Claim, machine: str) -> str:
    """The console's output: the present one where the type can give it, else the last kept."""
    attempts: tuple[dict[str, Any], ...] = ({"Latest": True}, {})
    for latest in attempts:
        try:
            answer = await session.call(
                "GetConsoleOutput", region=claim.blueprint.region, InstanceId=machine, **latest
            )
        except OceanidError as problem:
            code = code_of(problem)
            if code == "UnsupportedOperation" and latest:
                continue
            if code.startswith(UNKNOWN) or isinstance(problem, CloudDenied):
                there = {each.id for each in (await look(session, claim)).machines}
                if machine not in there:
                    return ""
            raise
        return str(answer.get("Output") or "")
    return ""


async def _each(session: Session, claim: Claim, operation: str, ids: Sequence[str]) -> None:
    for start_at in range(0, len(ids), MOST_IDS):
        await _at_once(session, claim, operation, ids[start_at : start_at + MOST_IDS])


async def _at_once(session: Session, claim: Claim, operation: str, ids: Sequence[str]) -> None:
    """Ask for all; Amazon refuses all for one, so ask again without it.

    One that is gone is refused as unknown or, where rights hang on tags, as not allowed: what is
    gone has no tags. One in another state is under way. One so new that not all of Amazon knows
    it is left out, too: later looks tell of each, and then it is asked for again.
    """
    left = list(ids)
    while left:
        try:
            await session.call(operation, region=claim.blueprint.region, InstanceIds=left)
        except OceanidError as problem:
            if code_of(problem) == "IncorrectInstanceState":
                kept = [each for each in left if each not in _IDS.findall(words_of(problem))]
            elif isinstance(problem, CloudDenied) or code_of(problem).startswith(UNKNOWN):
                there = {each.id for each in (await look(session, claim)).machines}
                kept = [each for each in left if each in there]
            else:
                raise
            if len(kept) == len(left):
                raise
            left = kept
            continue
        return
