"""What the section of the site admin says is true, in words, and in the reader's time."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from oceanid.models import AuditEvent, CloudAccount, Cluster, Scheduler
from oceanid.services import accounts, clusters, prices
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
SETTING = "/admin/oceanid/setting/cluster/change/"
ABSOLUTE = re.compile(r"(?:Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)\.? \d+, 20\d\d")


@pytest.fixture
def boss(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def cluster(administrator: User) -> Cluster:
    account = accounts.save(CloudAccount(cloud="amazon", name="Ours"), administrator)
    return clusters.create(Cluster(account=account, name="alps", size=2), administrator)


def shown(answer: Any) -> str:
    return str(answer.content.decode())


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_is_done_to_clusters_and_prices_is_told_in_words(
    boss: Client, cluster: Cluster, administrator: User
) -> None:
    prices.load(prices.exported("amazon"), administrator)
    prices.forget("amazon", administrator)
    clusters.resize(cluster, 3, administrator)
    clusters.repair(cluster, administrator)
    clusters.preflight(cluster, administrator)
    clusters.stop(cluster, administrator)
    clusters.delete(cluster, administrator)
    page = shown(boss.get("/admin/oceanid/auditevent/"))
    rows = re.findall(r'class="field-did[^"]*">([^<]*)<', page)
    slugs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert len(rows) == AuditEvent.objects.count() and len(slugs) > 7
    assert [row for row in rows if row in slugs] == []
    assert "pricetable" not in words_of(page)
    assert "wanted prepared only → running" in words_of(page)
    for verb in slugs:
        assert boss.get("/admin/oceanid/auditevent/", {"verb": verb}).status_code == 200
        assert f"verb={verb}" in page


def test_the_history_counts_changes_and_no_history(boss: Client, cluster: Cluster) -> None:
    page = words_of(shown(boss.get("/admin/oceanid/auditevent/")))
    assert "audit history" not in page.replace("Audit history", "")
    assert f"{AuditEvent.objects.count()} changes" in page


@pytest.mark.parametrize("what", ["job", "auditevent"])
def test_nothing_offers_to_show_all_when_all_is_shown(
    boss: Client, make_job: MakeJob, cluster: Cluster, what: str
) -> None:
    make_job("one")
    address = f"/admin/oceanid/{what}/"
    assert "Show all" not in shown(boss.get(address))
    assert "Show all" in shown(boss.get(address, {"q": "one"}))


def test_times_are_told_by_the_readers_clock(
    boss: Client, make_job: MakeJob, cluster: Cluster
) -> None:
    now = timezone.now()
    job = make_job("one", start_time=now, completion_time=now, execute_time=now)
    Scheduler.objects.update(checked_at=now, health_since=now)
    scheduler = Scheduler.objects.get(name="local")
    for address in (
        "job/",
        f"job/{job.pk}/change/",
        "scheduler/",
        f"scheduler/{scheduler.pk}/change/",
        f"cloudaccount/{cluster.account_id}/change/",
        "cloudaccount/",
        "auditevent/",
        "setting/",
    ):
        page = shown(boss.get(f"/admin/oceanid/{address}"))
        assert "oceanid/pages.js" in page, address
        assert ABSOLUTE.findall(page) == [], address
    assert 'class="o-time"' in shown(boss.get("/admin/oceanid/scheduler/"))
    assert shown(boss.get(f"/admin/oceanid/job/{job.pk}/change/")).count('class="o-time"') >= 4


def test_a_rows_history_is_told_by_the_readers_clock(boss: Client, cluster: Cluster) -> None:
    boss.post(SETTING, {"scheduler_ip": "192.0.2.1", "scheduler_key_location": ""})
    page = shown(boss.get("/admin/oceanid/setting/cluster/history/"))
    assert 'class="o-time"' in page and "oceanid/pages.js" in page
    assert ABSOLUTE.findall(page) == []


def test_where_jobs_go_is_what_a_job_would_do(boss: Client, cluster: Cluster) -> None:
    assert "only prepared" not in shown(boss.get(SETTING))
    values = {
        "scheduler_ip": "192.0.2.1", "scheduler_key_location": "", "default_cluster": cluster.pk,
    }  # fmt: skip
    assert boss.post(SETTING, values).status_code == 302
    assert "Go to cluster-management" in words_of(shown(boss.get(SETTING)))
    master = Scheduler.objects.create(name="alps", engine="htcondor", config={"host": "192.0.2.2"})
    Cluster.objects.filter(pk=cluster.pk).update(scheduler=master)
    assert "Go to alps" in words_of(shown(boss.get(SETTING)))


def test_a_saved_part_is_told_by_its_name(boss: Client) -> None:
    answer = boss.post(SETTING, {"scheduler_ip": "", "scheduler_key_location": ""}, follow=True)
    assert "The part of the settings “ Cluster Management ” was changed" in words_of(shown(answer))
