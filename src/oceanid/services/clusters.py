"""Clusters: what is wanted of each is looked at and kept; nothing here asks a cloud."""

from __future__ import annotations

import re
from typing import Any, Final

from django.db import IntegrityError, transaction

from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import ClusterSpec
from oceanid.errors import CloudMissing, IllegalTransition, InvalidValue, OceanidError
from oceanid.models import Cluster, Setting
from oceanid.services import audit

MOST_MACHINES: Final = 5_000
NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


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
            f"There is a cluster “{cluster.name}” in this account already.",
            hint="Give it another name.",
        )
    found |= _sizes(cluster)
    if cluster.hourly_limit is not None and cluster.hourly_limit <= 0:
        found["hourly_limit"] = InvalidValue(
            "With this limit nothing could run.", hint="Give more than 0, or leave it empty."
        )
    try:
        found |= cloud_class(cluster.account.cloud).cluster_problems(spec_of(cluster))
    except CloudMissing as problem:
        found["account"] = problem
    return found


def _sizes(cluster: Cluster) -> dict[str, OceanidError]:
    found: dict[str, OceanidError] = {}
    for name in ("size", "min_size", "max_size"):
        value = getattr(cluster, name)
        if value is not None and not 1 <= value <= MOST_MACHINES:
            found[name] = InvalidValue(
                f"A cluster has 1 to {MOST_MACHINES:,} machines.",
                hint="1 is the master alone, which then works too.",
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
            hint="Change one of the three.",
        )
    return found


def save(cluster: Cluster, actor: Any) -> Cluster:
    """Keep what is wanted of a cluster.

    Raises:
        InvalidValue: A value can't be used, or the name is taken; nothing was kept.
    """
    with transaction.atomic():
        audit.begin()
        before = Cluster.objects.filter(pk=cluster.pk).first()
        for problem in problems(cluster).values():
            raise problem
        changes = audit.differences(
            audit.describe(before) if before else {}, audit.describe(cluster)
        )
        if before is not None and not changes:
            return cluster
        try:
            with transaction.atomic():
                cluster.save()
        except IntegrityError as problem:
            raise InvalidValue(
                f"There is a cluster “{cluster.name}” in this account already.",
                hint="Give it another name.",
            ) from problem
        verb = "add" if before is None else "change"
        audit.write(actor, verb, audit.Thing.of(cluster), changes=changes)
    return cluster


def why_it_stays(cluster: Cluster) -> OceanidError | None:
    """Why a cluster can't be deleted; None when it can."""
    if Setting.objects.filter(default_cluster=cluster).exists():
        return IllegalTransition(
            f"“{cluster.name}” is the default cluster.",
            hint="Choose another one under Settings, Cluster Management.",
        )
    return None


def delete(cluster: Cluster, actor: Any) -> None:
    """Remove a cluster that has no machines.

    Raises:
        IllegalTransition: See :func:`why_it_stays`.
    """
    with transaction.atomic():
        audit.begin()
        row = Cluster.objects.get(pk=cluster.pk)
        if problem := why_it_stays(row):
            raise problem
        changes = audit.differences(audit.describe(row), {})
        thing = audit.Thing.of(row)
        row.delete()
        audit.write(actor, "delete", thing, changes=changes)
