"""Makes what machines of a cluster stand on: its name, its launch templates, its two groups."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oceanid.clouds.amazon import networks
from oceanid.clouds.amazon.errors import code_of
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.amazon.tags import (
    CLUSTER,
    PORTAL,
    group_names,
    of_cluster,
    read_tags,
    tagged,
    tags_of,
    template_name,
)
from oceanid.clouds.specs import Blueprint, Claim, Ground
from oceanid.errors import CloudError, NameTaken, OceanidError
from oceanid.states import Role

HTCONDOR_PORT: Final = 9618
"""All that HTCondor's daemons say to each other goes through this one ("shared port")."""

SAFE: Final[Mapping[str, Any]] = {
    "MetadataOptions": {
        "HttpTokens": "required",
        "HttpEndpoint": "enabled",
        "HttpPutResponseHopLimit": 1,
    },
}
"""EC2 user guide, "Use the Instance Metadata Service": version 2 only, and no container or
forwarded packet reaches it."""

Found = Mapping[str, Any]


async def prepare(session: Session, claim: Claim, ground: Ground) -> bool:
    """Make what is missing; 3 to 11 calls, whatever the cluster's size.

    Raises:
        NameTaken: The name is another cluster's.
    """
    await _reserve(session, claim)
    groups = await find_groups(session, claim)
    door, inside = group_names(claim.name)
    if len(groups) < 2:
        vpc = (await network_of(session, claim.blueprint)).vpc
        for name, about in (
            (door, "who may reach the master from outside"),
            (inside, "what the machines say to each other"),
        ):
            if name not in groups:
                groups[name] = await _make_group(session, claim, vpc, name, about)
    await _set_rules(session, claim, groups[door], _door_rules(ground))
    inside_id = str(groups[inside]["GroupId"])
    await _set_rules(session, claim, groups[inside], _inside_rules(inside_id))
    return True


async def network_of(session: Session, blueprint: Blueprint) -> networks.Network:
    """The network of a blueprint: as it was found once, or, for one that a survey found, anew."""
    more = blueprint.more
    if not more.get("subnets"):
        return await networks.find(session, blueprint.region, blueprint.network)
    subnets = dict(each.split("=", 1) for each in more["subnets"].split(","))
    return networks.Network(more["vpc"], subnets, more.get("way_out", networks.GATEWAY), {})


async def find_groups(session: Session, claim: Claim) -> dict[str, Found]:
    """The cluster's security groups by their names."""
    found = await session.pages(
        "DescribeSecurityGroups", "SecurityGroups", region=claim.blueprint.region,
        Filters=[of_cluster(claim)],
    )  # fmt: skip
    return {str(each["GroupName"]): each for each in found}


async def find_templates(session: Session, region: str, name: str) -> dict[str, Found]:
    """The launch templates of a cluster's name, whoever's they are."""
    found = await session.pages(
        "DescribeLaunchTemplates", "LaunchTemplates", region=region,
        Filters=[{
            "Name": "launch-template-name",
            "Values": [template_name(name, each) for each in Role],
        }],
    )  # fmt: skip
    return {str(each["LaunchTemplateName"]): each for each in found}


def is_ours(claim: Claim, found: Found) -> bool:
    """Whether something carries the cluster's own tag."""
    return read_tags(found).get(CLUSTER) == str(claim.uuid)


def require_ours(claim: Claim, found: Found, region: str) -> None:
    """Refuse a name that stands in the account for another cluster.

    Raises:
        NameTaken: It does.
    """
    if is_ours(claim, found):
        return
    portal = read_tags(found).get(PORTAL, "")
    whose = "a cluster of this portal" if portal == str(claim.portal) else (
        f"a cluster of another portal ({portal})" if portal else "something else"
    )  # fmt: skip
    raise NameTaken(
        "The name “{name}” belongs to {whose} in this Amazon account ({region}).",
        hint="Choose another name; `oceanid clusters audit` lists what stands in the account.",
        name=claim.name,
        whose=whose,
        region=region,
    )


async def _reserve(session: Session, claim: Claim) -> None:
    """Make the launch templates; that of the master is the name's reservation.

    Amazon makes no second template of a name in a region, so one region keeps the names of all.
    """
    blueprint = claim.blueprint
    names_region = session.names_region(blueprint.region)
    if names_region != blueprint.region:
        await _make_templates(session, claim, names_region, {Role.MASTER: dict(SAFE)})
    await _make_templates(
        session, claim, blueprint.region,
        {role: _template(blueprint, role) for role in (Role.MASTER, Role.WORKER)},
    )  # fmt: skip


