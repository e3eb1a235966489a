"""A real supervisor makes a cluster when a person wants it, and its master takes jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from oceanid import clusters
from oceanid.clouds.testing import World
from oceanid.errors import NotPermitted
from oceanid.models import CloudAccount, Cluster, Lease, Scheduler, Setting
from oceanid.services import accounts, schedulers, site_settings
from tests.clouds.paper_house import offer
from tests.integration.running import eventually
from tests.integration.supervisor.house import QUICK, Running, supervising

pytestmark = pytest.mark.django_db(transaction=True)
SOON = {"BUSY_LOOK_S": 0.05, "LOOK_S": 30.0, "QUEUE_S": 10.0}


@pytest.fixture
def account(
    _house: None, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> CloudAccount:
    offer(monkeypatch)
    settings.OCEANID = {
        **settings.OCEANID,
        "CLUSTERS": {**SOON, "SSH_FROM": ["192.0.2.7/32"]},
        "SUPERVISOR": dict(QUICK),
    }
    folder = {"folder": str(tmp_path / "paper")}
    return accounts.save(CloudAccount(cloud="paper", name="paper", config=folder), None)


@pytest.fixture
def supervisor(account: CloudAccount) -> Iterator[Running]:
    with supervising() as running:
        yield running


def state_of(name: str) -> str:
    found = Cluster.objects.filter(name=name).values_list("state", flat=True).first()
    return found or "gone"


def test_it_is_made_changed_and_deleted_as_soon_as_that_is_wanted(
    account: CloudAccount, supervisor: Running, tmp_path: Path
) -> None:
    made = clusters.create("alps", size=3, account=account)
    eventually(lambda: state_of("alps") == "RUN", within_s=60, what="it runs")
    assert Lease.objects.get(name=f"cluster:{made.pk}").holder is not None
    # It is looked at every thirty seconds now; a wish is not waited for so long.
    clusters.resize("alps", 2)
    world = World(tmp_path / "paper")

    def alive() -> int:
        return sum(each.is_alive for each in world.read().machines)

    eventually(lambda: alive() == 2 and state_of("alps") == "RUN", within_s=20, what="it is small")
    clusters.delete("alps")
    eventually(lambda: state_of("alps") == "gone", within_s=20, what="it goes")
    assert world.read().machines == [] and world.read().groups == []
    assert not Scheduler.objects.filter(name="alps").exists()


def test_two_clusters_of_which_one_cloud_is_broken_do_not_wait_for_each_other(
    account: CloudAccount, supervisor: Running, tmp_path: Path
) -> None:
    other = {"folder": str(tmp_path / "other")}
    away = accounts.save(CloudAccount(cloud="paper", name="away", config=other), None)
    with World(tmp_path / "other").open() as state:
        state.denied = True
    clusters.create("fens", size=2, account=away)
    clusters.create("alps", size=2, account=account)
    eventually(lambda: state_of("alps") == "RUN", within_s=60, what="the other one runs")
    eventually(lambda: state_of("fens") == "FAI", within_s=30, what="this one says why not")
    assert Cluster.objects.get(name="fens").hint == "Give it the right."


def test_the_default_clusters_master_takes_the_jobs_that_name_no_scheduler(
    account: CloudAccount, django_assert_num_queries: object
) -> None:
    site_settings.ensure()
    assert schedulers.default_scheduler().name == "local"
    row = Cluster.objects.create(account=account, name="alps")
    Setting.objects.filter(part="cluster").update(default_cluster=row)
    assert schedulers.default_scheduler().name == "local", "it has no master yet"
    other = Scheduler.objects.create(name="other", engine="htcondor")
    Setting.objects.filter(part="cluster").update(scheduler=other)
    assert schedulers.default_scheduler() == other
    record = Scheduler.objects.create(name="alps", engine="paper")
    Cluster.objects.update(scheduler=record)
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert schedulers.default_scheduler() == record
    Scheduler.objects.filter(pk=record.pk).update(enabled=False)
    with pytest.raises(NotPermitted):
        schedulers.resolve(None)
    assert not User.objects.exists()
