"""Wishes about clusters: idempotent, audited, permitted, and written for a supervisor to serve."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint
from oceanid.errors import IllegalTransition, InvalidValue, NotFound, NotPermitted
from oceanid.models import (
    AuditEvent,
    CloudAccount,
    Cluster,
    ClusterEvent,
    ClusterNode,
    Job,
    Scheduler,
    Setting,
)
from oceanid.services import accounts, clusters, site_settings
from oceanid.services.cluster_values import effective
from oceanid.states import ClusterWanted

pytestmark = pytest.mark.django_db

MADE = blueprints.written(
    Blueprint("eu-central-1", "ami-0123456789", "t3.small", "ami-0123456789", "m7a.large")
)


@pytest.fixture
def account(db: None) -> CloudAccount:
    return accounts.save(CloudAccount(cloud="amazon", name="ours"), None)


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss")


@pytest.fixture
def keeper(db: None) -> User:
    user = User.objects.create_user("keeper")
    user.user_permissions.add(Permission.objects.get(codename="run_cluster"))
    return user


def made(account: CloudAccount, name: str = "alps", **fields: object) -> Cluster:
    """A cluster that is there."""
    given: dict[str, object] = {"wanted": "RUN", "state": "RUN", "blueprint": MADE, "size": 4}
    return Cluster.objects.create(account=account, name=name, **given | fields)


def node(cluster: Cluster, number: int, role: str = "WOR", state: str = "RUN") -> ClusterNode:
    return ClusterNode.objects.create(
        cluster=cluster, cloud_id=f"i-{number}", role=role, state=state
    )


def test_a_cluster_is_wanted_once_however_often_it_is_said(
    account: CloudAccount, keeper: User
) -> None:
    cluster = Cluster(account=account, name="alps", size=3)
    for _ in range(3):
        clusters.create(cluster, keeper)
    row = Cluster.objects.get()
    assert (row.wanted, row.size, row.state) == ("RUN", 3, "PRE")
    assert [event.message for event in row.events.all()] == ["Create it with size 3."]
    assert list(AuditEvent.objects.order_by("id").values_list("verb", flat=True)) == ["add", "run"]
    again = clusters.resize(row, 5, keeper)
    clusters.resize(again, 5, keeper)
    assert Cluster.objects.get().size == 5
    assert ClusterEvent.objects.count() == 2


def test_who_may_not_run_clusters_changes_nothing(account: CloudAccount) -> None:
    nobody = User.objects.create_user("nobody")
    cluster = made(account)
    for call in (
        lambda: clusters.create(Cluster(account=account, name="fens"), nobody),
        lambda: clusters.resize(cluster, 2, nobody),
        lambda: clusters.stop(cluster, nobody),
        lambda: clusters.start(cluster, nobody),
        lambda: clusters.repair(cluster, nobody),
        lambda: clusters.preflight(cluster, nobody),
        lambda: clusters.delete(cluster, nobody),
    ):
        with pytest.raises(NotPermitted):
            call()
    row = Cluster.objects.get()
    assert (row.wanted, row.size, row.repair_wanted_at) == ("RUN", 4, None)
    assert not ClusterEvent.objects.exists()


@pytest.mark.parametrize("size", [0, -1, 5_001])
def test_a_size_that_can_not_be_is_refused(account: CloudAccount, boss: User, size: int) -> None:
    cluster = made(account)
    with pytest.raises(InvalidValue) as refused:
        clusters.resize(cluster, size, boss)
    assert refused.value.hint
    assert Cluster.objects.get().size == 4


def test_between_a_minimum_and_a_maximum_it_stays(account: CloudAccount, boss: User) -> None:
    cluster = made(account, min_size=2, max_size=6)
    for size in (1, 7):
        with pytest.raises(InvalidValue):
            clusters.resize(cluster, size, boss)
    clusters.resize(cluster, 6, boss)


def test_what_is_being_deleted_takes_no_other_wish(account: CloudAccount, boss: User) -> None:
    cluster = made(account)
    clusters.delete(cluster, boss)
    clusters.delete(cluster, boss)
    for call in (
        lambda: clusters.start(cluster, boss),
        lambda: clusters.stop(cluster, boss),
        lambda: clusters.resize(cluster, 2, boss),
        lambda: clusters.create(cluster, boss),
    ):
        with pytest.raises(IllegalTransition):
            call()
    assert Cluster.objects.get().wanted == ClusterWanted.DELETE
    assert AuditEvent.objects.filter(verb="delete").count() == 1
    clusters.delete(cluster, boss, force=True)
    assert Cluster.objects.get().force


def test_one_of_which_nothing_was_made_goes_at_once(account: CloudAccount, boss: User) -> None:
    cluster = clusters.create(Cluster(account=account, name="alps"), boss)
    clusters.delete(cluster, boss)
    assert not Cluster.objects.exists()
    with pytest.raises(NotFound):
        clusters.start(cluster, boss)


def test_with_open_jobs_it_stays_unless_by_force(account: CloudAccount, boss: User) -> None:
    scheduler = Scheduler.objects.create(name="alps", engine="htcondor")
    cluster = made(account, scheduler=scheduler)
    job = Job.objects.create(
        name="run", user=boss, type="CONDOR", scheduler=scheduler, state="RUN", wanted="RUN",
        creation_time=cluster.created_at,
    )  # fmt: skip
    with pytest.raises(IllegalTransition, match="1 job has not ended"):
        clusters.delete(cluster, boss)
    clusters.delete(cluster, boss, force=True)
    assert Cluster.objects.get().wanted == ClusterWanted.DELETE
    assert Job.objects.get() == job


def test_the_default_cluster_stays(account: CloudAccount, boss: User) -> None:
    cluster = made(account)
    site_settings.ensure()
    Setting.objects.filter(part="cluster").update(default_cluster=cluster)
    with pytest.raises(IllegalTransition, match="default cluster"):
        clusters.delete(cluster, boss, force=True)


def test_an_edit_does_not_undo_what_the_supervisor_wrote(account: CloudAccount, boss: User) -> None:
    stale = Cluster.objects.get(pk=made(account).pk)
    Cluster.objects.update(state="DEG", notes={"a": "b"}, wanted="STO", cost=Decimal("2.5"))
    stale.idle_minutes = 30
    clusters.save(stale, boss)
    row = Cluster.objects.get()
    assert (row.idle_minutes, row.state, row.notes, row.wanted) == (30, "DEG", {"a": "b"}, "STO")
    assert row.cost == Decimal("2.5")
    assert row.events.get().message == "Changed: idle_minutes 30."


def test_what_machines_are_made_of_stays_as_it_was_made(account: CloudAccount, boss: User) -> None:
    cluster = made(account)
    other = accounts.save(CloudAccount(cloud="amazon", name="theirs"), None)
    for change in ({"name": "fens"}, {"node_type": "m7a.large"}, {"region": "eu-west-1"},
                   {"account": other}):  # fmt: skip
        row = Cluster.objects.get(pk=cluster.pk)
        for name, value in change.items():
            setattr(row, name, value)
        with pytest.raises(IllegalTransition, match="keeps this"):
            clusters.save(row, boss)
    prepared = clusters.save(Cluster(account=account, name="fens"), boss)
    prepared.node_type = "m7a.large"
    clusters.save(prepared, boss)


def test_what_is_empty_comes_from_the_default_cluster(account: CloudAccount) -> None:
    model = made(
        account, region="eu-central-1", zones=["eu-central-1b"], node_type="c7a.xlarge",
        node_image="ami-0123456789", master_type="t3.small",
    )  # fmt: skip
    site_settings.ensure()
    Setting.objects.filter(part="cluster").update(default_cluster=model)
    found = effective(Cluster(account=account, name="fens"))
    assert (found.region, found.zones) == ("eu-central-1", ("eu-central-1b",))
    assert (found.node_type, found.master_type) == ("c7a.xlarge", "t3.small")
    assert found.node_image == "ami-0123456789"
    own = effective(Cluster(account=account, name="fens", region="us-east-1", node_type="t3.small"))
    assert (own.region, own.zones, own.node_image) == ("us-east-1", (), "")
    assert (own.node_type, own.master_type) == ("t3.small", "")
    other = accounts.save(CloudAccount(cloud="amazon", name="theirs"), None)
    assert effective(Cluster(account=other, name="fens")).region == ""


def test_repair_is_for_what_shall_run(account: CloudAccount, boss: User) -> None:
    cluster = made(account, failures=3, state="DEG")
    clusters.repair(cluster, boss)
    row = Cluster.objects.get()
    assert row.repair_wanted_at is not None and row.failures == 0
    clusters.stop(cluster, boss)
    with pytest.raises(IllegalTransition):
        clusters.repair(cluster, boss)


def test_a_plan_tells_what_comes_and_goes_and_what_it_costs(
    account: CloudAccount, boss: User
) -> None:
    fresh = clusters.plan(
        Cluster(account=account, name="fens", size=3, region="eu-central-1", node_type="m7a.large")
    )
    assert [(line.verb, line.what, line.count) for line in fresh.lines][:2] == [
        ("make", "master", 1), ("make", "worker", 2),
    ]  # fmt: skip
    assert fresh.usd_before == 0
    assert fresh.usd_after is not None and fresh.usd_after > 0
    cluster = made(account)
    node(cluster, 0, "MAS")
    for number in (1, 2, 3):
        node(cluster, number)
    up = clusters.plan(cluster, size=6)
    assert [(line.verb, line.what, line.count) for line in up.lines][:3] == [
        ("keep", "master", 1), ("keep", "worker", 3), ("make", "worker", 2),
    ]  # fmt: skip
    assert up.usd_before is not None and up.usd_after is not None
    assert up.usd_after > up.usd_before > 0
    down = clusters.plan(cluster, size=1)
    assert ("end", "worker", 3) in [(line.verb, line.what, line.count) for line in down.lines]
    stop = clusters.plan(cluster, wanted=ClusterWanted.STOP)
    assert [(line.verb, line.what, line.count) for line in stop.lines] == [
        ("stop", "master", 1), ("end", "worker", 3), ("keep", "disk", 1),
    ]  # fmt: skip
    assert stop.usd_after is not None and down.usd_after is not None
    assert 0 < stop.usd_after < down.usd_after
    gone = clusters.plan(cluster, wanted=ClusterWanted.DELETE)
    assert gone.usd_after == 0
    assert [line.verb for line in gone.lines] == ["end", "end", "end"]


def test_a_plan_says_when_a_price_is_not_known(account: CloudAccount) -> None:
    made_of = blueprints.read(MADE | {"node_type": "zz9.plural"})
    cluster = made(account, blueprint=blueprints.written(made_of))
    plan = clusters.plan(cluster)
    assert plan.usd_after is None
    assert any("not in the table" in remark for remark in plan.remarks)


def test_a_plan_warns_of_the_limit(account: CloudAccount, tmp_path: Path) -> None:
    cluster = made(account, hourly_limit=Decimal("0.01"))
    assert any("fewer will come" in remark for remark in clusters.plan(cluster).remarks)
