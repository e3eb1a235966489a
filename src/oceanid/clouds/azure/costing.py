"""What Azure charges beside the hours of machines: disks by steps, addresses, the NAT gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from oceanid.clouds.specs import Beside, Blueprint

STEPS_GIB: Final = tuple(4 << step for step in range(14))
"""4 GiB to 32 TiB. A managed disk is charged as the next of these sizes ("Managed Disks pricing";
rule Azure.VM.DiskSizeAlignment of PSRule for Azure)."""

UNSURE: Final = (
    "Whether workers get public addresses of their own is known once the network was seen."
)


def beside(blueprint: Blueprint, config: Mapping[str, Any]) -> Beside:
    """What stands beside the machines of a cluster.

    Standard public addresses are static: they cost whether or not their machine runs ("Public IP
    addresses", "IP Addresses pricing"). A NAT gateway costs from when it is made until it is
    deleted, has no state without costs, and its address is charged beside it ("Azure NAT Gateway
    pricing").
    """
    more = blueprint.more
    is_private = str(config.get("addresses") or "") == "private"
    own_network = not blueprint.network
    is_known = "master_address" in more
    return Beside(
        disk_gib=charged_gib(blueprint.disk_gib),
        master_address=more["master_address"] == "yes" if is_known else not is_private,
        worker_address=more.get("worker_address") == "yes",
        keeps_address=True,
        gateways=int(own_network),
        addresses=int(own_network),
        unsure="" if own_network or is_known or is_private else UNSURE,
    )


def charged_gib(gib: int) -> int:
    """As what size a disk is charged."""
    return next((step for step in STEPS_GIB if step >= gib), gib)
