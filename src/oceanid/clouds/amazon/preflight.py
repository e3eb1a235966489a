"""Asks Amazon whether it would make a cluster, before anything is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from oceanid.clouds.amazon import networks
from oceanid.clouds.amazon.errors import code_of
from oceanid.clouds.amazon.findings import DEBIAN_OWNER, images_of, zones_that_offer
from oceanid.clouds.amazon.ground import SAFE, find_templates, require_ours
from oceanid.clouds.amazon.machines import MADE_WITH, described
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import group_names, tagged, tags_of, template_name
from oceanid.clouds.specs import Claim
from oceanid.errors import (
    CloudDenied,
    CloudUnavailable,
    InvalidValue,
    OceanidError,
    QuotaExceeded,
)
from oceanid.specs import Step
from oceanid.states import Role

STANDARD: Final = frozenset("acdhimrtz")
"""The families that share one quota (EC2 user guide, "Instance type quotas")."""
QUOTA: Final = {False: "L-1216C47A", True: "L-34B43A08"}
"""The codes in Service Quotas of "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z)
instances" and "All Standard … Spot Instance Requests", by whether they are spot; both are
counted in processors."""

Look = Callable[[Session, Claim, int], Awaitable[str]]


async def preflight(session: Session, claim: Claim, size: int) -> tuple[Step, ...]:
    """Each thing that could fail, looked at; about ten calls, whatever the size.

    Raises:
        CloudUnavailable: Amazon could not be asked.
    """
    looks: list[tuple[str, Look]] = [
        ("name", _name),
        ("images", _images),
        ("types", _types),
        ("network", _network),
        ("rights", _rights),
        ("quota", _quota),
    ]
    if session.account.config.get("key_name"):
        looks.append(("key pair", _key_pair))
    steps = []
    for name, look in looks:
        try:
            steps.append(Step(name, True, await look(session, claim, size)))
        except CloudUnavailable:
            raise
        except OceanidError as problem:
            steps.append(Step(name, False, problem.message, problem.hint))
    return tuple(steps)


async def _name(session: Session, claim: Claim, size: int) -> str:
    region = claim.blueprint.region
    for each in sorted({region, session.names_region(region)}):
        for found in (await find_templates(session, each, claim.name)).values():
            require_ours(claim, found, each)
    return f"The name “{claim.name}” is free in the account."


async def _images(session: Session, claim: Claim, size: int) -> str:
    blueprint = claim.blueprint
    wanted = {blueprint.master_image, blueprint.node_image}
    there = await images_of(session, blueprint.region, wanted)
    for image in sorted(wanted):
        if image not in there or there[image].get("State") not in (None, "available"):
            raise InvalidValue(
                "The image {image} can't be used in {region} (any more).",
                hint="Choose another one, or leave it empty for Debian's.",
                image=image,
                region=blueprint.region,
            )
    names = {str(each.get("Name") or image) for image, each in there.items()}
    return f"The machines boot {', '.join(sorted(names))}."


async def _types(session: Session, claim: Claim, size: int) -> str:
    blueprint = claim.blueprint
    types = {blueprint.master_type, blueprint.node_type}
    offered = await zones_that_offer(session, blueprint.region, types)
    for name in sorted(types):
        missing = [zone for zone in blueprint.zones if zone not in offered[name]]
        if missing:
            raise InvalidValue(
                "{name} is not offered in {missing}.",
                hint="Choose another type, or other zones.",
                name=name,
                missing=", ".join(missing),
            )
    return f"{' and '.join(sorted(types))}: offered in {', '.join(blueprint.zones)}."


async def _network(session: Session, claim: Claim, size: int) -> str:
    blueprint = claim.blueprint
    network = await networks.find(session, blueprint.region, blueprint.network)
    if network.way_out == networks.NONE and await _is_debians(session, claim):
        raise InvalidValue(
            "Machines in {vpc} don't reach the internet, from which Debian's HTCondor is "
            "installed.",
            hint="Give its subnets a route to an internet or NAT gateway, name another network, or "
            "bring an image that has it.",
            vpc=network.vpc,
        )
    free = sum(network.free.get(zone, 0) for zone in blueprint.zones)
    if free < size:
        raise QuotaExceeded(
            "The network {vpc} has {free} free addresses for {size} machines.",
            hint="Name a network with more room, or make the cluster smaller.",
            vpc=network.vpc,
            free=free,
            size=size,
        )
    way = {
        networks.GATEWAY: "each machine has a public address, and is closed to the world",
        networks.OTHER: "no machine has a public address: the portal must reach the master's "
        "private one",
        networks.NONE: "no machine reaches the internet, or is reached from there: the images must "
        "have all that is needed",
    }[network.way_out]
    return f"The network {network.vpc} has room; {way}."


async def _is_debians(session: Session, claim: Claim) -> bool:
    """Whether a machine boots an image as Debian makes it, into which HTCondor is yet to come."""
    wanted = {claim.blueprint.master_image, claim.blueprint.node_image}
    there = await images_of(session, claim.blueprint.region, wanted)
    return any(each.get("OwnerId") == DEBIAN_OWNER for each in there.values())


async def _rights(session: Session, claim: Claim, size: int) -> str:
    """DryRun: EC2 says DryRunOperation where it would do it."""
    blueprint, tags = claim.blueprint, tags_of(claim)
    door = group_names(claim.name)[0]
    network = await networks.find(session, blueprint.region, blueprint.network)
    run: dict[str, Any] = {
        **SAFE,
        "ImageId": blueprint.node_image,
        "InstanceType": blueprint.node_type,
        "MinCount": 1,
        "MaxCount": 1,
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": next(iter(network.subnets.values()))}],
        "BlockDeviceMappings": [
            {
                "DeviceName": blueprint.more.get("node_root") or "/dev/xvda",
                "Ebs": {"VolumeSize": blueprint.disk_gib, "Encrypted": True},
            }
        ],
        "TagSpecifications": tagged(MADE_WITH, tags),
    }
    template = {
        "LaunchTemplateName": template_name(claim.name, Role.MASTER),
        "LaunchTemplateData": dict(SAFE),
        "TagSpecifications": tagged(["launch-template"], tags),
    }
    group = {
        "GroupName": door,
        "VpcId": network.vpc,
        "Description": "oceanid",
        "TagSpecifications": tagged(["security-group"], tags),
    }
    await _would(session, blueprint.region, "CreateLaunchTemplate", template)
    await _would(session, blueprint.region, "CreateSecurityGroup", group)
    await _would(session, blueprint.region, "RunInstances", run)
    return "The key may make templates, security groups and machines."


async def _would(
    session: Session, region: str, operation: str, arguments: Mapping[str, Any]
) -> None:
    try:
        await session.call(operation, region=region, DryRun=True, **arguments)
    except OceanidError as problem:
        if code_of(problem) != "DryRunOperation":
            raise


async def _quota(session: Session, claim: Claim, size: int) -> str:
    blueprint = claim.blueprint
    wanted = {
        False: blueprint.master_shape.cpus,
        blueprint.spot: (size - 1) * blueprint.node_shape.cpus,
    }
    if not blueprint.spot:
        wanted = {False: blueprint.master_shape.cpus + (size - 1) * blueprint.node_shape.cpus}
    types = (blueprint.master_type, blueprint.node_type)
    if any(each[:1] not in STANDARD for each in types):
        return "These types have quotas of their own, which were not looked at."
    used = await _cpus_in_use(session, claim)
    told = []
    for is_spot, cpus in wanted.items():
        limit = await _limit(session, blueprint.region, QUOTA[is_spot])
        if limit is None:
            return "The key may not look at the quotas (servicequotas:GetServiceQuota)."
        left = max(0, limit - used[is_spot])
        kind = "spot" if is_spot else "on-demand"
        if cpus > left:
            raise QuotaExceeded(
                "{cpus} processors of {kind} machines are needed, and the quota in {region} "
                "leaves {left} of {limit}.",
                hint="Make the cluster smaller, or ask for more in the console under Service "
                "Quotas → Amazon EC2 ({quota}).",
                cpus=cpus,
                kind=kind,
                region=blueprint.region,
                left=left,
                limit=limit,
                quota=QUOTA[is_spot],
            )
        told.append(f"{cpus} of {left} free {kind} processors")
    return f"Needed: {', '.join(told)}."


async def _cpus_in_use(session: Session, claim: Claim) -> dict[bool, int]:
    states = {"Name": "instance-state-name", "Values": ["pending", "running"]}
    used = {False: 0, True: 0}
    for each in await described(session, claim.blueprint.region, [states]):
        if str(each.get("InstanceType") or "")[:1] not in STANDARD:
            continue
        options = each.get("CpuOptions") or {}
        cpus = int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 1))
        used[each.get("InstanceLifecycle") == "spot"] += cpus
    return used


async def _limit(session: Session, region: str, code: str) -> int | None:
    try:
        answer = await session.call(
            "GetServiceQuota", region=region, service="service-quotas",
            ServiceCode="ec2", QuotaCode=code,
        )  # fmt: skip
    except CloudDenied:
        return None
    return int(answer["Quota"]["Value"])


async def _key_pair(session: Session, claim: Claim, size: int) -> str:
    name = str(session.account.config["key_name"])
    region = claim.blueprint.region
    await session.call("DescribeKeyPairs", region=region, KeyNames=[name])
    return f"The key pair “{name}” is in {region}."
