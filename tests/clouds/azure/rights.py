"""Who may do what in the small Azure: by the actions of a role, and nothing that is not in it."""

from __future__ import annotations

import re
from typing import Any

from tests.clouds.azure.answers import Asked
from tests.clouds.azure.world import Refused, walked

_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_JOINS = {
    "networksecuritygroups": "Microsoft.Network/networkSecurityGroups/join/action",
    "natgateways": "Microsoft.Network/natGateways/join/action",
    "publicipaddresses": "Microsoft.Network/publicIPAddresses/join/action",
    "networkinterfaces": "Microsoft.Network/networkInterfaces/join/action",
    "subnets": "Microsoft.Network/virtualNetworks/subnets/join/action",
}
_PARTS = (
    "Microsoft.Compute/disks/write",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkInterfaces/join/action",
)


def actions(asked: Asked) -> list[str]:
    """All actions that a request needs: its own, and those on what it links to."""
    path = re.sub(r"^/subscriptions/[^/]+", "", asked.path).strip("/")
    inside = re.sub(r"^resourcegroups/[^/]+/?", "", path, flags=re.IGNORECASE)
    verb = _VERBS.get(asked.method, "action")
    if not path:
        return ["Microsoft.Resources/subscriptions/read"]
    if not inside.startswith("providers/"):
        return [_of_group(asked, path, inside, verb)]
    namespace, *rest = inside.removeprefix("providers/").split("/")
    if not rest:
        return ["Microsoft.Resources/subscriptions/providers/read"]
    if namespace == "Microsoft.Features":
        return ["Microsoft.Features/providers/features/read"]
    kind = f"{namespace}/{_kind(rest)}"
    own = f"{kind}/{rest[-1]}/action" if verb == "action" else f"{kind}/{verb}"
    if verb == "action":
        own = f"{namespace}/{rest[0]}/{rest[-1]}/action"
    return [own, *_linked(asked, rest[0])] if verb == "write" else [own]


def refuse(asked: Asked, allowed: list[str]) -> None:
    """Refuse what is not in the role."""
    for action in actions(asked):
        if not any(_matches(each, action) for each in allowed):
            raise Refused(
                403, "AuthorizationFailed",
                f"The client 'app' with object id 'app' does not have authorization to perform "
                f"action '{action}' over scope '{asked.path}' or the scope is invalid.",
            )  # fmt: skip


def _of_group(asked: Asked, path: str, inside: str, verb: str) -> str:
    base = "Microsoft.Resources/subscriptions"
    first = path.split("/")[0].lower()
    if first == "operationresults":
        return f"{base}/operationresults/read"
    if first == "resources":
        return f"{base}/resources/read"
    if inside.lower() == "resources":
        return f"{base}/resourceGroups/resources/read"
    return f"{base}/resourceGroups/{verb}"


def _kind(rest: list[str]) -> str:
    """The type in a path, without the names that stand between its words."""
    if rest[0] == "locations":
        words = [rest[0], *rest[2:]]
        if words[1] == "publishers":
            return "locations/publishers/artifacttypes/offers/skus/versions"
        return "/".join(words[:2])
    return "/".join(rest[::2])


def _linked(asked: Asked, kind: str) -> list[str]:
    found = []
    for each in walked(asked.body.get("properties", {})):
        words = each.lower().split("/")
        if "applicationsecuritygroups" in words:
            is_rule = kind == "networkSecurityGroups"
            what = "joinNetworkSecurityRule" if is_rule else "joinIpConfiguration"
            found.append(f"Microsoft.Network/applicationSecurityGroups/{what}/action")
        elif words[-2] in _JOINS:
            found.append(_JOINS[words[-2]])
    if kind in ("virtualMachines", "virtualMachineScaleSets"):
        found += _PARTS
        if "publicIPAddressConfiguration" in str(asked.body):
            found += [
                "Microsoft.Network/publicIPAddresses/write",
                "Microsoft.Network/publicIPAddresses/join/action",
            ]
    return list(dict.fromkeys(found))


def _matches(pattern: str, action: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, flags=re.IGNORECASE))


def permissions(allowed: list[str]) -> dict[str, Any]:
    """Permissions - List."""
    return {"value": [{"actions": allowed, "notActions": [], "dataActions": []}]}
