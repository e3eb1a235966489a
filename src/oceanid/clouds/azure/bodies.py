"""What is sent to Azure to have machines made."""

from __future__ import annotations

import base64
from typing import Any, Final

from oceanid.clouds.azure.names import Names
from oceanid.clouds.specs import Launch
from oceanid.states import Role

ADMIN: Final = "oceanid-unused"
"""Azure wants an account and a key for it; the key's private half is forgotten at once, and
what the user-data say is who comes in."""
_NETWORK_VERSION: Final = "2022-11-01"
_DISK: Final = "StandardSSD_LRS"
_PRICE_CAP: Final = -1
"""Up to the price of an ordinary machine."""


def machine(names: Names, order: Launch, admin_key: str) -> dict[str, Any]:
    """A machine alone: the body of Virtual Machines - Create Or Update."""
    profile = _profile(names, order, admin_key, is_set=False)
    size = order.machine_type or names.claim.blueprint.master_type
    zones = _zones(names, order)[:1]
    return {
        "location": names.claim.blueprint.region,
        "tags": names.machine_tags(order),
        "properties": {**profile, "hardwareProfile": {"vmSize": size}},
        **({"zones": zones} if zones else {}),
    }


def machines(names: Names, order: Launch, admin_key: str) -> dict[str, Any]:
    """A set of equal machines: the body of Virtual Machine Scale Sets - Create Or Update.

    Orchestration mode Flexible makes ordinary machines that can be ended by name; they inherit
    the set's tags.
    """
    zones = _zones(names, order)
    return {
        "location": names.claim.blueprint.region,
        "tags": names.machine_tags(order),
        "sku": {
            "name": order.machine_type or names.claim.blueprint.node_type,
            "tier": "Standard",
            "capacity": order.count,
        },
        "properties": {
            "orchestrationMode": "Flexible",
            "platformFaultDomainCount": 1,
            "singlePlacementGroup": False,
            "virtualMachineProfile": _profile(names, order, admin_key, is_set=True),
        },
        **({"zones": zones} if zones else {}),
    }


def _zones(names: Names, order: Launch) -> list[str]:
    return [order.zone] if order.zone else list(names.claim.blueprint.zones)


def _profile(names: Names, order: Launch, admin_key: str, *, is_set: bool) -> dict[str, Any]:
    more = names.claim.blueprint.more
    name = "computerNamePrefix" if is_set else "computerName"
    profile: dict[str, Any] = {
        "osProfile": {
            name: names.computer(order),
            "adminUsername": ADMIN,
            "customData": base64.b64encode(order.user_data.encode()).decode(),
            "linuxConfiguration": {
                "disablePasswordAuthentication": True,
                "ssh": {
                    "publicKeys": [
                        {"path": f"/home/{ADMIN}/.ssh/authorized_keys", "keyData": admin_key}
                    ]
                },
            },
        },
        "storageProfile": {
            "imageReference": _image(names, order),
            "osDisk": {
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "diskSizeGB": names.claim.blueprint.disk_gib,
                "managedDisk": {"storageAccountType": _DISK},
            },
        },
        "networkProfile": {
            "networkApiVersion": _NETWORK_VERSION,
            "networkInterfaceConfigurations": [_card(names, order)],
        },
        # The console's text is kept where Azure keeps it, without an account of ours.
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }
    if more.get("host_encryption") == "yes":
        profile["securityProfile"] = {"encryptionAtHost": True}
    if order.spot:
        profile |= {
            "priority": "Spot",
            "evictionPolicy": "Delete",
            "billingProfile": {"maxPrice": _PRICE_CAP},
        }
    return profile


def _image(names: Names, order: Launch) -> dict[str, str]:
    print_ = names.claim.blueprint
    image = print_.master_image if order.role is Role.MASTER else print_.node_image
    if image.startswith("/"):
        return {"id": image}
    publisher, offer, sku, version = image.split(":")
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": version}


def _card(names: Names, order: Launch) -> dict[str, Any]:
    more = names.claim.blueprint.more
    tags = names.machine_tags(order)
    groups = ["pool", *(["master"] if order.role is Role.MASTER else [])]
    kind = "Microsoft.Network/applicationSecurityGroups"
    address: dict[str, Any] = {
        "primary": True,
        "subnet": {"id": names.subnet_id},
        "applicationSecurityGroups": [{"id": names.part(kind, each)} for each in groups],
    }
    wants = "master_address" if order.role is Role.MASTER else "worker_address"
    if more.get(wants) == "yes":
        address["publicIPAddressConfiguration"] = {
            "name": "public",
            "sku": {"name": "Standard", "tier": "Regional"},
            "tags": tags,
            "properties": {
                "deleteOption": "Delete",
                "publicIPAddressVersion": "IPv4",
                **({"publicIPAllocationMethod": "Static"} if order.role is Role.MASTER else {}),
            },
        }
    return {
        "name": "card",
        "tags": tags,
        "properties": {
            "primary": True,
            "deleteOption": "Delete",
            "networkSecurityGroup": {
                "id": names.part("Microsoft.Network/networkSecurityGroups", "nsg")
            },
            "ipConfigurations": [{"name": "address", "properties": address}],
        },
    }
