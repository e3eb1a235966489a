"""Finds out in Azure what a cluster leaves open: concrete images, sizes, zones, networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from oceanid.clouds.azure.names import word_of
from oceanid.clouds.azure.refusals import Missing
from oceanid.clouds.azure.session import Session
from oceanid.clouds.specs import Blueprint, ClusterSpec, Shape
from oceanid.errors import CloudError, InvalidValue

IMAGE: Final = "Debian:debian-13:13-gen2:latest"
TYPES: Final = (
    "Standard_D2as_v5", "Standard_D2as_v6", "Standard_D2s_v5", "Standard_D2s_v6",
    "Standard_D2s_v4", "Standard_D2s_v3",
)  # fmt: skip
"""What machines are when nobody says: the first of two processors and 8 GiB that the region has."""
LEAST_DISK_GIB: Final = 30
GALLERY_VERSION: Final = "2024-03-03"
_COMPUTE: Final = r"/subscriptions/[^/?#%]+/resourceGroups/[^/?#%]+/providers/Microsoft\.Compute"
_IMAGE_ID: Final = re.compile(rf"{_COMPUTE}/images/[^/?#%]+", re.IGNORECASE)
_GALLERY_IMAGE: Final = re.compile(
    rf"(?P<image>{_COMPUTE}/galleries/[^/?#%]+/images/[^/?#%]+)(?:/versions/(?P<version>[^/?#%]+))?",
    re.IGNORECASE,
)
FEATURE: Final = "Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost"


@dataclass(frozen=True, slots=True)
class Size:
    """One size of machines in one region (Resource Skus - List).

    Args:
        name, family: As Azure calls them; the family is what quotas are of.
        shape: How large it is.
        zones: Where it can be had; empty when the region has no zones.
        refused: Why this subscription can't have it; "" when it can.
        more: Its capabilities.
    """

    name: str
    family: str
    shape: Shape
    zones: frozenset[str]
    refused: str
    more: dict[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """One concrete image.

    Args:
        id: Its URN, or its whole id.
        disk_gib: The least size of a disk for it.
        architecture: ``x64`` or ``Arm64``; "" when it is not told.
        generation: ``V1`` or ``V2``; "" when it is not told.
    """

    id: str
    disk_gib: int = LEAST_DISK_GIB
    architecture: str = ""
    generation: str = ""


async def resolved(session: Session, wanted: ClusterSpec) -> Blueprint:
    """Everything concrete; makes nothing."""
    region = wanted.region or str(session.account.config.get("region") or "")
    if not region:
        raise InvalidValue(
            "No region is given.", hint="Give one, as westeurope, here or in the cloud account."
        )
    sizes = await sizes_of(session, region)
    node = _size(sizes, wanted.node_type, "node type", region)
    master = _size(sizes, wanted.master_type or node.name, "master type", region)
    for zone in wanted.zones:
        for size in (master, node):
            if zone not in size.zones:
                raise InvalidValue(
                    "{name} can't be had in zone {zone} of {region}.",
                    hint=_zones_told(size),
                    name=size.name,
                    zone=zone,
                    region=region,
                )
    node_image = await image_of(session, region, wanted.node_image or IMAGE)
    master_image = node_image
    if wanted.master_image:
        master_image = await image_of(session, region, wanted.master_image)
    _refuse_unfit(node, node_image)
    _refuse_unfit(master, master_image)
    if wanted.resource_group:
        await _find_group(session, wanted.resource_group)
    subnet, has_way_out = "", True
    if wanted.network:
        subnet, has_way_out = await _find_subnet(session, wanted.network, region)
    is_private = str(session.account.config.get("addresses") or "") == "private"
    host = await _encrypts_at_host(session, master, node)
    return Blueprint(
        region=region,
        zones=wanted.zones,
        master_image=master_image.id,
        master_type=master.name,
        node_image=node_image.id,
        node_type=node.name,
        master_shape=master.shape,
        node_shape=node.shape,
        spot=wanted.spot,
        network=subnet,
        resource_group=wanted.resource_group or f"oceanid-{wanted.name}",
        has_own_group=not wanted.resource_group,
        disk_gib=max(master_image.disk_gib, node_image.disk_gib),
        more={
            "master_family": master.family,
            "node_family": node.family,
            "master_address": "no" if is_private else "yes",
            "worker_address": "no" if has_way_out or is_private else "yes",
            "host_encryption": "yes" if host else "no",
        },
    )


async def sizes_of(session: Session, region: str) -> dict[str, Size]:
    """All sizes that there are in a region, by their name."""
    listed = await session.call(
        lambda: list(session.compute.resource_skus.list(filter=f"location eq '{region}'"))
    )
    found = [_size_of(each) for each in listed if each.resource_type == "virtualMachines"]
    if not found:
        raise InvalidValue(
            "Azure has no region “{region}” with machines.",
            hint="Give one as az account list-locations shows it: westeurope, northeurope …",
            region=region,
        )
    return {each.name: each for each in found}


async def image_of(session: Session, region: str, wanted: str) -> Image:
    """The concrete image that is meant; of ``latest`` the newest version as of now."""
    try:
        if wanted.startswith("/"):
            return await _own_image(session, region, wanted)
        return await _market_image(session, region, wanted)
    except Missing as problem:
        raise InvalidValue(
            "There is no image “{wanted}” in {region}.",
            hint="Images of the marketplace: az vm image list --all --publisher Debian. One of "
            "your own must be in the same region.",
            wanted=wanted,
            region=region,
        ) from problem


def _size(sizes: dict[str, Size], wanted: str, what: str, region: str) -> Size:
    for name in (wanted,) if wanted else TYPES:
        found = sizes.get(name)
        if found is not None and not found.refused:
            return found
    if wanted and wanted in sizes:
        raise InvalidValue(
            "The subscription can't have the {what} “{wanted}” in {region}: {refused}.",
            hint="Choose another size or region, or ask for access in the Azure portal.",
            what=what,
            wanted=wanted,
            region=region,
            refused=sizes[wanted].refused,
        )
    near = [each.name for each in sizes.values() if not each.refused and 2 <= each.shape.cpus <= 4]
    raise InvalidValue(
        "There is no {what} “{wanted}” in {region}."
        if wanted
        else "None of the usual sizes can be had in {region}.",
        hint="Give one that there is: {near}.",
        what=what,
        wanted=wanted,
        region=region,
        near=", ".join(sorted(near)[:5]) or "in another region",
    )


def _size_of(sku: Any) -> Size:
    more = {str(each.name): str(each.value or "") for each in sku.capabilities or ()}
    zones: set[str] = set()
    for place in sku.location_info or ():
        zones.update(place.zones or ())
    refused = ""
    for each in sku.restrictions or ():
        if word_of(each.type) == "Zone":
            zones -= set((each.restriction_info.zones if each.restriction_info else None) or ())
        elif word_of(each.type) == "Location":
            refused = word_of(each.reason_code) or "it is restricted"
    memory = float(more.get("MemoryGB") or 0)
    return Size(
        name=str(sku.name),
        family=str(sku.family or ""),
        shape=Shape(int(more.get("vCPUs") or 1), int(memory * 1024)),
        zones=frozenset(zones),
        refused=refused,
        more=more,
    )


def _zones_told(size: Size) -> str:
    if not size.zones:
        return "It can be had without zones only; leave them empty."
    return f"It can be had in {', '.join(sorted(size.zones))}."


async def _market_image(session: Session, region: str, wanted: str) -> Image:
    publisher, offer, sku, version = wanted.split(":")
    images = session
    if version == "latest":
        listed = await session.call(
            lambda: images.compute.virtual_machine_images.list(
                region, publisher, offer, sku, top=1, orderby="name desc"
            )
        )
        if not listed:
            raise Missing("There is no version of {wanted}.", wanted=wanted)
        version = str(listed[0].name)
    found = await session.call(
        lambda: images.compute.virtual_machine_images.get(region, publisher, offer, sku, version)
    )
    about = found.properties
    return Image(
        id=f"{publisher}:{offer}:{sku}:{version}",
        architecture=word_of(about.architecture if about else ""),
        generation=word_of(about.hyper_v_generation if about else ""),
    )


async def _own_image(session: Session, region: str, wanted: str) -> Image:
    if gallery := _GALLERY_IMAGE.fullmatch(wanted):
        return await _gallery_image(session, region, wanted, gallery)
    if not _IMAGE_ID.fullmatch(wanted):
        raise InvalidValue(
            "This is not the whole id of an image.",
            hint="Copy it from the image's Properties page, or its JSON view.",
        )
    found = await session.call(lambda: session.get(wanted, "2024-07-01"))
    if _plain(found.get("location")) != _plain(region):
        raise _elsewhere(wanted, str(found.get("location")), region)
    about = found.get("properties", {})
    disk = about.get("storageProfile", {}).get("osDisk", {})
    return Image(
        id=wanted,
        disk_gib=max(LEAST_DISK_GIB, int(disk.get("diskSizeGB") or 0)),
        generation=str(about.get("hyperVGeneration") or ""),
    )


async def _gallery_image(
    session: Session, region: str, wanted: str, gallery: re.Match[str]
) -> Image:
    path = wanted[: gallery.end("image")]
    version = gallery["version"] or "latest"
    if version == "latest":
        told = await session.call(lambda: session.get(f"{path}/versions", GALLERY_VERSION))
        names = [
            str(each["name"])
            for each in told.get("value", [])
            if not _publishing(each).get("excludeFromLatest")
        ]
        if not names:
            raise Missing("There is no version of {wanted}.", wanted=wanted)
        version = max(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
    one_path = f"{path}/versions/{version}"
    one, definition = [
        await session.call(partial(session.get, each, GALLERY_VERSION)) for each in (one_path, path)
    ]
    places = [str(each.get("name")) for each in _publishing(one).get("targetRegions", [])]
    if _plain(region) not in map(_plain, places):
        raise _elsewhere(wanted, ", ".join(places), region)
    disk = one.get("properties", {}).get("storageProfile", {}).get("osDiskImage", {})
    about = definition.get("properties", {})
    return Image(
        id=one_path,
        disk_gib=max(LEAST_DISK_GIB, int(disk.get("sizeInGB") or 0)),
        architecture=str(about.get("architecture") or ""),
        generation=str(about.get("hyperVGeneration") or ""),
    )


def _publishing(version: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = version.get("properties", {}).get("publishingProfile", {})
    return found


def _plain(region: object) -> str:
    """A region as its name: galleries tell it as people read it, “West Europe”."""
    return str(region or "").replace(" ", "").lower()


def _elsewhere(image: str, there: str, region: str) -> InvalidValue:
    return InvalidValue(
        "The image “{image}” is in {there}, not in {region}.",
        hint="Copy it there, or choose its region.",
        image=image,
        there=there,
        region=region,
    )


def _refuse_unfit(size: Size, image: Image) -> None:
    built = size.more.get("CpuArchitectureType", "x64") or "x64"
    if image.architecture and image.architecture.lower() != built.lower():
        raise InvalidValue(
            "{name} has {built} processors; the image {id} is for {architecture}.",
            hint="Choose a size and an image that belong together.",
            name=size.name,
            built=built,
            id=image.id,
            architecture=image.architecture,
        )
    takes = size.more.get("HyperVGenerations", "")
    if image.generation and takes and image.generation not in takes.split(","):
        raise InvalidValue(
            "{name} boots images of generation {takes}; {id} is {generation}.",
            hint="Choose an image whose name says gen2, or another size.",
            name=size.name,
            takes=takes,
            id=image.id,
            generation=image.generation,
        )


async def _find_group(session: Session, wanted: str) -> None:
    if await session.found(lambda: session.resources.resource_groups.get(wanted)) is None:
        raise InvalidValue(
            "There is no resource group “{wanted}” in the subscription.",
            hint="Make it, or leave the field empty: the cluster has one of its own then.",
            wanted=wanted,
        )


async def _find_subnet(session: Session, wanted: str, region: str) -> tuple[str, bool]:
    """A subnet's id, and whether machines in it come out without addresses of their own."""
    parts = re.fullmatch(
        r"/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/Microsoft\.Network"
        r"/virtualNetworks/([^/]+)(?:/subnets/([^/]+))?",
        wanted,
        re.IGNORECASE,
    )
    if parts is None:
        raise InvalidValue(
            "This is not the whole id of a virtual network or of a subnet.",
            hint="Copy it from the network's Properties page, or its JSON view.",
        )
    group, name, subnet = parts.groups()
    found = await session.found(lambda: session.network.virtual_networks.get(group, name))
    if found is None:
        raise InvalidValue(
            "There is no virtual network “{name}” in the group “{group}”.",
            hint="Copy its id from its Properties page; the app must be allowed to read it.",
            name=name,
            group=group,
        )
    if str(found.location).lower() != region.lower():
        raise InvalidValue(
            "The virtual network “{name}” is in {location}, not in {region}.",
            hint="Choose its region, or another network.",
            name=name,
            location=found.location,
            region=region,
        )
    subnets = list((found.properties.subnets if found.properties else None) or [])
    chosen = [each for each in subnets if not subnet or str(each.name).lower() == subnet.lower()]
    if len(chosen) != 1:
        known = ", ".join(str(each.name) for each in subnets) or "none"
        raise InvalidValue(
            "The virtual network “{name}” has these subnets: {known}.",
            hint="Give the whole id of the one that the machines shall be in.",
            name=name,
            known=known,
        )
    about = chosen[0].properties
    has_way_out = bool(about and (about.nat_gateway or about.route_table))
    return str(chosen[0].id), has_way_out


async def _encrypts_at_host(session: Session, *sizes: Size) -> bool:
    if any(each.more.get("EncryptionAtHostSupported") != "True" for each in sizes):
        return False
    path = f"/subscriptions/{session.subscription}/providers/{FEATURE}"
    try:
        found = await session.call(lambda: session.get(path, "2021-07-01"))
    except CloudError as problem:
        if problem.transient:
            raise
        return False  # not to be read, or not there: then it is not switched on either
    return bool(found.get("properties", {}).get("state") == "Registered")
