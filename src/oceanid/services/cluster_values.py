"""What a cluster asks for: whether its values can be used, and what stands for empty ones."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from oceanid import conf
from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import ClusterSpec
from oceanid.errors import CloudMissing, IllegalTransition, InvalidValue, OceanidError
from oceanid.models import Cluster, Setting

MOST_MACHINES: Final = 5_000
NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
FIXED: Final = (
    "name", "master_image", "master_type", "node_image", "node_type", "region", "zones",
    "network", "resource_group", "own_key",
)  # fmt: skip
"""What a cluster keeps for its whole life, once it has been begun to be made."""

INHERITED: Final = ("region", "zones", "master_type", "node_type")
IMAGES: Final = ("master_image", "node_image")
"""They are known in one region only."""


def spec_of(cluster: Cluster) -> ClusterSpec:
    """What is wanted of a cluster, as its cloud reads it."""
    return ClusterSpec(
        name=cluster.name,
        size=cluster.size,
        region=cluster.region,
        zones=tuple(cluster.zones),
        master_image=cluster.master_image,
        master_type=cluster.master_type,
        node_image=cluster.node_image,
        node_type=cluster.node_type,
        spot=cluster.spot,
        network=cluster.network,
        resource_group=cluster.resource_group,
    )


def effective(cluster: Cluster) -> ClusterSpec:
    """What is wanted, with what is empty taken from the default cluster where that is in the same
    account; what is then still empty is the cloud's to choose."""
    spec = spec_of(cluster)
    setting = Setting.objects.filter(default_cluster__isnull=False)
    default = setting.select_related("default_cluster").first()
    model = default.default_cluster if default is not None else None
    if model is None or model.pk == cluster.pk or model.account_id != cluster.account_id:
        return spec
    has_type = bool(spec.master_type or spec.node_type)
    names = [
        name
        for name in INHERITED
        if not getattr(spec, name) and not (has_type and name.endswith("_type"))
    ]
    if spec.region and spec.region != model.region:
        names = [name for name in names if name != "zones"]
    elif not (spec.master_image or spec.node_image):
        names += IMAGES
    found = {name: getattr(model, name) for name in names}
    if "zones" in found:
        found["zones"] = tuple(found["zones"])
    return replace(spec, **found)


def reached_from(cluster: Cluster) -> tuple[str, ...]:
    """The networks from which its master's SSH port can be reached: its own, else those of the
    default cluster, else the site's; empty when nobody has said it."""
    if cluster.ssh_from:
        return tuple(cluster.ssh_from)
    default = Setting.objects.filter(default_cluster__isnull=False)
    given = default.values_list("default_cluster__ssh_from", flat=True).first()
    return tuple(given or conf.current().clusters.ssh_from)


def unreachable(cluster: Cluster) -> OceanidError | None:
    """Why nobody could reach its master; None when somebody can."""
    if reached_from(cluster):
        return None
    return InvalidValue(
        "It is not said from where the cluster's master may be reached.",
        hint="Give the portal's address, as the cloud sees it, in “Reached by SSH from”: "
        "203.0.113.7/32; or once for all clusters in OCEANID['CLUSTERS']['SSH_FROM']. "
        "0.0.0.0/0 means from anywhere.",
    )


def is_made(cluster: Cluster) -> bool:
    """Whether it has been begun to be made, so that there may be something of it in the cloud."""
    return bool(cluster.blueprint)


def is_elastic(cluster: Cluster) -> bool:
    """Whether its size follows the queue."""
    return cluster.max_size is not None


def problems(cluster: Cluster) -> dict[str, OceanidError]:
    """What of a cluster's values can't be used, by field; nothing is asked of a cloud."""
    found: dict[str, OceanidError] = {}
    if not NAME.fullmatch(cluster.name):
        found["name"] = InvalidValue(
            "This can't be the name of a cluster.",
            hint="Small letters, digits and hyphens, a letter first, 40 at most: its machines are "
            "named after it.",
        )
    taken = Cluster.objects.filter(account_id=cluster.account_id, name=cluster.name)
    if taken.exclude(pk=cluster.pk).exists():
        found["name"] = InvalidValue(
            "There is a cluster “{name}” in this account already.",
            hint="Give it another name.",
            name=cluster.name,
        )
    found |= _sizes(cluster) | _limits(cluster) | _kept(cluster)
    try:
        found |= cloud_class(cluster.account.cloud).cluster_problems(spec_of(cluster))
    except CloudMissing as problem:
        found["account"] = problem
    return found


def _kept(cluster: Cluster) -> dict[str, OceanidError]:
    before = Cluster.objects.filter(pk=cluster.pk).first() if cluster.pk else None
    if before is None or not is_made(before):
        return {}
    refused = IllegalTransition(
        "A cluster that is there keeps this.", hint="Make another one, and delete this one."
    )
    changed = [name for name in FIXED if getattr(before, name) != getattr(cluster, name)]
    if before.account_id != cluster.account_id:
        changed.append("account")
    return dict.fromkeys(changed, refused)


def _limits(cluster: Cluster) -> dict[str, OceanidError]:
    found: dict[str, OceanidError] = {}
    if cluster.hourly_limit is not None and cluster.hourly_limit <= 0:
        found["hourly_limit"] = InvalidValue(
            "With this limit nothing could run.", hint="Give more than 0, or leave it empty."
        )
    if cluster.budget is not None and cluster.budget <= 0:
        found["budget"] = InvalidValue(
            "With this budget nothing could run.", hint="Give more than 0, or leave it empty."
        )
    return found


def _sizes(cluster: Cluster) -> dict[str, OceanidError]:
    found: dict[str, OceanidError] = {}
    for name in ("size", "min_size", "max_size"):
        value = getattr(cluster, name)
        if value is not None and not 1 <= value <= MOST_MACHINES:
            found[name] = InvalidValue(
                "A cluster has 1 to {most_machines:,} machines.",
                hint="1 is the master alone, which then works too.",
                most_machines=MOST_MACHINES,
            )
    low, high = cluster.min_size, cluster.max_size
    if found:
        return found
    if low is not None and high is not None and low > high:
        found["max_size"] = InvalidValue(
            "The maximum size is below the minimum size.", hint="Raise it, or lower the other."
        )
    elif not (low or 1) <= cluster.size <= (high or MOST_MACHINES):
        found["size"] = InvalidValue(
            "The size is not between the minimum and the maximum size.",
            hint="Take {low:,} to {high:,}, or change these two first.",
            low=low or 1,
            high=high or MOST_MACHINES,
        )
    return found
