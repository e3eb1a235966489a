"""The section of the site admin."""

from __future__ import annotations

import itertools
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oceanid.models import Job, Scheduler
from oceanid.services import sifting
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


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


def test_bulk_actions_are_wishes_and_each_refusal_is_told(boss: Client, make_job: MakeJob) -> None:
    running = make_job(type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    ended = make_job(type="CONDOR", state="COM", wanted="RUN", spec={"a": 1})
    data = {"action": "stop", "_selected_action": [running.pk, ended.pk]}
    assert boss.post("/admin/oceanid/job/", data, follow=True).status_code == 200
    running.refresh_from_db()
    assert running.wanted == "STO"
    data = {"action": "resubmit", "_selected_action": [running.pk]}
    text = boss.post("/admin/oceanid/job/", data, follow=True).content.decode()
    assert f"#{running.pk}:" in text


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
