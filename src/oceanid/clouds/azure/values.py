"""What the values of an account and of a cluster look like in Azure's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Final

from oceanid.clouds.base import Problems
from oceanid.clouds.keyfiles import certificate, expired
from oceanid.clouds.specs import ClusterSpec
from oceanid.clouds.values import Form, misformed, uuid_form
from oceanid.errors import InvalidValue

INSTALL: Final = "pip install 'oceanid[azure]'"
SOON_DAYS: Final = 30

_REGISTRATION = "on the app registration's Overview page"
ACCOUNT_FORMS: Final = {
    "subscription_id": uuid_form("a subscription id", "in the Azure portal under Subscriptions"),
    "tenant_id": uuid_form("a tenant id", f"{_REGISTRATION} as Directory (tenant) ID"),
    "client_id": uuid_form("a client id", f"{_REGISTRATION} as Application (client) ID"),
    "region": Form(
        r"[a-z][a-z0-9]{2,40}", "This is not a region of Azure's.", "It looks like westeurope."
    ),
}
_IMAGE = Form(
    r"[^\s:/]+(:[^\s:/]+){3}|/subscriptions/\S+/images/\S+",
    "This is not an image of Azure's.",
    "It looks like Debian:debian-13:13-gen2:latest, or is the whole id of an image of your own.",
)
_TYPE = Form(
    r"[A-Z][A-Za-z0-9]*_[A-Za-z0-9_]+", "This is not a size of Azure's.",
    "It looks like Standard_D2as_v5.",
)  # fmt: skip
CLUSTER_FORMS: Final = {
    "region": ACCOUNT_FORMS["region"],
    "master_image": _IMAGE,
    "node_image": _IMAGE,
    "master_type": _TYPE,
    "node_type": _TYPE,
    "network": Form(
        r"/subscriptions/\S+/virtualNetworks/\S+",
        "This is not a network of Azure's.",
        "It is the whole id of a virtual network or of a subnet, as its Properties page shows it.",
    ),
    "resource_group": Form(
        r"[\w().-]{0,89}[\w()-]", "This is not the name of a resource group.",
        "It has at most 90 letters, digits, dots, hyphens, underscores and brackets.",
    ),
}  # fmt: skip
REQUIRED: Final = {
    "subscription_id": "subscription id",
    "certificate_path": "certificate path",
    "tenant_id": "tenant id",
    "client_id": "client id",
}
LIBRARIES: Final = (
    "azure.identity",
    "azure.mgmt.compute",
    "azure.mgmt.network",
    "azure.mgmt.resource.resources",
    "azure.mgmt.resource.subscriptions",
)


def missing_library() -> str:
    """What is missing of the SDKs, and how to get them; "" when nothing is."""
    if all(map(_is_there, LIBRARIES)):
        return ""
    return f"Azure's libraries are not installed. Run: {INSTALL}"


def account_problems(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
    """Formats, and the certificate's file."""
    found = misformed(config, ACCOUNT_FORMS)
    path = str(config.get("certificate_path") or "")
    if path:
        try:
            there = certificate(path, secrets.get("certificate_password", ""))
            if problem := expired(there, path):
                found["certificate_path"] = problem
        except InvalidValue as problem:
            name = "certificate_path"
            if "password" in problem.message:
                name = "certificate_password"
            found[name] = problem
    return found


def cluster_problems(wanted: ClusterSpec) -> Problems:
    """Formats of images, sizes, region, zones, network and group."""
    values = {name: getattr(wanted, name) for name in CLUSTER_FORMS}
    found = misformed(values, CLUSTER_FORMS)
    if any(not re.fullmatch(r"[1-9]", zone) for zone in wanted.zones):
        found["zones"] = InvalidValue(
            "A zone is not one of Azure's.", hint="They are numbers: 1, 2, 3."
        )
    return found


def good_until(path: str, secrets: Mapping[str, str]) -> str:
    """Until when a certificate is good, as a person reads it."""
    found = certificate(path, secrets.get("certificate_password", ""))
    days = found.days_left(datetime.now(UTC))
    soon = " Have a new one made in time." if days < SOON_DAYS else ""
    return (
        f"The certificate {found.thumbprint} is good until {found.good_until:%Y-%m-%d}, for "
        f"{days} days.{soon}"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent of it is not there
        return False
