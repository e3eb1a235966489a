"""From where a cluster's master may be reached is said by somebody, or no cluster is made."""

from __future__ import annotations

from typing import Any

import pytest

from oceanid.errors import InvalidValue
from oceanid.models import CloudAccount, Cluster, Setting
from oceanid.services import clusters
from oceanid.services.cluster_values import reached_from
from tests.integration.clusters.conftest import MakeHouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> CloudAccount:
    return CloudAccount.objects.create(cloud="amazon", name="field")


def silent(settings: Any) -> None:
    settings.OCEANID = {**settings.OCEANID, "CLUSTERS": {}}


def test_a_cluster_that_nobody_could_reach_is_refused_and_nothing_is_kept(
    account: CloudAccount, settings: Any
) -> None:
    silent(settings)
    with pytest.raises(InvalidValue, match="from where") as refused:
        clusters.create(Cluster(account=account, name="alps", size=2), None)
    assert "SSH_FROM" in refused.value.hint
    assert not Cluster.objects.exists()


def test_its_own_networks_go_before_the_default_clusters_and_those_before_the_sites(
    account: CloudAccount, settings: Any
) -> None:
    silent(settings)
    alps = Cluster(account=account, name="alps", size=2, ssh_from=["203.0.113.7/32"])
    assert reached_from(clusters.create(alps, None)) == ("203.0.113.7/32",)
    fens = Cluster(account=account, name="fens", size=2)
    assert reached_from(fens) == ()
    settings.OCEANID = {**settings.OCEANID, "CLUSTERS": {"SSH_FROM": ["198.51.100.0/24"]}}
    assert reached_from(fens) == ("198.51.100.0/24",)
    Setting.objects.update_or_create(part="cluster", defaults={"default_cluster": alps})
    assert reached_from(fens) == ("203.0.113.7/32",)


def test_it_may_be_prepared_without(account: CloudAccount, settings: Any) -> None:
    silent(settings)
    assert clusters.save(Cluster(account=account, name="alps", size=2), None).pk


def test_that_nobody_could_reach_it_is_found_before_anything_is_made(
    make_house: MakeHouse, settings: Any
) -> None:
    house = make_house(size=1)
    silent(settings)
    clusters.preflight(house.cluster, house.boss)
    house.round()
    found = {each["name"]: each for each in house.row.preflight}
    assert found["reached by SSH"]["ok"] is False
    assert "SSH_FROM" in found["reached by SSH"]["hint"]
    assert found["name"]["ok"] and not house.state.machines
