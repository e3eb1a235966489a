"""What the buttons of a table of jobs do, in any process, and for whom."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.jobs import CustomJobAction, JobsTable
from oceanid.models import Job
from tests.integration.web import table_actions
from tests.integration.web.conftest import MakeJob
from tests.integration.web.tables import ENDED, RUNNING, act, shown, source

pytestmark = pytest.mark.django_db
HERE = "tests.integration.web.table_actions"


def test_buttons_are_offered_where_they_make_sense(
    owner: User, staff: User, make_job: MakeJob
) -> None:
    make_job(**RUNNING)

    def enabled(user: User) -> set[str]:
        text = shown(user, JobsTable(app="floods", scope="all", monitor_url="oceanid:job"))
        return set(re.findall(r'<(?:button type="submit"|a href)[^>]*>([^<…]+)…?</', text))

    assert {"Pause", "Terminate", "Delete", "View logs", "Monitor job"} <= enabled(owner)
    assert not {"Run", "Resume", "Resubmit"} & enabled(owner)
    assert not {"Pause", "Terminate", "Delete"} & enabled(staff)
    Job.objects.update(state="COM")
    assert {"Resubmit", "Delete"} <= enabled(owner)
    assert not {"Pause", "Terminate", "Monitor job"} & enabled(owner)


def test_buttons_do_what_they_say_after_the_question(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job(**RUNNING)
    client.force_login(owner)
    table = JobsTable(app="floods")
    asked = act(client, table, job, "terminate")
    assert "Terminate this job?" in asked.content.decode()
    job.refresh_from_db()
    assert job.wanted == "RUN"
    done = act(client, table, job, "terminate", confirmed="1").json()
    assert done == {"done": True, "message": "The job will be stopped."}
    job.refresh_from_db()
    assert job.wanted == "STO"
    late = act(client, table, job, "pause").json()
    assert late == {"done": False, "message": "“Pause” is not possible now."}


def test_custom_actions_are_found_by_their_path_and_told(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job("a <i>", **ENDED)
    client.force_login(owner)
    table = JobsTable(
        app="floods",
        actions=[
            CustomJobAction("Note", table_actions.note, confirmation_message="Sure?"),
            ("Later", table_actions.note_later),
            ("Refuse", f"{HERE}.refuse"),
            {"label": "Break", "callback_or_url": table_actions.break_down},
            ("Method", "stop"),
        ],
    )
    table_actions.called.clear()
    assert b"Sure?" in act(client, table, job, "Note").content
    assert table_actions.called == []
    told = act(client, table, job, "Note", confirmed="1").json()
    assert told == {"done": True, "message": "Noted <b>a <i></b>."}
    assert act(client, table, job, "Later").json() == {"done": True, "message": "“Later”: done."}
    assert table_actions.called == [("note", job.pk), ("later", job.pk)]
    told = act(client, table, job, "Refuse").json()
    assert told == {"done": False, "message": "Not on a Sunday. Come back tomorrow."}
    told = act(client, table, job, "Break").json()
    assert not told["done"] and "Xk9" not in told["message"]
    assert act(client, table, job, "Method").json()["done"]


def test_without_scripts_a_button_leads_back_to_the_page(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job(**ENDED)
    client.force_login(owner)
    table = JobsTable(app="floods", actions=[("Note", table_actions.note)])
    address = source(shown(owner, table)).replace("/tables/", "/tables/act/")
    form = {"job": job.pk, "action": "0"}
    assert client.post(address, form | {"next": "/app/?x=1"})["Location"] == "/app/?x=1"
    away = client.post(address, form | {"next": "https://evil.example/"})
    assert away["Location"] == "/compute/jobs/"


def test_enabled_callbacks_decide_and_one_that_breaks_offers_nothing(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    jobs = [make_job(**ENDED), make_job(**ENDED)]
    client.force_login(owner)
    action = CustomJobAction("Note", table_actions.note, enabled_callback=table_actions.is_even)
    table = JobsTable(app="floods", actions=[action])
    text = shown(owner, table)
    assert len(re.findall('<button type="submit"', text)) == 1
    odd = next(job for job in jobs if job.pk % 2)
    told = act(client, table, odd, "Note").json()
    assert told == {"done": False, "message": "“Note” is not possible now."}


def test_addresses_of_monitor_results_and_dialogs(owner: User, make_job: MakeJob) -> None:
    job = make_job(**ENDED)
    table = JobsTable(
        app="floods",
        actions=["results", ("Path", "/x/{id}/y/"),
                 CustomJobAction("Dialog", modal_url="/x/{id}/details/")],
        results_url=table_actions.page_of,
    )  # fmt: skip
    text = shown(owner, table)
    for address in (f"/somewhere/{job.uuid}/", f"/x/{job.pk}/y/"):
        assert f'href="{address}"' in text
    assert f'data-jt-modal="/x/{job.pk}/details/"' in text


def test_nobody_does_anything_to_what_is_not_theirs(
    client: Client, owner: User, other: User, staff: User, make_job: MakeJob
) -> None:
    job = make_job(**RUNNING)
    table = JobsTable(app="floods", scope="all", actions=["terminate", ("Note", f"{HERE}.note")])
    table_actions.called.clear()
    for who, status in ((other, 404), (staff, 403)):
        client.force_login(who)
        for label in ("terminate", "Note"):
            assert act(client, table, job, label, confirmed="1").status_code == status
    job.refresh_from_db()
    assert job.wanted == "RUN" and table_actions.called == []
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    assert act(careful, table, job, "terminate", confirmed="1").status_code == 403
    client.force_login(owner)
    elsewhere = make_job("elsewhere", **RUNNING | {"app": "hymod"})
    assert act(client, table, elsewhere, "terminate", confirmed="1").status_code == 404


def test_logs_are_for_those_who_see_the_job(
    client: Client, owner: User, other: User, make_job: MakeJob
) -> None:
    job = make_job("with logs", **ENDED)
    address = source(shown(owner, JobsTable(app="floods"))).replace("/tables/", "/tables/logs/")
    client.force_login(owner)
    assert b"with logs" in client.get(f"{address}&job={job.pk}").content
    client.force_login(other)
    assert client.get(f"{address}&job={job.pk}").status_code == 404
