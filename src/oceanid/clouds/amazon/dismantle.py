"""Removes everything of a cluster; what is still in use is left to the next call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from oceanid.clouds.amazon.errors import code_of
from oceanid.clouds.amazon.ground import find_groups, find_templates, is_ours
from oceanid.clouds.amazon.machines import NOT_GONE, described, terminate
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import of_cluster, template_name
from oceanid.clouds.specs import Claim
from oceanid.errors import CloudDenied, OceanidError
from oceanid.states import Role

Find = Callable[[], Awaitable[list[str]]]

GOING: Final = {"deleting", "deleted"}
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

    async def volumes() -> list[str]:
        found = await session.pages(
            "DescribeVolumes", "Volumes", region=region, Filters=[of_cluster(claim)]
        )
        return [str(each["VolumeId"]) for each in found if each.get("State") not in GOING]

    async def cards() -> list[str]:
        found = await session.pages(
            "DescribeNetworkInterfaces", "NetworkInterfaces", region=region,
            Filters=[of_cluster(claim)],
        )  # fmt: skip
        return [str(each["NetworkInterfaceId"]) for each in found]

    async def groups() -> list[str]:
        found = await find_groups(session, claim)
        return [str(found[name]["GroupId"]) for name in sorted(found)]

    # The groups go before the templates: an order that is still on its way to Amazon finds no
    # group and fails, and one that came before keeps the group, and so the cluster, in being.
    for find, operation, argument in (
        (volumes, "DeleteVolume", "VolumeId"),
        (cards, "DeleteNetworkInterface", "NetworkInterfaceId"),
        (groups, "DeleteSecurityGroup", "GroupId"),
    ):
        if not await _remove(session, region, find, operation, argument):
            return False
    await _forget_name(session, claim, region)
    names_region = session.names_region(region)
    if names_region != region:
        await _forget_name(session, claim, names_region)
    return True


async def _forget_name(session: Session, claim: Claim, region: str) -> None:
    async def templates() -> list[str]:
        there = await find_templates(session, region, claim.name)
        names = [template_name(claim.name, role) for role in (Role.WORKER, Role.MASTER)]
        ours = [there[name] for name in names if name in there and is_ours(claim, there[name])]
        return [str(each["LaunchTemplateId"]) for each in ours]

    await _remove(session, region, templates, "DeleteLaunchTemplate", "LaunchTemplateId")


async def _remove(session: Session, region: str, find: Find, operation: str, argument: str) -> bool:
    """Remove what is found; whether none of it is in use still."""
    is_done = True
    for id_ in await find():
        try:
            await session.call(operation, region=region, **{argument: id_})
        except OceanidError as problem:
            code = code_of(problem)
            if code in IN_USE:
                is_done = False
            elif code.endswith((".NotFound", ".NotFoundException")):
                continue
            # Where rights hang on tags, what is gone is refused so, for it has none.
            elif not isinstance(problem, CloudDenied) or id_ in await find():
                raise
    return is_done
