"""Reads a request of Amazon's SDK: who asks which service what, and in which region."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

_SCOPE: Final = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_PREFIX: Final = {"servicequotas": "servicequotas"}


@dataclass
class Request:
    """One request.

    Args:
        service: As in the signature's scope: ``ec2``.
        region: Likewise.
        key: The access key id.
        operation: ``RunInstances``.
        values: What goes with it, flat as EC2's query protocol has it; for a service that speaks
            JSON, what stands at its top.
        invocation: The same for each try of one call.
    """

    service: str
    region: str
    key: str
    operation: str
    values: dict[str, Any] = field(default_factory=dict)
    invocation: str = ""

    @property
    def action(self) -> str:
        """As IAM calls it."""
        return f"{self.service}:{self.operation}"

    @property
    def is_dry(self) -> bool:
        """Whether it only asks whether it might."""
        return str(self.values.get("DryRun", "")).lower() == "true"

    def tree(self, name: str) -> Any:
        """A nested value: lists for numbered parts, dicts for named ones; None when not there."""
        found: dict[str, Any] = {}
        for key, value in self.values.items():
            if key == name:
                return value
            if key.startswith(name + "."):
                _put(found, key[len(name) + 1 :].split("."), value)
        return _listed(found) if found else None

    def items(self, name: str) -> list[Any]:
        """A nested list; empty when it is not there."""
        found = self.tree(name)
        return found if isinstance(found, list) else []

    def tags(self) -> dict[str, dict[str, str]]:
        """The tags that it gives to what it makes, by the kind of thing."""
        found: dict[str, dict[str, str]] = {}
        for each in self.items("TagSpecification"):
            there = found.setdefault(each["ResourceType"], {})
            there.update({tag["Key"]: tag.get("Value", "") for tag in each.get("Tag", [])})
        return found

    def body(self) -> bytes:
        """It as a body again, for EC2."""
        return urlencode(self.values).encode()


def read(headers: dict[str, str], body: bytes) -> Request:
    """Read one request, headers in small letters."""
    scope = _SCOPE.search(headers.get("authorization", ""))
    key, region, service = scope.groups() if scope else ("", "us-east-1", "unknown")
    target = headers.get("x-amz-target", "")
    if target:
        values = json.loads(body or b"{}")
        operation = target.rpartition(".")[2]
    else:
        values = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = str(values.get("Action", ""))
    return Request(
        service, region, key, operation, values, headers.get("amz-sdk-invocation-id", "")
    )


def flat(name: str, value: Any) -> dict[str, str]:
    """A nested value as EC2's query protocol writes it."""
    if isinstance(value, dict):
        return {
            k: v for part, each in value.items() for k, v in flat(f"{name}.{part}", each).items()
        }
    if isinstance(value, list):
        return {
            k: v
            for number, each in enumerate(value, 1)
            for k, v in flat(f"{name}.{number}", each).items()
        }
    return {name: str(value).lower() if isinstance(value, bool) else str(value)}


def _put(into: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value


def _listed(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    inner = {key: _listed(value) for key, value in found.items()}
    if all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner
