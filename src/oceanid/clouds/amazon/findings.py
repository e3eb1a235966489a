"""Finds out what a cluster's open wishes mean on Amazon: images, types, zones, network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from oceanid.clouds.amazon import networks
from oceanid.clouds.amazon.errors import code_of, words_of
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.specs import Blueprint, ClusterSpec, Shape
from oceanid.errors import InvalidValue, OceanidError

DEFAULT_TYPE: Final = "t3.small"
"""2 processors, 2 GiB (EC2, "General purpose instances": T3); small enough to try with."""

UNLIMITED: Final = ("t3.", "t3a.", "t4g.")
"""Families that are launched as "unlimited" unless something else is said: processors that are
busy beyond the type's share cost by the hour (EC2 user guide, "Unlimited mode for burstable
performance instances")."""

DEBIAN_OWNER: Final = "136693071363"
"""The Debian project's account (wiki.debian.org, Cloud/AmazonEC2Image)."""

DEBIAN: Final = "debian-13-{architecture}-2*"
"""Trixie's images by name: ``debian-13-amd64-20250814-2204``; a backports image begins
otherwise."""

ARCHITECTURES: Final = {"x86_64": "amd64", "arm64": "arm64"}
LEAST_DISK_GIB: Final = 30

Found = Mapping[str, Any]


async def resolve(session: Session, wanted: ClusterSpec) -> Blueprint:
    """What a cluster is made of; five calls at most six.

    Raises:
        InvalidValue: An image, a type, a zone or a network is not there.
    """
    region = wanted.region or session.region
    node_type = wanted.node_type or wanted.master_type or DEFAULT_TYPE
    master_type = wanted.master_type or node_type
    types = await types_of(session, region, (master_type, node_type))
    network = await networks.find(session, region, wanted.network)
    offered = await zones_that_offer(session, region, types)
    images = await _images(session, region, wanted, types[master_type], types[node_type])
    master, node = images
    return Blueprint(
        region=region,
        zones=_zones(wanted, network, offered),
        master_image=str(master["ImageId"]),
        master_type=master_type,
        node_image=str(node["ImageId"]),
        node_type=node_type,
        master_shape=shape_of(types[master_type]),
        node_shape=shape_of(types[node_type]),
        spot=wanted.spot,
        network=wanted.network,
        disk_gib=max(LEAST_DISK_GIB, _disk_gib(master), _disk_gib(node)),
        more={
            "vpc": network.vpc,
            "way_out": network.way_out,
            "subnets": ",".join(f"{zone}={subnet}" for zone, subnet in network.subnets.items()),
            "master_root": root_of(master),
            "node_root": root_of(node),
        },
    )


def dearer_when_busy(*names: str) -> str:
    """That types cost more than their price when their processors are busy; "" for none."""
    found = ", ".join(sorted({each for each in names if each.startswith(UNLIMITED)}))
    if not found:
        return ""
    return (
        f"{found}: Amazon charges more than this price when the processors are busy for long; "
        "a type such as c7a.large has one price."
    )


async def types_of(session: Session, region: str, names: Iterable[str]) -> dict[str, Found]:
    """The types of these names, as Amazon describes them; one call.

    Raises:
        InvalidValue: One of them is not there, or can't boot Debian.
    """
    asked = sorted(set(names))
    try:
        answer = await session.call("DescribeInstanceTypes", region=region, InstanceTypes=asked)
    except OceanidError as problem:
        if code_of(problem) != "InvalidInstanceType":
            raise
        raise InvalidValue(
            "{problem} ({region})",
            hint="Look in the EC2 console, at this region, under Instance Types.",
            problem=words_of(problem),
            region=region,
        ) from problem
    found = {str(each["InstanceType"]): each for each in answer["InstanceTypes"]}
    for name in asked:
        if name not in found:
            raise InvalidValue(
                "There is no instance type {name} in {region}.",
                hint="Look in the EC2 console, at this region, under Instance Types.",
                name=name,
                region=region,
            )
        architecture_of(found[name])
    return found


async def zones_that_offer(
    session: Session, region: str, types: Iterable[str]
) -> dict[str, set[str]]:
    """For each type the zones of the region in which it is offered; one call."""
    names = sorted(set(types))
    offers = await session.pages(
        "DescribeInstanceTypeOfferings", "InstanceTypeOfferings", region=region,
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": names}],
    )  # fmt: skip
    found: dict[str, set[str]] = {name: set() for name in names}
    for each in offers:
        found.setdefault(str(each["InstanceType"]), set()).add(str(each["Location"]))
    return found


def shape_of(described: Found) -> Shape:
    """How large a type is."""
    return Shape(
        int(described["VCpuInfo"]["DefaultVCpus"]), int(described["MemoryInfo"]["SizeInMiB"])
    )


def architecture_of(described: Found) -> str:
    """What a type's processor is called by Debian.

    Raises:
        InvalidValue: Debian has no images for it.
    """
    for each in described["ProcessorInfo"]["SupportedArchitectures"]:
        if each in ARCHITECTURES:
            return ARCHITECTURES[each]
    raise InvalidValue(
        "The type {instancetype} has a processor that nodes are not made for.",
        hint="Choose a type with an x86_64 or arm64 processor.",
        instancetype=described["InstanceType"],
    )


