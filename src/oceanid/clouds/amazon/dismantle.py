"""Removes everything of a cluster; what is still in use is left to the next call."""

from __future__ import annotations

from typing import Any, Final

from oceanid.clouds.amazon.errors import code_of
from oceanid.clouds.amazon.ground import find_groups, find_templates
from oceanid.clouds.amazon.machines import NOT_GONE, described, terminate
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import CLUSTER, of_cluster, read_tags, template_name
from oceanid.clouds.specs import Claim
from oceanid.errors import OceanidError
from oceanid.states import Role

IN_USE: Final = {
    "DependencyViolation",
    "InvalidGroup.InUse",
    "VolumeInUse",
    "InvalidNetworkInterface.InUse",
    "InvalidParameterValue",
    "IncorrectState",
}


async def dismantle(session: Session, claim: Claim) -> bool:
    """Remove a cluster: machines first, its name last; nothing without its tag is touched.

    The number of calls is the same for any number of machines; only what leaked (a disk or a
    card without a machine) takes one more each.

    Returns:
        True when nothing is left.
    """
    region = claim.blueprint.region
    filters = [of_cluster(claim), {"Name": "instance-state-name", "Values": NOT_GONE}]
    alive = await described(session, region, filters)
    if alive:
        ids = [
            str(each["InstanceId"]) for each in alive if each["State"]["Name"] != "shutting-down"
        ]
        if ids:
            await terminate(session, claim, ids)
        return False
    if not await _loose_ends(session, claim):
        return False
    # The groups go before the templates: an order that is still on its way to Amazon finds no
    # group and fails, and one that came before keeps the group, and so the cluster, in being.
    for name, group in sorted((await find_groups(session, claim)).items()):
        del name
        if not await _delete(session, claim, "DeleteSecurityGroup", GroupId=group["GroupId"]):
            return False
    await _forget_name(session, claim, region, (Role.WORKER, Role.MASTER))
    names_region = session.names_region(region)
    if names_region != region:
        await _forget_name(session, claim, names_region, (Role.MASTER,))
    return True


async def _loose_ends(session: Session, claim: Claim) -> bool:
    """Disks and cards that outlived their machine; whether none is left."""
    region, is_done = claim.blueprint.region, True
    volumes = await session.pages(
        "DescribeVolumes", "Volumes", region=region, Filters=[of_cluster(claim)]
    )
    for each in volumes:
        if each.get("State") in ("deleting", "deleted"):
            continue
        is_done &= await _delete(session, claim, "DeleteVolume", VolumeId=each["VolumeId"])
    cards = await session.pages(
        "DescribeNetworkInterfaces", "NetworkInterfaces", region=region,
        Filters=[of_cluster(claim)],
    )  # fmt: skip
    for each in cards:
        card = each["NetworkInterfaceId"]
        is_done &= await _delete(session, claim, "DeleteNetworkInterface", NetworkInterfaceId=card)
    return is_done


async def _delete(session: Session, claim: Claim, operation: str, **what: Any) -> bool:
    try:
        await session.call(operation, region=claim.blueprint.region, **what)
    except OceanidError as problem:
        code = code_of(problem)
        if code in IN_USE:
            return False
        if not code.endswith((".NotFound", ".NotFoundException")):
            raise
    return True


async def _forget_name(
    session: Session, claim: Claim, region: str, roles: tuple[Role, ...]
) -> None:
    there = await find_templates(session, region, claim.name)
    for role in roles:
        found = there.get(template_name(claim.name, role))
        if found is None or read_tags(found).get(CLUSTER) != str(claim.uuid):
            continue
        try:
            await session.call(
                "DeleteLaunchTemplate", region=region, LaunchTemplateId=found["LaunchTemplateId"]
            )
        except OceanidError as problem:
            if not code_of(problem).endswith((".NotFound", ".NotFoundException")):
                raise
