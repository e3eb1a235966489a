"""A cluster as its pages find it: rows alone, nothing at a cloud."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint
from oceanid.models import (
    CloudAccount,
    Cluster,
    ClusterNode,
)
from oceanid.services import clusters

CLUSTERS = "/admin/oceanid/cluster/"
PRICES = f"{CLUSTERS}prices/"
MADE = blueprints.written(
    Blueprint("eu-central-1", "ami-1", "m7a.large", "ami-2", "c7a.2xlarge", spot=True)
)
HOSTILE = "<script>alert(1)</script> “ü” \N{WATER WAVE}"


@pytest.fixture
def prepared(account: CloudAccount) -> Cluster:
    return clusters.save(
        Cluster(account=account, name="alps", size=4, node_type="c7a.2xlarge",
                region="eu-central-1"), None,
    )  # fmt: skip


@pytest.fixture
def running(prepared: Cluster) -> Cluster:
    """A master and three workers, two of them with jobs; one has failed."""
    now = timezone.now()
    Cluster.objects.filter(pk=prepared.pk).update(
        wanted="RUN", state="RUN", blueprint=MADE, looked_at=now, cost=Decimal("3.5"),
        budget=Decimal(7), steps=[{"name": HOSTILE, "state": "done", "found": "", "hint": ""}],
    )  # fmt: skip
    node(prepared, "master", role="MAS", public_address="203.0.113.9")
    node(prepared, "busy", jobs_running=8)
    node(prepared, "busier", jobs_running=9)
    node(prepared, "idle")
    node(prepared, "broken", state="FAI", joined_at=None, problem=HOSTILE, console=HOSTILE)
    prepared.refresh_from_db()
    return prepared


def node(cluster: Cluster, name: str, **fields: Any) -> ClusterNode:
    now = timezone.now()
    values: dict[str, Any] = {
        "cloud_id": f"i-{cluster.pk}-{name}", "role": "WOR", "state": "RUN", "name": name,
        "machine_type": "c7a.2xlarge", "launched_at": now, "joined_at": now,
        "usd_per_hour": Decimal("0.5"),
    }  # fmt: skip
    return ClusterNode.objects.create(cluster=cluster, **(values | fields))


def page(cluster: Cluster, what: str = "watch") -> str:
    return f"{CLUSTERS}{cluster.pk}/{what}/"
