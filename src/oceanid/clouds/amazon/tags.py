"""The tags that everything of a cluster carries, and the names that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from oceanid.clouds.specs import Claim
from oceanid.states import Role

CLUSTER: Final = "oceanid-cluster"
NAME: Final = "oceanid-name"
PORTAL: Final = "oceanid-portal"
ROLE: Final = "oceanid-role"
LAUNCH: Final = "oceanid-launch"

WORD: Final = {Role.MASTER: "master", Role.WORKER: "worker"}


def tags_of(claim: Claim, **more: str) -> list[dict[str, str]]:
    """A cluster's tags as EC2 takes them.

    Args:
        claim: The cluster.
        more: Further ones, with ``_`` for ``-``.
    """
    values = {
        CLUSTER: str(claim.uuid),
        NAME: claim.name,
        PORTAL: str(claim.portal),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tagged(kinds: Iterable[str], tags: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The same tags for several kinds of things that one call makes."""
    return [{"ResourceType": kind, "Tags": tags} for kind in kinds]


def read_tags(found: Mapping[str, Any]) -> dict[str, str]:
    """The tags of what EC2 describes; of network interfaces it calls them otherwise."""
    tags = found.get("Tags") or found.get("TagSet") or ()
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def of_cluster(claim: Claim) -> dict[str, Any]:
    """The filter by which everything of a cluster is found."""
    return {"Name": f"tag:{CLUSTER}", "Values": [str(claim.uuid)]}


def template_name(name: str, role: Role) -> str:
    """A launch template's name: unique in the region, and so the cluster's reservation.

    No cluster's name has a slash, so no two clusters' templates meet.
    """
    return f"oceanid/{name}/{WORD[role]}"


def group_names(name: str) -> tuple[str, str]:
    """The names of the two security groups: of the master's door, and of all machines."""
    return f"oceanid/{name}/door", f"oceanid/{name}/inside"
