"""The section of the site admin."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oceanid.models import AuditEvent, BulkAction, Job, Scheduler
from oceanid.services import bulk_actions, sifting
from oceanid.services.leases import Hold
from tests.integration.web.conftest import MakeJob, finish

pytestmark = pytest.mark.django_db


def test_a_list_of_a_hundred_jobs_takes_as_many_queries_as_one_of_two(
    boss: Client, make_job: MakeJob
) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert boss.get("/admin/oceanid/job/").status_code == 200
        assert not [each for each in captured if each["sql"].startswith("UPDATE")]
        return len(captured)

    make_job(), make_job()
    counted()
    few = counted()
    for number in range(100):
        make_job(f"job {number}", user=User.objects.create_user(f"u{number}"))
    assert counted() == few


def test_jobs_are_found_and_shown_but_neither_made_nor_edited(
    boss: Client, make_job: MakeJob
) -> None:
    job = make_job("<b>Wanted</b>", app="floods", state="ERR")
    make_job("another")
    for query in (
        "q=%3Cb%3Ewan",
        f"q={job.pk}",
        "status=ERR",
        "app=floods",
        "since=24h&status=ERR",
    ):
        text = boss.get(f"/admin/oceanid/job/?{query}").content.decode()
        assert "&lt;b&gt;Wanted&lt;/b&gt;" in text and "another" not in text
    assert boss.get("/admin/oceanid/job/add/").status_code == 403
    page = f"/admin/oceanid/job/{job.pk}/change/"
    assert boss.get(page).status_code == 200
    assert boss.post(page, {"name": "x"}).status_code == 403
    assert boss.post(f"/admin/oceanid/job/{job.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("few", [1, 4000])
def test_filters_together_leave_what_a_plain_query_leaves(
    boss: Client, many_jobs: list[Job], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(sifting, "FEW", few)  # whichever filter leads, or none
    scheduler = Scheduler.objects.create(name="campus")
    Job.objects.filter(pk__in=[job.pk for job in many_jobs[::3]]).update(scheduler=scheduler)
    Job.objects.filter(pk=many_jobs[0].pk).update(state="OTH", custom_status="Half-way")
    filters = {"app": "floods", "status": "ERR", "scheduler": "campus", "q": many_jobs[0].name[:3]}
    columns = {"app": "app", "status": "state", "scheduler": "scheduler__name"}
    for names in itertools.chain(*(itertools.combinations(filters, size) for size in (1, 2, 3, 4))):
        asked = {name: filters[name] for name in names}
        expected = Job.objects.filter(**{columns[n]: filters[n] for n in names if n != "q"})
        if "q" in names:
            expected = expected.filter(name_key__startswith=filters["q"].casefold())
        assert found(boss, asked) == list(
            expected.order_by("-id").values_list("pk", flat=True)[:100]
        ), asked
    assert found(boss, {"status": "OTH"}) == [many_jobs[0].pk]


def found(boss: Client, asked: dict[str, str]) -> list[int]:
    """The numbers of the jobs that the list shows, in order."""
    text = boss.get("/admin/oceanid/job/", asked).content.decode()
    return [int(number) for number in re.findall(r'name="_selected_action" value="(\d+)"', text)]


def test_actions_show_what_they_would_do_and_then_what_came_of_each(
    boss: Client, make_job: MakeJob, hold: Hold
) -> None:
    running = make_job("one", type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    ended = make_job("two", type="CONDOR", state="COM", wanted="RUN", spec={"a": 1})
    data = {"action": "stop", "_selected_action": [running.pk, ended.pk]}
    page = boss.post("/admin/oceanid/job/", data)["Location"]
    text = boss.get(page).content.decode()
    assert "will be stopped" in text and "has already ended" in text and "Stop: 1 job" in text
    running.refresh_from_db()
    assert running.wanted == "RUN"
    assert boss.post(page, {"do": "confirm"}).status_code == 302
    assert 'http-equiv="refresh"' in boss.get(page).content.decode()
    finish(hold, BulkAction.objects.get())
    running.refresh_from_db()
    assert running.wanted == "STO"
    text = boss.get(page).content.decode()
    assert "was asked to stop" in text and 'http-equiv="refresh"' not in text
    assert "two" not in boss.get(f"{page}?outcome=done").content.decode()
    assert AuditEvent.objects.filter(verb="stop", origin="admin", object_name="one").exists()


def test_an_action_on_all_that_the_filters_leave(
    boss: Client, many_jobs: list[Job], hold: Hold
) -> None:
    address = "/admin/oceanid/job/?app=floods&status=ERR"
    data = {"action": "delete", "_selected_action": [many_jobs[0].pk], "select_across": "1"}
    boss.post(boss.post(address, data)["Location"], {"do": "confirm"})
    action = BulkAction.objects.get()
    finish(hold, action)
    assert action.outcomes == {"done": Job.objects.filter(app="floods", state="ERR").count() or 13}
    assert not Job.objects.exclude(wanted="DEL").filter(app="floods", state="ERR").exists()


def test_somebody_elses_action_is_not_there(
    client: Client, owner: User, administrator: User, make_job: MakeJob
) -> None:
    action = bulk_actions.on_these(owner, "stop", [make_job().pk])
    client.force_login(administrator)
    page = f"/admin/oceanid/job/bulk/{action.uuid}/"
    assert client.get(page).status_code == 404
    assert client.post(page, {"do": "confirm"}).status_code == 404


def test_jobs_of_a_user_are_found_by_the_name_without_a_list_of_all(
    boss: Client, owner: User, other: User, make_job: MakeJob
) -> None:
    own, strange = make_job("own", state="ERR"), make_job("strange", user=other, state="ERR")
    make_job("running", state="RUN")
    text = boss.get("/admin/oceanid/job/?status=ERR&user=olga&q=o").content.decode()
    assert found(boss, {"user": "olga", "status": "ERR"}) == [own.pk]
    assert found(boss, {"user": "otto"}) == [strange.pk]
    assert found(boss, {"user": "nobody"}) == []
    assert '<input type="hidden" name="status" value="ERR">' in text
    assert '<input type="hidden" name="q" value="o">' in text
    assert "otto" not in text


def test_what_the_filters_leave_is_exported(
    boss: Client, client: Client, many_jobs: list[Job], other: User
) -> None:
    query = "app=floods&status=ERR&user=olga"
    expected = Job.objects.filter(app="floods", state="ERR").order_by("-pk")
    text = boss.get(f"/admin/oceanid/job/?{query}").content.decode().replace("&amp;", "&")
    assert f"/admin/oceanid/job/export/?{query}&format=csv" in text
    answer = boss.get(f"/admin/oceanid/job/export/?{query}&format=json")
    rows = json.loads(b"".join(answer))  # type: ignore[arg-type]
    assert [row["id"] for row in rows] == list(expected.values_list("pk", flat=True))
    assert boss.get("/admin/oceanid/job/export/?format=exe").status_code == 404
    client.force_login(other)
    assert client.get("/admin/oceanid/job/export/").status_code == 302


def test_staff_without_the_permission_to_act_are_refused(
    client: Client, staff: User, make_job: MakeJob
) -> None:
    job = make_job(type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    client.force_login(staff)
    client.post("/admin/oceanid/job/", {"action": "stop", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert job.wanted == "RUN"


def test_a_schedulers_secrets_go_in_and_never_come_out(boss: Client) -> None:
    values = {"name": "pool", "engine": "local", "config": "{}", "enabled": "on"}
    added = boss.post(
        "/admin/oceanid/scheduler/add/", values | {"new_secrets": '{"password": "Xk9-secret"}'}
    )
    assert added.status_code == 302
    pool = Scheduler.objects.get(name="pool")
    assert pool.secrets == {"password": "Xk9-secret"}
    page = f"/admin/oceanid/scheduler/{pool.pk}/change/"
    text = boss.get(page).content.decode()
    assert "Xk9-secret" not in text and "password" in text
    assert boss.post(page, values | {"new_secrets": ""}).status_code == 302
    pool.refresh_from_db()
    assert pool.secrets == {"password": "Xk9-secret"}
    history = boss.get(f"/admin/oceanid/scheduler/{pool.pk}/history/").content.decode()
    assert "Xk9-secret" not in history


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("config", "[1]", "A JSON object is needed"),
        ("config", "{", "valid JSON"),
        ("new_secrets", '"x"', "A JSON object is needed"),
        ("engine", "nowhere", "not one of the available choices"),
    ],
)
def test_a_form_tells_what_is_wrong(boss: Client, field: str, value: str, told: str) -> None:
    values = {"name": "pool", "engine": "local", "config": "{}", "enabled": "on", field: value}
    assert told in boss.post("/admin/oceanid/scheduler/add/", values).content.decode()


def test_a_scheduler_with_jobs_stays(boss: Client, make_job: MakeJob, local: Scheduler) -> None:
    make_job()
    assert (
        boss.post(f"/admin/oceanid/scheduler/{local.pk}/delete/", {"post": "y"}).status_code == 403
    )
    assert Job.objects.exists()