async def _make_templates(
    session: Session, claim: Claim, region: str, wanted: Mapping[Role, dict[str, Any]]
) -> None:
    there = await find_templates(session, region, claim.name)
    for found in there.values():
        require_ours(claim, found, region)
    for role, data in wanted.items():
        name = template_name(claim.name, role)
        if name in there:
            continue
        try:
            await session.call(
                "CreateLaunchTemplate", region=region,
                LaunchTemplateName=name,
                LaunchTemplateData=data,
                ClientToken=_token(claim, region, name),
                TagSpecifications=tagged(["launch-template"], tags_of(claim)),
            )  # fmt: skip
        except OceanidError as problem:
            if code_of(problem) != "InvalidLaunchTemplateName.AlreadyExistsException":
                raise
            # Another was faster, or an answer of ours was lost: the tags tell whose it is.
            again = (await find_templates(session, region, claim.name)).get(name)
            if again is None:
                raise CloudError(
                    "Amazon is not yet sure whether the name “{name}” is taken.",
                    hint="It is tried again by itself.",
                    transient=True,
                    name=claim.name,
                ) from problem
            require_ours(claim, again, region)


def _token(claim: Claim, region: str, name: str) -> str:
    return hashlib.sha256(f"{claim.uuid} {region} {name}".encode()).hexdigest()[:60]


def _template(blueprint: Blueprint, role: Role) -> dict[str, Any]:
    is_master = role is Role.MASTER
    root = blueprint.more.get("master_root" if is_master else "node_root") or "/dev/xvda"
    return {
        **SAFE,
        # A worker that shuts itself down is of no more use; a master keeps the queue on its disk.
        "InstanceInitiatedShutdownBehavior": "stop" if is_master else "terminate",
        "ImageId": blueprint.master_image if is_master else blueprint.node_image,
        "InstanceType": blueprint.master_type if is_master else blueprint.node_type,
        "BlockDeviceMappings": [
            {
                "DeviceName": root,
                "Ebs": {
                    "VolumeType": "gp3",
                    "VolumeSize": blueprint.disk_gib,
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
    }


async def _make_group(
    session: Session, claim: Claim, vpc: str, name: str, about: str
) -> dict[str, Any]:
    try:
        made = await session.call(
            "CreateSecurityGroup", region=claim.blueprint.region,
            GroupName=name, VpcId=vpc, Description=f"oceanid {claim.name}: {about}",
            TagSpecifications=tagged(["security-group"], tags_of(claim)),
        )  # fmt: skip
    except OceanidError as problem:
        if code_of(problem) != "InvalidGroup.Duplicate":
            raise
        # Made by a call whose answer was lost, or somebody else's: only the tags tell.
        found = await find_groups(session, claim)
        if name not in found:
            raise NameTaken(
                "A security group “{name}” that is not this cluster's is in the network {vpc}.",
                hint="Delete it in the EC2 console under Security Groups, or choose another name.",
                name=name,
                vpc=vpc,
            ) from problem
        return dict(found[name])
    return {"GroupId": made["GroupId"], "GroupName": name, "IpPermissions": []}


Rule = tuple[str, int, int, str]
"""Protocol, first and last port, and a network (CIDR) or a group."""


def _door_rules(ground: Ground) -> set[Rule]:
    return {("tcp", 22, 22, each) for each in ground.ssh_from}


def _inside_rules(group: str) -> set[Rule]:
    return {("tcp", HTCONDOR_PORT, HTCONDOR_PORT, group), ("icmp", -1, -1, group)}


async def _set_rules(session: Session, claim: Claim, group: Found, wanted: set[Rule]) -> None:
    """Open what is missing, and close what is not wanted (any more)."""
    there = _rules_of(group.get("IpPermissions") or ())
    for operation, rules, is_done in (
        ("AuthorizeSecurityGroupIngress", wanted - there, "InvalidPermission.Duplicate"),
        ("RevokeSecurityGroupIngress", there - wanted, "InvalidPermission.NotFound"),
    ):
        if not rules:
            continue
        try:
            await session.call(
                operation, region=claim.blueprint.region, GroupId=group["GroupId"],
                IpPermissions=[_permission(rule) for rule in sorted(rules)],
            )  # fmt: skip
        except OceanidError as problem:
            if code_of(problem) != is_done:
                raise


def _rules_of(permissions: Sequence[Found]) -> set[Rule]:
    found: set[Rule] = set()
    for each in permissions:
        protocol = str(each["IpProtocol"])
        ports = int(each.get("FromPort", -1)), int(each.get("ToPort", -1))
        sources = [str(there["CidrIp"]) for there in each.get("IpRanges") or ()]
        sources += [str(there["CidrIpv6"]) for there in each.get("Ipv6Ranges") or ()]
        sources += [str(there["GroupId"]) for there in each.get("UserIdGroupPairs") or ()]
        found.update((protocol, *ports, source) for source in sources)
    return found


def _permission(rule: Rule) -> dict[str, Any]:
    protocol, first, last, source = rule
    permission: dict[str, Any] = {"IpProtocol": protocol, "FromPort": first, "ToPort": last}
    if source.startswith("sg-"):
        permission["UserIdGroupPairs"] = [{"GroupId": source}]
    elif ":" in source:
        permission["Ipv6Ranges"] = [{"CidrIpv6": source}]
    else:
        permission["IpRanges"] = [{"CidrIp": source}]
    return permission
