"""The pages of clusters: a plan before anything is made, a page that is live, actions that ask."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.models import (
    AuditEvent,
    CloudAccount,
    Cluster,
    ClusterEvent,
    ClusterNode,
    Scheduler,
    Setting,
)
from oceanid.services import clusters
from tests.integration.web.conftest import MakeJob, shown
from tests.integration.web.paper_cluster import (
    CLUSTERS,
    HOSTILE,
    PRICES,
    node,
    page,
    prepared,
    running,
)

__all__ = ["prepared", "running"]
pytestmark = pytest.mark.django_db
VERBS = ("create", "preflight", "resize", "stop", "start", "repair", "delete")


def permitted(client: Client, *codenames: str) -> Client:
    person = User.objects.create_user("paul", is_staff=True)
    found = Permission.objects.filter(content_type__app_label="oceanid", codename__in=codenames)
    person.user_permissions.add(*found)
    client.force_login(person)
    return client


def test_a_new_cluster_goes_to_its_plan_and_is_looked_at_at_once(
    boss: Client, account: CloudAccount
) -> None:
    values = {"name": "alps", "account": str(account.pk), "size": "4", "node_type": "c7a.2xlarge",
              "region": "eu-central-1", "zones": "", "budget": "250", "own_key": "on",
              "ssh_from": " 203.0.113.7, 2001:db8::/32 "}  # fmt: skip
    answer = boss.post(f"{CLUSTERS}add/", values)
    cluster = Cluster.objects.get()
    assert answer["Location"] == page(cluster)
    assert cluster.budget == 250 and cluster.own_key
    assert cluster.ssh_from == ["203.0.113.7/32", "2001:db8::/32"]
    assert cluster.preflight_wanted_at is not None and cluster.wanted == "PRE"
    text = shown(boss.get(page(cluster)))
    assert "What will be made" in text and "3 workers" in text and "A supervisor asks" in text
    assert "Create it" in text and "Prices of" in text and "days old" in text
    assert "203.0.113.7/32, 2001:db8::/32" in shown(boss.get(page(cluster, "change")))


def test_what_would_fail_appears_and_the_cluster_is_created_from_its_plan(
    boss: Client, prepared: Cluster
) -> None:
    step = {"name": "quota", "ok": False, "found": HOSTILE, "hint": "Take fewer."}
    Cluster.objects.filter(pk=prepared.pk).update(
        preflight=[step], preflighted_at=timezone.now(), preflight_wanted_at=None
    )
    text = shown(boss.get(page(prepared, "live")))
    assert "&lt;script&gt;" in text and "<script>" not in text and "Take fewer." in text
    assert boss.post(page(prepared, "create"))["Location"] == page(prepared)
    prepared.refresh_from_db()
    assert prepared.wanted == "RUN"
    assert AuditEvent.objects.filter(verb="run", person="ada", origin="admin").exists()
    assert "Create it with size 4." in shown(boss.get(page(prepared)))


def test_a_hundred_machines_cost_as_many_queries_as_four(boss: Client, running: Cluster) -> None:
    def cost(what: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert boss.get(page(running, what)).status_code == 200
        return len(queries)

    whats = ("watch", "live", "resize", "stop", "delete", "change")
    few = {what: cost(what) for what in whats}
    for number in range(150):
        node(running, f"more-{number}")
        ClusterEvent.objects.create(cluster=running, kind="x", at=timezone.now(), message="x")
    assert {what: cost(what) for what in whats} == few
    assert few["watch"] <= 14 and few["live"] <= 12, few
    text = shown(boss.get(page(running)))
    assert "and 55 more" in text


def test_a_look_at_what_did_not_change_is_one_answer_without_a_body(
    boss: Client, running: Cluster
) -> None:
    first = boss.get(page(running, "live"))
    tag = first["ETag"]
    with CaptureQueriesContext(connection) as queries:
        again = boss.get(page(running, "live"), HTTP_IF_NONE_MATCH=tag)
    assert again.status_code == 304 and not again.content
    assert len(queries) <= 4, [each["sql"] for each in queries]
    for change in (
        lambda: ClusterNode.objects.filter(name="busy").update(jobs_running=1),
        lambda: Cluster.objects.filter(pk=running.pk).update(message="New."),
        lambda: ClusterEvent.objects.create(
            cluster=running, kind="x", at=timezone.now(), message="x"
        ),
        lambda: node(running, "another"),
    ):
        change()
        answer = boss.get(page(running, "live"), HTTP_IF_NONE_MATCH=tag)
        assert answer.status_code == 200 and answer["ETag"] != tag
        tag = answer["ETag"]


def test_a_page_of_a_cluster_that_is_gone_is_told_so(boss: Client, running: Cluster) -> None:
    Cluster.objects.filter(pk=running.pk).delete()
    assert boss.get(page(running, "live")).status_code == 204
    assert boss.get(page(running)).status_code == 404
    assert boss.post(page(running, "stop")).status_code == 404
    assert boss.get(f"{CLUSTERS}{10**30}/watch/").status_code == 404


def test_machines_figures_steps_and_activity_are_shown(boss: Client, running: Cluster) -> None:
    Scheduler.objects.create(name="a & b", engine="htcondor")
    Cluster.objects.filter(pk=running.pk).update(
        scheduler=Scheduler.objects.get(), message=HOSTILE, hint="Do this.", state="DEG",
        idle_minutes=30, min_size=2, max_size=9, target=5,
    )  # fmt: skip
    text = shown(boss.get(page(running)))
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") >= 4
    assert "Needs attention" in text and "Do this." in text
    assert 'scheduler=a%20%26%20b">17</a>' in text
    assert "of 5 wanted" in text and "follows the queue, 2 to 9; the queue asks for 5" in text
    assert "US$&nbsp;2.00" in text, "the failed one is not paid"
    assert "US$&nbsp;3.50" in text.replace("US$&nbsp;3.50 left", "")
    assert "Console output" in text and "203.0.113.9" in text
    assert text.index(">broken<") < text.index(">master<") < text.index(">idle<")


def test_a_smaller_size_tells_which_machines_go_and_takes_none_with_jobs(
    boss: Client, running: Cluster
) -> None:
    text = shown(boss.get(page(running, "resize"), {"size": "3"}))
    going = text[text.index("machines go") :]
    assert "These 2 machines go" in text and "No job runs on them." in text
    assert "broken" in going and "idle" in going and "busy" not in going
    text = shown(boss.get(page(running, "resize"), {"size": "1"}))
    assert "17 jobs run on them." in text and "are drained" in text and ">master<" not in text
    assert boss.post(page(running, "resize"), {"size": "3"}).status_code == 302
    running.refresh_from_db()
    assert (running.size, running.force) == (3, False)
    boss.post(page(running, "resize"), {"size": "2", "force": "on"})
    running.refresh_from_db()
    assert (running.size, running.force) == (2, True)
    event = AuditEvent.objects.filter(verb="resize").latest("id")
    assert "although jobs may run" in event.note


@pytest.mark.parametrize("size", ["", "0", "-1", "x", "5001", "9" * 40, "٣", "1.5", HOSTILE])
def test_what_is_no_size_is_refused_and_changes_nothing(
    boss: Client, running: Cluster, size: str
) -> None:
    for answer in (
        boss.post(page(running, "resize"), {"size": size}),
        boss.get(page(running, "resize"), {"size": size}),
    ):
        is_asked = answer.request["REQUEST_METHOD"] == "POST"
        assert answer.status_code == (400 if is_asked else 200)
        assert ("is not a size" in shown(answer)) is bool(size or is_asked)
        assert "<script>" not in shown(answer)
    running.refresh_from_db()
    assert running.size == 4


def test_a_size_beyond_the_maximum_is_told_on_the_page(boss: Client, running: Cluster) -> None:
    Cluster.objects.filter(pk=running.pk).update(max_size=6)
    asked = boss.get(page(running, "resize"), {"size": "7"})
    assert asked.status_code == 200 and "not between the minimum" in shown(asked), (
        "before it is pressed"
    )
    answer = boss.post(page(running, "resize"), {"size": "7"})
    assert answer.status_code == 400 and "not between the minimum" in shown(answer)
    assert 'value="7"' in shown(answer)


def test_it_is_stopped_started_and_repaired(boss: Client, running: Cluster) -> None:
    for verb, wanted in (("stop", "STO"), ("start", "RUN")):
        assert "The plan" in shown(boss.get(page(running, verb)))
        assert boss.post(page(running, verb))["Location"] == page(running)
        running.refresh_from_db()
        assert running.wanted == wanted
    assert "is tried again" in shown(boss.get(page(running, "repair")))
    boss.post(page(running, "repair"))
    running.refresh_from_db()
    assert running.repair_wanted_at is not None
    boss.post(page(running, "stop"))
    answer = boss.post(page(running, "repair"), follow=True)
    assert "Start it first." in shown(answer)


def test_a_deletion_wants_the_name_and_waits_for_jobs(
    boss: Client, running: Cluster, make_job: MakeJob
) -> None:
    pool = Scheduler.objects.create(name="pool", engine="htcondor")
    Cluster.objects.filter(pk=running.pk).update(scheduler=pool)
    make_job(scheduler=pool, state="RUN", wanted="RUN")
    assert "1 job has not ended" in shown(boss.get(page(running, "delete")))
    for name in ("", "Alps", "alps2"):
        answer = boss.post(page(running, "delete"), {"name": name, "force": "on"})
        assert answer.status_code == 400 and "Type “alps” to delete it." in shown(answer)
    answer = boss.post(page(running, "delete"), {"name": "alps"}, follow=True)
    assert "not ended" in shown(answer)
    running.refresh_from_db()
    assert running.wanted == "RUN"
    answer = boss.post(page(running, "delete"), {"name": " alps ", "force": "on"}, follow=True)
    running.refresh_from_db()
    assert (running.wanted, running.force) == ("DEL", True)
    text = shown(answer)
    assert "It is being deleted." in text
    assert f'href="{page(running, "resize")}"' not in text
    assert boss.get(page(running, "stop")).status_code == 200
    assert "is being deleted" in shown(boss.post(page(running, "stop"), follow=True))


def test_one_that_was_only_prepared_goes_at_once(boss: Client, prepared: Cluster) -> None:
    answer = boss.post(page(prepared, "delete"), {"name": "alps"}, follow=True)
    assert "“alps” is no more." in shown(answer) and not Cluster.objects.exists()
    assert AuditEvent.objects.filter(verb="delete", object_name="alps").exists()


def test_who_may_only_look_sees_all_and_does_nothing(client: Client, running: Cluster) -> None:
    looker = permitted(client, "view_cluster")
    text = shown(looker.get(page(running)))
    assert "Nodes" in text and "Change its size" not in text and ">Delete<" not in text
    assert looker.get(page(running, "live")).status_code == 200
    for verb in VERBS:
        assert looker.get(page(running, verb)).status_code == 403, verb
        assert looker.post(page(running, verb), {"name": "alps"}).status_code == 403, verb
    assert looker.get(PRICES).status_code == 200
    assert looker.post(PRICES, {"do": "forget", "cloud": "amazon"}).status_code == 403
    running.refresh_from_db()
    assert running.wanted == "RUN" and not AuditEvent.objects.filter(person="paul").exists()


def test_who_may_prepare_clusters_but_not_run_them_makes_no_cost(
    client: Client, account: CloudAccount, running: Cluster
) -> None:
    editor = permitted(client, "view_cluster", "add_cluster", "change_cluster", "delete_cluster")
    values = {"name": "fens", "account": str(account.pk), "size": "2", "zones": ""}
    answer = editor.post(f"{CLUSTERS}add/", values, follow=True)
    fens = Cluster.objects.get(name="fens")
    assert "needs the right to run clusters" in shown(answer)
    assert fens.preflight_wanted_at is None
    assert editor.post(page(fens, "create")).status_code == 403
    assert editor.post(page(running, "change"), {"max_size": "99"}).status_code == 403
    assert editor.post(page(running, "delete"), {"name": "alps"}).status_code == 403
    assert editor.post(page(fens, "delete"), {"name": "fens"}).status_code == 302
    assert not Cluster.objects.filter(name="fens").exists()


def test_what_runs_keeps_what_it_is_made_of_and_takes_new_limits(
    boss: Client, running: Cluster
) -> None:
    text = shown(boss.get(page(running, "change")))
    assert 'name="node_type"' not in text and 'name="max_size"' in text
    values = {"size": "4", "max_size": "9", "budget": "20", "node_type": "x9.huge", "name": "new"}
    assert boss.post(page(running, "change"), values)["Location"] == page(running)
    running.refresh_from_db()
    assert (running.max_size, running.budget) == (9, 20)
    assert (running.node_type, running.name) == ("c7a.2xlarge", "alps")
    refused = boss.post(page(running, "change"), values | {"max_size": "2"})
    assert refused.status_code == 200 and "not between" in shown(refused)


def test_the_list_tells_state_size_and_cost(
    boss: Client, running: Cluster, account: CloudAccount
) -> None:
    clusters.save(Cluster(account=account, name="fens"), None)
    Cluster.objects.filter(pk=running.pk).update(state="FAI", message=HOSTILE)
    text = shown(boss.get(CLUSTERS))
    assert f'<a href="{page(running)}">alps</a>' in text
    assert "US$&nbsp;2.00" in text and "of 4" in text and "Failed" in text and "Prepared" in text
    assert "<script>alert" not in text
    with CaptureQueriesContext(connection) as few:
        boss.get(CLUSTERS)
    for number in range(30):
        clusters.save(Cluster(account=account, name=f"more-{number}"), None)
    with CaptureQueriesContext(connection) as many:
        boss.get(CLUSTERS)
    assert len(many) == len(few) <= 12


def test_the_overview_tells_state_size_and_cost(boss: Client, running: Cluster) -> None:
    text = shown(boss.get("/compute/"))
    assert f'<a href="{page(running)}">alps</a>' in text
    assert "5 machines of 4" in text and "US$&nbsp;2.00" in text and "Prices of" in text


def test_idle_clusters_tell_when_they_are_stopped(boss: Client, running: Cluster) -> None:
    Cluster.objects.filter(pk=running.pk).update(
        idle_minutes=30, idle_since=timezone.now() - timedelta(minutes=10)
    )
    text = shown(boss.get(page(running)))
    assert "idle; it is stopped" in text and "data-busy" not in text
    Cluster.objects.filter(pk=running.pk).update(state="STO", looked_at=timezone.now())
    text = shown(boss.get(page(running)))
    assert "it starts when a job comes" in text and "data-busy" not in text
    assert f'href="{page(running, "start")}"' in text


def test_the_default_cluster_tells_why_it_stays(boss: Client, running: Cluster) -> None:
    Setting.objects.update_or_create(part="cluster", defaults={"default_cluster": running})
    assert "is the default cluster" in shown(boss.get(page(running, "delete")))
