"""Every change by a person is in the audit history, which is read, searched, and never changed."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from oceanid.errors import OceanidError
from oceanid.models import AuditEvent, BulkAction, Job, Scheduler
from oceanid.services import audit, jobs
from oceanid.services.leases import Hold
from tests.integration.web.conftest import MakeJob, finish

pytestmark = pytest.mark.django_db
LIST = "/admin/oceanid/auditevent/"
NO_ACCOUNTS = {"accounts-TOTAL_FORMS": "0", "accounts-INITIAL_FORMS": "0"}


def told() -> list[tuple[str, str, str, str]]:
    """What is in the history, the oldest first."""
    rows = AuditEvent.objects.order_by("id")
    return [(each.person, each.verb, each.kind, each.origin) for each in rows]


def streamed(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_what_is_done_to_a_scheduler_is_told_field_by_field(boss: Client, team: Group) -> None:
    values = {
        "name": "pool", "engine": "local", "enabled": "on", "config": '{"cpus": 2}',
        "password": "Xk9-secret", "groups": [str(team.pk)],
    }  # fmt: skip
    assert boss.post("/admin/oceanid/scheduler/add/", values | NO_ACCOUNTS).status_code == 302
    pool = Scheduler.objects.get(name="pool")
    page = f"/admin/oceanid/scheduler/{pool.pk}/change/"
    changed = values | NO_ACCOUNTS | {"config": '{"cpus": 3}', "password": "Xk9-other"}
    assert boss.post(page, changed | {"groups": []}).status_code == 302
    event = AuditEvent.objects.get(verb="change")
    assert {(c["field"], c["before"], c["after"]) for c in event.changes} == {
        ("config.cpus", "2", "3"),
        ("secrets.password", "(set)", "(set)"),
        ("groups", '["hydrologists"]', "[]"),
    }
    before = AuditEvent.objects.count()
    boss.post(page, changed | {"groups": [], "password": ""})
    assert AuditEvent.objects.count() == before, "nothing was different"
    boss.post(f"/admin/oceanid/scheduler/{pool.pk}/check/")
    boss.post(f"/admin/oceanid/scheduler/{pool.pk}/delete/", {"post": "yes"})
    assert told() == [
        ("ada", verb, "scheduler", "admin") for verb in ("add", "change", "test", "delete")
    ]
    everything = str(list(AuditEvent.objects.values()))
    assert "Xk9" not in everything


def test_peoples_own_accounts_are_told_too(boss: Client, owner: User) -> None:
    pool = Scheduler.objects.create(name="pool", engine="pool")
    page = f"/admin/oceanid/scheduler/{pool.pk}/change/"
    values = {"name": "pool", "engine": "pool", "enabled": "on", "config": "{}"}
    account = {
        "accounts-TOTAL_FORMS": "1", "accounts-INITIAL_FORMS": "0",
        "accounts-0-person": str(owner.pk), "accounts-0-user": "own", "accounts-0-enabled": "on",
    }  # fmt: skip
    assert boss.post(page, values | account).status_code == 302
    event = AuditEvent.objects.get(verb="add")
    assert event.object_name == "pool (olga)"
    assert {"field": "config.user", "before": "", "after": "own"} in event.changes
    own = Scheduler.objects.get(parent=pool)
    account |= {"accounts-INITIAL_FORMS": "1", "accounts-0-id": str(own.pk)}
    assert boss.post(page, values | account | {"accounts-0-DELETE": "on"}).status_code == 302
    assert AuditEvent.objects.get(verb="delete").object_name == "pool (olga)"


def test_what_a_person_asks_of_a_job_is_told_once_and_outlives_the_job(
    client: Client, owner: User, administrator: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job("flood", type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    client.force_login(owner)
    client.post(f"/compute/jobs/{job.pk}/do/stop/")
    client.post(f"/compute/jobs/{job.pk}/do/stop/")
    client.force_login(administrator)
    data = {"action": "delete", "_selected_action": [job.pk]}
    action = client.post("/admin/oceanid/job/", data)
    client.post(action["Location"], {"do": "confirm"})
    finish(hold, BulkAction.objects.get())
    Job.objects.filter(pk=job.pk).delete()
    assert told() == [
        ("olga", "stop", "job", "page"),
        ("ada", "delete", "bulkaction", "admin"),
        ("ada", "delete", "job", "admin"),
    ]
    assert {each.object_name for each in AuditEvent.objects.filter(kind="job")} == {"flood"}
    owner.delete()
    assert AuditEvent.objects.filter(person="olga", actor=None).exists()


def test_what_no_person_does_is_no_part_of_it(make_job: MakeJob) -> None:
    job = make_job("flood", type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    jobs.stop(job)
    jobs.delete(job)
    assert told() == []


def test_what_was_refused_is_not_told(owner: User, make_job: MakeJob) -> None:
    job = make_job("flood", type="CONDOR", state="RUN", wanted="RUN", spec={"a": 1})
    with pytest.raises(OceanidError):
        jobs.resubmit(job, actor=owner)
    assert told() == []


def test_nobody_can_add_change_or_delete_a_row(boss: Client, administrator: User) -> None:
    audit.write(administrator, "add", audit.Thing("cluster", "1", "<b>alps</b>"))
    event = AuditEvent.objects.get()
    page = f"{LIST}{event.pk}/change/"
    assert "&lt;b&gt;alps&lt;/b&gt;" in boss.get(page).content.decode()
    assert boss.get(f"{LIST}add/").status_code == 403
    assert boss.post(page, {"person": "x"}).status_code == 403
    assert boss.post(f"{LIST}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    boss.post(LIST, data)
    assert AuditEvent.objects.filter(person="ada").count() == 1
    event.person = "eve"
    with pytest.raises(TypeError):
        event.save()
    codenames = Permission.objects.filter(content_type__model="auditevent")
    assert list(codenames.values_list("codename", flat=True)) == ["view_auditevent"]


def test_who_lacks_the_permission_sees_nothing_of_it(client: Client, staff: User) -> None:
    client.force_login(staff)
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}export/").status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    assert client.get(LIST).status_code == 200
    assert client.get(f"{LIST}export/").status_code == 200


@pytest.fixture
def history(administrator: User, owner: User) -> None:
    audit.write(administrator, "add", audit.Thing("cluster", "7", "Alps"))
    audit.write(owner, "stop", audit.Thing("job", "7", "=cmd|' /C calc'!A0"))
    audit.write(owner, "delete", audit.Thing("job", "8", "ülme"), note="Away.")
    change = {"field": "size", "before": "1", "after": "-2"}
    audit.write(administrator, "change", audit.Thing("cluster", "7", "Alps"), changes=[change])
    AuditEvent.objects.filter(object_id="8").update(at=timezone.now() - timedelta(days=3))


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ("", ["change", "delete", "stop", "add"]),
        ("q=olga", ["delete", "stop"]),
        ("q=%237", ["change", "stop", "add"]),
        ("q=7", ["change", "stop", "add"]),
        ("q=aLp", ["change", "add"]),
        ("q=ÜL", ["delete"]),
        ("q=nothing", []),
        ("verb=stop", ["stop"]),
        ("kind=cluster&verb=add", ["add"]),
        ("since=24h&kind=job", ["delete", "stop"]),
        ("q=99999999999999999999999999", []),
        ("q=%F0%9F%8C%8A", []),
    ],
)
def test_it_is_searched_by_person_thing_and_time(
    boss: Client, history: None, query: str, verbs: list[str]
) -> None:
    if "since" in query:  # time goes on as the numbers do
        AuditEvent.objects.filter(verb="add").update(at=timezone.now() - timedelta(days=3))
        AuditEvent.objects.filter(object_id="8").update(at=timezone.now())
    assert boss.get(f"{LIST}?{query}").status_code == 200
    rows = list(csv.DictReader(io.StringIO(streamed(boss.get(f"{LIST}export/?{query}")))))
    assert [row["did"] for row in rows] == verbs


def test_no_cell_of_the_export_is_a_formula(boss: Client, history: None) -> None:
    answer = boss.get(f"{LIST}export/")
    assert answer["Content-Disposition"] == 'attachment; filename="oceanid-audit.csv"'
    rows = list(csv.reader(io.StringIO(streamed(answer))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert "'=cmd|' /C calc'!A0" in rows[3]


def test_the_list_takes_as_many_queries_for_many_rows_as_for_few(
    boss: Client, administrator: User
) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert boss.get(LIST).status_code == 200
        return len(captured)

    audit.write(administrator, "add", audit.Thing("cluster", "7", "Alps"))
    counted()
    few = counted()
    many = [audit.Thing("job", str(number), f"job {number}") for number in range(3000)]
    audit.write_many(administrator, "stop", many)
    assert counted() == few
    assert streamed(boss.get(f"{LIST}export/")).count("\n") == 3002


def test_rows_past_their_time_go_and_only_those(history: None, settings: Settings) -> None:
    assert audit.retain() == 0
    settings.OCEANID = {**settings.OCEANID, "RETENTION": {"AUDIT_DAYS": 2}}
    assert audit.retain() == 1
    assert not AuditEvent.objects.filter(object_id="8").exists()
    assert AuditEvent.objects.count() == 3
