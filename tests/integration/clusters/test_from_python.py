"""Clusters from Python: what apps and scripts say."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import Settings

from oceanid import clusters
from oceanid.errors import InvalidValue, NotFound, NotPermitted, OceanidError, WaitTimeout
from oceanid.models import CloudAccount, Cluster, Setting
from oceanid.services import accounts, site_settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(db: None) -> CloudAccount:
    return accounts.save(CloudAccount(cloud="amazon", name="ours"), None)


def test_a_cluster_is_created_found_listed_and_changed(account: CloudAccount) -> None:
    made = clusters.create(
        "alps", size=3, account="ours", node_type="m7a.large", zones=["eu-central-1a"], max_size=9
    )
    assert (made.wanted, made.size, made.node_type) == ("RUN", 3, "m7a.large")
    again = clusters.create("alps", size=3, account="amazon:ours", node_type="m7a.large")
    assert again.pk == made.pk and Cluster.objects.get().max_size == 9
    assert [each.name for each in clusters.list_clusters()] == ["alps"]
    assert clusters.get("alps", account=account).pk == made.pk
    clusters.resize("alps", 5)
    for impossible in (0, -1, 5_001):
        with pytest.raises(InvalidValue, match="1 to 5,000") as refused:
            clusters.resize("alps", impossible)
        assert "1 is the master alone" in refused.value.hint
    assert clusters.get("alps").size == 5
    assert clusters.plan("alps").lines[0].verb == "make"
    clusters.stop("alps")
    clusters.start("alps")
    clusters.repair("alps")
    clusters.preflight("alps")
    row = clusters.get("alps")
    assert row.repair_wanted_at is not None and row.preflight_wanted_at is not None
    clusters.delete("alps")
    assert not Cluster.objects.exists()


def test_without_an_account_that_of_the_default_cluster_is_taken(account: CloudAccount) -> None:
    assert clusters.create("alps").account == account
    azure = accounts.save(CloudAccount(cloud="azure", name="ours"), None)
    with pytest.raises(NotFound, match="not known"):
        clusters.create("fens")
    with pytest.raises(NotFound, match="Several clouds"):
        clusters.create("fens", account="ours")
    site_settings.ensure()
    model = clusters.create("model", account=azure)
    Setting.objects.filter(part="cluster").update(default_cluster=model)
    assert clusters.create("fens").account == azure


def test_what_is_wrong_is_said_with_its_cure(account: CloudAccount) -> None:
    with pytest.raises(InvalidValue, match="no option “nodes”") as refused:
        clusters.create("alps", nodes=3)
    assert "node_type" in refused.value.hint
    with pytest.raises(InvalidValue):
        clusters.create("Alps!")
    with pytest.raises(NotFound):
        clusters.create("alps", account="theirs")
    with pytest.raises(NotFound):
        clusters.get("alps")
    nobody = User.objects.create_user("nobody")
    with pytest.raises(NotPermitted):
        clusters.create("alps", user=nobody)
    assert not Cluster.objects.exists()


def test_who_waits_is_told_of_success_failure_and_lateness(
    account: CloudAccount, settings: Settings
) -> None:
    row = clusters.create("alps")
    seen: list[str] = []
    with pytest.raises(WaitTimeout):
        clusters.wait(row, timeout_s=0.5, told=lambda each: seen.append(each.state))
    assert seen == ["PRE"]
    Cluster.objects.update(state="FAI", message="The quota is used up.", hint="Ask for more.")
    with pytest.raises(OceanidError, match="quota") as failed:
        clusters.wait(row)
    assert failed.value.slug == "cluster-failed" and failed.value.hint == "Ask for more."
    Cluster.objects.update(state="RUN")
    found = clusters.wait(row)
    assert found is not None and found.state == "RUN"
    Cluster.objects.all().delete()
    assert clusters.wait(row, until="deleted") is None
    with pytest.raises(NotFound):
        clusters.wait(row)


@pytest.mark.django_db(transaction=True)
def test_who_waits_sees_what_another_writes(account: CloudAccount) -> None:
    row = clusters.create("alps")

    def work() -> None:
        Cluster.objects.filter(pk=row.pk).update(state="RUN")
        connections.close_all()

    other = threading.Timer(0.3, work)
    other.start()
    assert clusters.wait(row, timeout_s=20) is not None
    other.join()
