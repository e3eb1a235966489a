"""Clusters and their scheduler in the site admin: checked when saved, who may do it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from oceanid.errors import InvalidValue
from oceanid.models import AuditEvent, CloudAccount, Cluster, Scheduler, Setting
from oceanid.services import accounts, clusters, schedulers
from tests.contract.clouds.certificates import pem_of, private_file, rsa_key
from tests.integration.web.conftest import MakeJob, shown

pytestmark = pytest.mark.django_db
SETTINGS = "/admin/oceanid/setting/"
ACCOUNTS = "/admin/oceanid/cloudaccount/"
CLUSTERS = "/admin/oceanid/cluster/"
KEY, SECRET = "AKIA" + "Q" * 16, "Xk9/" + "s" * 36
UUID = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
CLUSTER = {"name": "alps", "size": "4", "zones": ""}


def part(name: str, what: str = "change") -> str:
    return f"{SETTINGS}{name}/{what}/"


def test_without_an_account_the_way_to_one_is_told(boss: Client) -> None:
    text = shown(boss.get(f"{CLUSTERS}add/"))
    assert f'There is none yet. Give the credentials first: <a href="{SETTINGS}">' in text


def test_a_cluster_is_prepared_and_says_so(boss: Client, account: CloudAccount) -> None:
    text = shown(boss.get(f"{CLUSTERS}add/"))
    assert "first you see what will be made, and what it costs" in text
    assert f'<option value="{account.pk}" selected>Amazon: Ours</option>' in text
    for label in ("Master Image ID", "Node Instance Type"):
        assert label in text
    values = CLUSTER | {
        "account": str(account.pk), "region": "eu-central-1", "spot": "on", "min_size": "1",
        "zones": "eu-central-1b, eu-central-1a", "max_size": "9", "hourly_limit": "2.50",
        "node_type": "c7a.2xlarge", "master_image": "ami-0123456789abcdef0",
    }  # fmt: skip
    assert boss.post(f"{CLUSTERS}add/", values).status_code == 302
    cluster = Cluster.objects.get()
    assert cluster.zones == ["eu-central-1b", "eu-central-1a"] and cluster.size == 4
    assert "Prepared" in shown(boss.get(CLUSTERS))
    page = f"{CLUSTERS}{cluster.pk}/change/"
    assert "eu-central-1b, eu-central-1a" in shown(boss.get(page))
    assert boss.post(page, values | {"size": "6"}).status_code == 302
    assert AuditEvent.objects.get(verb="change").changes == [
        {"field": "size", "before": "4", "after": "6"}
    ]
    page = f"{CLUSTERS}{cluster.pk}/delete/"
    assert "That is not the name" in shown(boss.post(page, {"name": "other"}))
    assert boss.post(page, {"name": "alps"}).status_code == 302
    assert not Cluster.objects.exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Die Alpen"}, "can&#x27;t be the name of a cluster"),
        ({"name": "a" * 41}, "at most 40 characters"),
        ({"name": "ends-"}, "can&#x27;t be the name of a cluster"),
        ({"name": "taken"}, "There is a cluster “taken” in this account already"),
        ({"size": "0"}, "greater than or equal to 1"),
        ({"size": "9999999"}, "A cluster has 1 to 5,000 machines"),
        ({"min_size": "5", "max_size": "3"}, "below the minimum size"),
        ({"max_size": "3"}, "not between the minimum and the maximum"),
        ({"hourly_limit": "0"}, "nothing could run"),
        ({"hourly_limit": "-1"}, "nothing could run"),
        ({"budget": "0"}, "nothing could run"),
        ({"ssh_from": "here"}, "“here” is not a network"),
        ({"ssh_from": "203.0.113.7/24"}, "“203.0.113.7/24” is not a network"),
        ({"ssh_from": ",".join(f"10.0.0.{n}/32" for n in range(51))}, "50 at most"),
        ({"node_image": "debian"}, "not an image of Amazon&#x27;s"),
        ({"zones": "a"}, "not one of this region&#x27;s"),
        ({"resource_group": "ours"}, "Amazon has no resource groups"),
        ({"account": "999"}, "not one of the available choices"),
    ],
)
def test_a_clusters_values_are_looked_at_before_they_are_kept(
    boss: Client, account: CloudAccount, changes: dict[str, str], told: str
) -> None:
    clusters.save(Cluster(account=account, name="taken"), None)
    values = CLUSTER | {"account": str(account.pk), "region": "eu-central-1"} | changes
    answer = boss.post(f"{CLUSTERS}add/", values)
    assert answer.status_code == 200 and told in shown(answer), shown(answer)
    assert Cluster.objects.count() == 1


def test_a_name_is_free_in_another_account(account: CloudAccount) -> None:
    other = accounts.save(CloudAccount(cloud="azure", name="Ours"), None)
    clusters.save(Cluster(account=account, name="alps"), None)
    clusters.save(Cluster(account=other, name="alps"), None)
    with pytest.raises(InvalidValue, match="already"):
        clusters.save(Cluster(account=other, name="alps"), None)


def test_the_scheduler_ip_is_a_scheduler_that_takes_what_names_none(
    boss: Client, tmp_path: Path, local: Scheduler
) -> None:
    key = private_file(tmp_path / "key", pem_of(rsa_key()))
    assert schedulers.default_scheduler() == local
    assert "local" in shown(boss.get(part("cluster")))
    values = {"scheduler_ip": "192.0.2.10", "scheduler_key_location": str(key)}
    assert boss.post(part("cluster"), values).status_code == 302
    made = Scheduler.objects.get(engine="htcondor")
    assert made.config == {"host": "192.0.2.10", "key_path": str(key)}
    assert schedulers.default_scheduler() == made
    assert boss.post(part("cluster", "check")).status_code == 302
    made.refresh_from_db()
    assert made.check_wanted_at is not None
    Scheduler.objects.filter(pk=made.pk).update(
        config={**made.config, "host_key": "k", "user": "u"}
    )
    boss.post(part("cluster"), values | {"scheduler_ip": "condor.example.org"})
    made.refresh_from_db()
    assert made.config == {"host": "condor.example.org", "key_path": str(key), "user": "u"}
    boss.post(part("cluster"), {"scheduler_ip": ""})
    assert schedulers.default_scheduler() == local
    assert Scheduler.objects.filter(pk=made.pk).exists()
    told = [(each.verb, each.kind) for each in AuditEvent.objects.order_by("id")]
    assert told[:2] == [("add", "scheduler"), ("change", "setting")]


def test_a_scheduler_that_has_had_jobs_never_becomes_another_machine(
    boss: Client, make_job: MakeJob
) -> None:
    boss.post(part("cluster"), {"scheduler_ip": "one.example.org"})
    first = schedulers.default_scheduler()
    make_job(scheduler=Scheduler.objects.get(pk=first.pk))
    boss.post(part("cluster"), {"scheduler_ip": "two.example.org"})
    second = schedulers.default_scheduler()
    assert second.pk != first.pk
    assert Scheduler.objects.get(pk=first.pk).config == {"host": "one.example.org"}
    boss.post(part("cluster"), {"scheduler_ip": "one.example.org"})
    assert schedulers.default_scheduler().pk == first.pk
    page = f"/admin/oceanid/scheduler/{second.pk}/delete/"
    assert boss.post(page, {"post": "yes"}).status_code == 302
    assert not Scheduler.objects.filter(pk=second.pk).exists()


def test_the_default_cluster_is_chosen_and_stays(boss: Client, account: CloudAccount) -> None:
    cluster = clusters.save(Cluster(account=account, name="alps"), None)
    boss.post(part("cluster"), {"default_cluster": str(cluster.pk)})
    assert Setting.objects.get(part="cluster").default_cluster == cluster
    assert "alps" in shown(boss.get(SETTINGS))
    page = f"{CLUSTERS}{cluster.pk}/delete/"
    assert "is the default cluster" in shown(boss.get(page))
    assert "is the default cluster" in shown(boss.post(page, {"name": "alps"}, follow=True))
    assert Cluster.objects.exists()


def test_who_may_only_look_changes_and_tests_nothing(client: Client, staff: User) -> None:
    accounts.save(CloudAccount(cloud="amazon", name="Ours", config={"user_id": "9" * 12}), None)
    account = CloudAccount.objects.get()
    client.force_login(staff)
    pages = [part("amazon"), part("cluster"), f"{ACCOUNTS}{account.pk}/change/", CLUSTERS, SETTINGS]
    assert {client.get(page).status_code for page in pages} == {403}
    names = ["view_setting", "view_cloudaccount", "view_cluster"]
    staff.user_permissions.add(*Permission.objects.filter(codename__in=names))
    assert {client.get(page).status_code for page in pages} == {200}
    assert all("9" * 12 in shown(client.get(page)) for page in (pages[0], pages[2]))
    assert client.post(part("amazon"), {"user_id": "8" * 12}).status_code == 403
    for page in (part("amazon", "check"), f"{ACCOUNTS}{account.pk}/check/"):
        assert "You may not" in shown(client.post(page, follow=True))
    client.post(f"{ACCOUNTS}{account.pk}/default/", follow=True)
    assert client.post(f"{ACCOUNTS}{account.pk}/delete/", {"post": "yes"}).status_code == 403
    account.refresh_from_db()
    assert account.config["user_id"] == "9" * 12 and account.check_wanted_at is None
    assert not AuditEvent.objects.exists()