def root_of(image: Found) -> str:
    """The name of an image's own disk, which the machine's disk must have."""
    return str(image.get("RootDeviceName") or "/dev/xvda")


async def images_of(session: Session, region: str, ids: Iterable[str]) -> dict[str, Found]:
    """Images by their ids, those that are there; one call."""
    asked = sorted(set(ids))
    # By a filter, since one id that is not there would refuse the whole question.
    found = await session.pages(
        "DescribeImages", "Images", region=region,
        Filters=[{"Name": "image-id", "Values": asked}],
    )  # fmt: skip
    return {str(each["ImageId"]): each for each in found}


async def _images(
    session: Session, region: str, wanted: ClusterSpec, master_type: Found, node_type: Found
) -> tuple[Found, Found]:
    named = {each for each in (wanted.master_image, wanted.node_image) if each}
    there = await images_of(session, region, named) if named else {}
    architectures = {
        architecture_of(kind)
        for kind, image in (
            (master_type, wanted.master_image), (node_type, wanted.node_image)
        )
        if not image
    }  # fmt: skip
    debian = await _debian(session, region, architectures) if architectures else {}
    return (
        _image(region, wanted.master_image, master_type, there, debian),
        _image(region, wanted.node_image, node_type, there, debian),
    )


def _image(
    region: str, name: str, kind: Found, there: Mapping[str, Found], debian: Mapping[str, Found]
) -> Found:
    architecture = architecture_of(kind)
    if not name:
        return debian[architecture]
    if name not in there:
        raise InvalidValue(
            "There is no image {name} in {region} that this account may use.",
            hint="An image belongs to one region: look in the EC2 console, at this region, under "
            "AMIs; or leave it empty for Debian's.",
            name=name,
            region=region,
        )
    found = there[name]
    has = ARCHITECTURES.get(str(found.get("Architecture")), "another")
    if has != architecture:
        raise InvalidValue(
            "The image {name} is for {has}, but {instancetype} has {architecture}.",
            hint="Choose a type and an image for the same processor.",
            name=name,
            has=has,
            instancetype=kind["InstanceType"],
            architecture=architecture,
        )
    return found


async def _debian(session: Session, region: str, architectures: set[str]) -> dict[str, Found]:
    """Debian's newest image for each architecture, by its owner or by the account's parameter."""
    if path := str(session.account.config.get("image_parameter") or ""):
        return await _by_parameter(session, region, path, architectures)
    images = await session.pages(
        "DescribeImages", "Images", region=region, Owners=[DEBIAN_OWNER],
        Filters=[
            {"Name": "name",
             "Values": [DEBIAN.format(architecture=each) for each in sorted(architectures)]},
            {"Name": "state", "Values": ["available"]},
        ],
    )  # fmt: skip
    found: dict[str, Found] = {}
    for each in sorted(images, key=lambda image: str(image.get("CreationDate") or "")):
        if architecture := ARCHITECTURES.get(str(each.get("Architecture"))):
            found[architecture] = each
    for missing in sorted(architectures - set(found)):
        raise InvalidValue(
            "Debian 13 for {missing} is not in {region}.",
            hint="Give an image's id: look in the EC2 console, at this region, under AMIs.",
            missing=missing,
            region=region,
        )
    return found


async def _by_parameter(
    session: Session, region: str, path: str, architectures: set[str]
) -> dict[str, Found]:
    """Systems Manager user guide, "Calling AMI public parameters": Debian's are at
    ``/aws/service/debian/release/13/latest/amd64``."""
    names = {path.replace("{architecture}", each): each for each in sorted(architectures)}
    answer = await session.call("GetParameters", region=region, service="ssm", Names=[*names])
    ids = {str(each["Value"]): names[str(each["Name"])] for each in answer["Parameters"]}
    there = await images_of(session, region, ids) if ids else {}
    found = {ids[each]: image for each, image in there.items()}
    for missing in sorted(architectures - set(found)):
        raise InvalidValue(
            "The parameter {path} names no image for {missing} in {region}.",
            hint="Correct the account's image parameter, or leave it empty for Debian's images.",
            path=path,
            missing=missing,
            region=region,
        )
    return found


def _disk_gib(image: Found) -> int:
    for each in image.get("BlockDeviceMappings") or ():
        if each.get("DeviceName") == image.get("RootDeviceName"):
            return int((each.get("Ebs") or {}).get("VolumeSize") or 0)
    return 0


def _zones(
    wanted: ClusterSpec, network: networks.Network, offered: Mapping[str, set[str]]
) -> tuple[str, ...]:
    for zone in wanted.zones:
        if zone not in network.subnets:
            raise InvalidValue(
                "The network has no subnet in the zone {zone}.",
                hint="It has in {subnets}.",
                zone=zone,
                subnets=", ".join(network.subnets),
            )
    zones = wanted.zones or tuple(network.subnets)
    good = tuple(zone for zone in zones if all(zone in each for each in offered.values()))
    if not good:
        lacking = next(
            (name for name, each in offered.items() if not each.intersection(zones)),
            " with ".join(offered),
        )
        raise InvalidValue(
            "{lacking} is not offered in {zones}.",
            hint="Choose another type, or other zones.",
            lacking=lacking,
            zones=", ".join(zones),
        )
    return good
