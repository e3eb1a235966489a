"""Finds the subnets that machines are put into, one in each zone, and their way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from oceanid.clouds.amazon.session import Session
from oceanid.errors import InvalidValue

GATEWAY: Final = "gateway"
"""By the internet gateway: only machines with a public address get out."""
OTHER: Final = "other"
"""By a NAT gateway or the like: no machine needs a public address."""
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Network:
    """Where machines of a cluster may stand.

    Args:
        vpc: The network's id.
        subnets: One subnet's id for each zone, in the zones' order.
        way_out: How its machines reach the internet: ``gateway``, ``other`` or ``none``.
        free: How many addresses are free in each of these subnets.
    """

    vpc: str
    subnets: Mapping[str, str]
    way_out: str
    free: Mapping[str, int]


async def find(session: Session, region: str, wanted: str) -> Network:
    """The network that was named, or the region's default one; two calls.

    Args:
        session: The account's connections.
        region: Where.
        wanted: A vpc- or subnet- id, or "" for the default network.

    Raises:
        InvalidValue: It is not there, or has no subnet.
    """
    subnets = await session.pages("DescribeSubnets", "Subnets", region=region, **_ask_for(wanted))
    subnets = [each for each in subnets if each.get("State") in (None, "available")]
    if not subnets:
        raise _nothing(wanted, region)
    vpc = str(subnets[0]["VpcId"])
    tables = await session.pages(
        "DescribeRouteTables", "RouteTables", region=region,
        Filters=[{"Name": "vpc-id", "Values": [vpc]}],
    )  # fmt: skip
    routed = [(each, way_out(str(each["SubnetId"]), tables)) for each in subnets]
    # All machines of a cluster get out in the same way; the master must be reached, so by the
    # gateway if there is one.
    best = min((way for _, way in routed), key=(GATEWAY, OTHER, NONE).index)
    chosen: dict[str, Mapping[str, Any]] = {}
    for each, way in sorted(routed, key=lambda pair: str(pair[0]["SubnetId"])):
        zone = str(each["AvailabilityZone"])
        held = chosen.get(zone)
        if way == best and (held is None or _free(each) > _free(held)):
            chosen[zone] = each
    ordered = sorted(chosen.items())
    return Network(
        vpc,
        {zone: str(each["SubnetId"]) for zone, each in ordered},
        best,
        {zone: _free(each) for zone, each in ordered},
    )


def way_out(subnet: str, tables: Sequence[Mapping[str, Any]]) -> str:
    """How machines of a subnet reach the internet, by its route table or the network's main one.

    VPC user guide, "Subnet route tables" and "Enable internet access using internet gateways".
    """
    own = main = None
    for table in tables:
        for link in table.get("Associations") or ():
            if link.get("SubnetId") == subnet:
                own = table
            elif link.get("Main"):
                main = table
    routes = (own or main or {}).get("Routes") or ()
    for route in routes:
        if route.get("DestinationCidrBlock") == "0.0.0.0/0":
            return GATEWAY if str(route.get("GatewayId") or "").startswith("igw-") else OTHER
    return NONE


def _free(subnet: Mapping[str, Any]) -> int:
    return int(subnet.get("AvailableIpAddressCount") or 0)


def _ask_for(wanted: str) -> dict[str, Any]:
    name = {"": "default-for-az", "vpc": "vpc-id", "subnet": "subnet-id"}[wanted.partition("-")[0]]
    return {"Filters": [{"Name": name, "Values": [wanted or "true"]}]}


def _nothing(wanted: str, region: str) -> InvalidValue:
    if wanted:
        return InvalidValue(
            "There is no network {wanted} with a subnet in {region}.",
            hint="Look in the VPC console, at this region; or leave the network empty for the "
            "region's default one.",
            wanted=wanted,
            region=region,
        )
    return InvalidValue(
        "The account has no default network in {region}.",
        hint="Run once: aws ec2 create-default-vpc --region {region}; or name an existing "
        "network, vpc-… or subnet-….",
        region=region,
    )
