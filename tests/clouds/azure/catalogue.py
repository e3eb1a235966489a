"""What can be had in the small Azure: sizes, images, quotas, providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.clouds.azure.answers import Answer, Asked, paged
from tests.clouds.azure.world import REGION, SUBSCRIPTION, Refused, World

__all__ = ["REGION"]
VERSIONS = ("0.20250101.1", "0.20260801.2", "0.20261101.3")
"""Of the image Debian:debian-13:13-gen2."""


@dataclass(frozen=True)
class Size:
    """One size of machines."""

    cpus: int
    memory_gb: int
    family: str
    zones: tuple[str, ...] = ("1", "2", "3")
    built: str = "x64"
    at_host: str = "True"


SIZES = {
    "Standard_D2as_v5": Size(2, 8, "standardDASv5Family"),
    "Standard_D4as_v5": Size(4, 16, "standardDASv5Family"),
    "Standard_B1ms": Size(1, 2, "standardBSFamily", at_host="False"),
    "Standard_D2ps_v5": Size(2, 8, "standardDPSv5Family", built="Arm64"),
    "Standard_M8ms": Size(8, 218, "standardMSFamily", zones=()),
}


def skus(world: World, asked: Asked) -> Answer:
    """Resource Skus - List."""
    if asked.query.get("$filter") != f"location eq '{REGION}'":
        return paged(world, asked, [])
    disk = {"resourceType": "disks", "name": "StandardSSD_LRS", "locations": [REGION]}
    return paged(world, asked, [disk, *(_sku(world, name) for name in SIZES)])


def usages(world: World, asked: Asked, location: str) -> Answer:
    """Usage - List."""
    used = cores_used(world)
    rows = [
        ("cores", "Total Regional vCPUs", used, world.cores),
        ("lowPriorityCores", "Total Regional Spot vCPUs", 0, world.cores),
        ("standardDASv5Family", "Standard DASv5 Family vCPUs", used, world.cores),
    ]
    return paged(
        world, asked,
        [
            {"unit": "Count", "currentValue": now, "limit": limit,
             "name": {"value": name, "localizedValue": told}}
            for name, told, now, limit in rows
        ],
    )  # fmt: skip


def versions(world: World, asked: Asked, location: str, image: str) -> Answer:
    """Virtual Machine Images - List."""
    _refuse_other(image)
    found = list(VERSIONS)
    if asked.query.get("$orderby") == "name desc":
        found.reverse()
    found = found[: int(asked.query.get("$top", len(found)))]
    return Answer(200, [{"name": each, "id": f"/{each}", "location": REGION} for each in found])


def version(world: World, asked: Asked, location: str, image: str, name: str) -> Answer:
    """Virtual Machine Images - Get."""
    _refuse_other(image)
    if name not in VERSIONS:
        raise Refused(404, "NotFound", f"Artifact: VMImage was not found: {name}.")
    about = {
        "architecture": "x64",
        "hyperVGeneration": "V2",
        "osDiskImage": {"operatingSystem": "Linux"},
    }
    return Answer(200, {"name": name, "location": REGION, "properties": about})


def own_image(world: World, asked: Asked, group: str, path: str) -> Answer:
    """Images - Get; of a gallery: Gallery Images - Get, Gallery Image Versions - Get."""
    return Answer(200, world.thing(world.make_id(group, "Microsoft.Compute", path)).shown())


def own_versions(world: World, asked: Asked, group: str, path: str) -> Answer:
    """Gallery Image Versions - List By Gallery Image."""
    above = world.make_id(group, "Microsoft.Compute", path)
    rows = [
        each.shown()
        for each in world.things.values()
        if each.id.lower().startswith(f"{above}/".lower())
    ]
    return paged(world, asked, rows)


def provider(world: World, asked: Asked, name: str) -> Answer:
    """Providers - Get."""
    state = world.registered.get(name, "NotRegistered")
    return Answer(
        200,
        {"id": f"/subscriptions/{SUBSCRIPTION}/providers/{name}", "namespace": name,
         "registrationState": state, "resourceTypes": []},
    )  # fmt: skip


def feature(world: World, asked: Asked, name: str) -> Answer:
    """Features - Get."""
    state = "Registered" if name in world.features else "NotRegistered"
    return Answer(200, {"name": name, "properties": {"state": state}})


def subscription(world: World, asked: Asked) -> Answer:
    """Subscriptions - Get."""
    found = {"subscriptionId": SUBSCRIPTION, "displayName": "Rivers", "state": world.state}
    return Answer(200, {"id": f"/subscriptions/{SUBSCRIPTION}", **found})


def refuse_unknown(world: World, image: dict[str, Any]) -> None:
    """Refuse an image that is not there, or is not concrete."""
    if "id" in image:
        world.need(image["id"])
        return
    if (image["publisher"], image["offer"], image["sku"]) != ("Debian", "debian-13", "13-gen2"):
        raise Refused(404, "PlatformImageNotFound", "The platform image is not available.")
    if image["version"] not in VERSIONS:
        raise Refused(404, "PlatformImageNotFound", "The version is not available.")


def cores_used(world: World) -> int:
    """Processors of all machines."""
    sizes = [
        each.properties["hardwareProfile"]["vmSize"]
        for each in world.things.values()
        if each.kind == "Microsoft.Compute/virtualMachines"
    ]
    return sum(SIZES[size].cpus for size in sizes)


def _sku(world: World, name: str) -> dict[str, Any]:
    size = SIZES[name]
    restricted = name in world.restricted
    reason = {"type": "Location", "values": [REGION], "reasonCode": "NotAvailableForSubscription",
              "restrictionInfo": {"locations": [REGION]}}  # fmt: skip
    told = {
        "vCPUs": str(size.cpus), "MemoryGB": str(size.memory_gb), "PremiumIO": "True",
        "CpuArchitectureType": size.built, "HyperVGenerations": "V1,V2",
        "EncryptionAtHostSupported": size.at_host,
    }  # fmt: skip
    return {
        "resourceType": "virtualMachines", "name": name, "tier": "Standard",
        "family": size.family, "locations": [REGION],
        "locationInfo": [{"location": REGION, "zones": list(size.zones)}],
        "capabilities": [{"name": key, "value": value} for key, value in told.items()],
        "restrictions": [reason] if restricted else [],
    }  # fmt: skip


def _refuse_other(image: str) -> None:
    if image != "Debian/artifacttypes/vmimage/offers/debian-13/skus/13-gen2":
        raise Refused(404, "NotFound", f"Artifact was not found: {image}.")
