"""Judges each request by an IAM policy: what no statement allows is denied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from tests.clouds.amazon.requests import Request

ACCOUNT: Final = "123456789012"

Tags = Mapping[str, str]
TagsOf = Callable[[str], Tags]
"""The tags of what is there, by its id or, for a launch template, its name."""


@dataclass(frozen=True)
class Thing:
    """Something that a request touches.

    Args:
        kind: As in its ARN: ``security-group``.
        id: Its id, ``*`` for one that is yet to be made.
        keys: What conditions may look at.
    """

    kind: str
    id: str = "*"
    keys: Mapping[str, str] = field(default_factory=dict)

    def arn(self, region: str) -> str:
        """Its name in policies."""
        account = "" if self.kind == "image" else ACCOUNT
        return f"arn:aws:ec2:{region}:{account}:{self.kind}/{self.id}"


MADE_BY: Final = {
    "CreateSecurityGroup": "security-group",
    "CreateLaunchTemplate": "launch-template",
}
TOUCHES: Final = {
    "TerminateInstances": ("instance", "InstanceId"),
    "StopInstances": ("instance", "InstanceId"),
    "StartInstances": ("instance", "InstanceId"),
    "GetConsoleOutput": ("instance", "InstanceId"),
    "DeleteVolume": ("volume", "VolumeId"),
    "DeleteNetworkInterface": ("network-interface", "NetworkInterfaceId"),
    "DeleteSecurityGroup": ("security-group", "GroupId"),
    "AuthorizeSecurityGroupIngress": ("security-group", "GroupId"),
    "RevokeSecurityGroupIngress": ("security-group", "GroupId"),
    "DeleteLaunchTemplate": ("launch-template", "LaunchTemplateId"),
}
"""Service authorization reference, "Actions, resources, and condition keys for Amazon EC2":
what of the actions in use can be allowed by resource. The others are for ``*``."""


def missing_right(policy: Mapping[str, Any], request: Request, tags_of: TagsOf) -> str:
    """The first action that a policy does not allow, "" when it allows all that is asked."""
    for action, thing in _asked(request, tags_of):
        if not _allows(policy, action, thing, request.region):
            return action
    return ""


def _asked(request: Request, tags_of: TagsOf) -> Iterable[tuple[str, Thing | None]]:
    """Each action that a request needs, with each thing that it touches."""
    if request.service != "ec2":
        yield request.action, None
        return
    operation = request.operation
    if operation == "RunInstances":
        for thing in _of_run(request, tags_of):
            yield request.action, thing
    elif operation in MADE_BY:
        kind = MADE_BY[operation]
        yield request.action, Thing(kind, keys=_request_tags(request.tags().get(kind, {})))
        if operation == "CreateSecurityGroup":
            yield request.action, Thing("vpc", str(request.values.get("VpcId")))
    elif operation in TOUCHES:
        kind, name = TOUCHES[operation]
        for id_ in request.items(name) or [str(request.values.get(name, "*"))]:
            yield request.action, Thing(kind, id_, _resource_tags(tags_of(id_)))
    else:
        yield request.action, None
    for kind, tags in request.tags().items():
        keys = _request_tags(tags) | {"ec2:CreateAction": operation}
        yield "ec2:CreateTags", Thing(kind, keys=keys)


def _of_run(request: Request, tags_of: TagsOf) -> Iterable[Thing]:
    tags = request.tags()
    tokens = request.values.get("MetadataOptions.HttpTokens", "optional")
    encrypted = request.values.get("BlockDeviceMapping.1.Ebs.Encrypted", "false")
    card: Any = (request.items("NetworkInterface") or [{}])[0]
    made = {
        "instance": {"ec2:MetadataHttpTokens": str(tokens)},
        "volume": {"ec2:Encrypted": str(encrypted).lower()},
        "network-interface": {},
    }
    if "spot-instances-request" in tags or request.values.get("InstanceMarketOptions.MarketType"):
        made["spot-instances-request"] = {}
    for kind, keys in made.items():
        yield Thing(kind, keys=keys | _request_tags(tags.get(kind, {})))
    yield Thing("image", str(request.values.get("ImageId")))
    yield Thing("subnet", str(card.get("SubnetId")))
    for group in card.get("SecurityGroupId") or ["default"]:
        yield Thing("security-group", group, _resource_tags(tags_of(group)))
    if name := request.values.get("LaunchTemplate.LaunchTemplateName"):
        yield Thing("launch-template", "lt-1", _resource_tags(tags_of(str(name))))


def _request_tags(tags: Tags) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _resource_tags(tags: Tags) -> dict[str, str]:
    found = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    return found | {f"ec2:ResourceTag/{key}": value for key, value in tags.items()}


def _allows(policy: Mapping[str, Any], action: str, thing: Thing | None, region: str) -> bool:
    allowed = False
    for statement in policy["Statement"]:
        if not any(_like(action, each) for each in _many(statement["Action"])):
            continue
        arn = thing.arn(region) if thing else "*"
        if not any(each == "*" or _like(arn, each) for each in _many(statement["Resource"])):
            continue
        if not _holds(statement.get("Condition", {}), thing.keys if thing else {}):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def _holds(condition: Mapping[str, Mapping[str, Any]], keys: Mapping[str, str]) -> bool:
    for operator, wanted in condition.items():
        for key, values in wanted.items():
            there = keys.get(key)
            good = {
                "Null": str(there is None).lower() in _many(values),
                "StringEquals": there is not None and there in _many(values),
                "Bool": there is not None and there in _many(values),
            }[operator]
            if not good:
                return False
    return True


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value.lower(), pattern.lower())


def _many(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
