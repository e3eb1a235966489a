"""Actions on many jobs at once: foreseen for each, done once for each, resumed, cancelled."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.errors import IllegalTransition, LeaseLost
from oceanid.models import AuditEvent, BulkAction, BulkResult, Job, JobEvent, JobShare, ShareRight
from oceanid.services import bulk_actions, leases, listing, policy
from oceanid.services import jobs as wishes
from oceanid.services.asked import Asked
from oceanid.services.leases import Hold
from tests.integration.web.conftest import MakeJob, finish

pytestmark = pytest.mark.django_db
RUNNING: dict[str, Any] = {"type": "CONDOR", "state": "RUN", "wanted": "RUN", "spec": {"a": 1}}
ENDED: dict[str, Any] = RUNNING | {"state": "COM"}


def begin(hold: Hold, action: BulkAction) -> None:
    """Do what the supervisor does until some jobs are done."""
    while not outcomes(action):
        bulk_actions.advance(hold, action.pk)


def ask(client: Client, verb: str, address: str = "?scope=mine", **form: Any) -> BulkAction:
    """What the list's form does; the action that it leads to."""
    answer = client.post(f"/compute/jobs/bulk/{address}", {"verb": verb, **form})
    assert answer.status_code == 302
    return BulkAction.objects.get(uuid=answer["Location"].rstrip("/").rpartition("/")[2])


def page(client: Client, action: BulkAction, query: str = "") -> str:
    answer = client.get(f"/compute/bulk/{action.uuid}/{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def outcomes(action: BulkAction) -> dict[int, str]:
    return dict(BulkResult.objects.filter(action=action).values_list("job_id", "outcome"))


def test_nothing_happens_before_it_is_confirmed_and_each_fate_is_foreseen(
    client: Client, owner: User, member: User, team: Group, make_job: MakeJob, hold: Hold
) -> None:
    running = [make_job(f"run {n}", **RUNNING) for n in range(3)]
    ended, draft = make_job("ended", **ENDED), make_job("draft", type="CONDOR")
    stopping = make_job("stopping", **RUNNING | {"wanted": "STO"})
    deleting = make_job("deleting", **RUNNING | {"wanted": "DEL"})
    everyone = [*running, ended, draft, stopping, deleting]
    client.force_login(owner)
    action = ask(client, "stop", ids=[job.pk for job in everyone])
    text = page(client, action)
    for words in (
        '<strong class="o-num">4</strong> will be stopped',
        '<strong class="o-num">1</strong> has already ended',
        '<strong class="o-num">1</strong> is being stopped already',
        '<strong class="o-num">1</strong> is being deleted already',
        "Stop: 4 jobs",
    ):
        assert words in text
    assert not bulk_actions.advance(hold, action.pk)
    assert not JobEvent.objects.exists()
    client.post(f"/compute/bulk/{action.uuid}/do/confirm/")
    finish(hold, action)
    assert action.state == "DON"
    assert outcomes(action) == {
        **{job.pk: "done" for job in (*running, draft)},
        ended.pk: "ended",
        stopping.pk: "stopping",
        deleting.pk: "deleting",
    }
    assert set(Job.objects.filter(pk__in=[j.pk for j in running]).values_list("wanted")) == {
        ("STO",)
    }
    assert JobEvent.objects.filter(actor=owner).count() == 4
    text = page(client, action)
    assert '<strong class="o-num">4</strong> were asked to stop' in text
    assert "draft" not in page(client, action, "?outcome=ended")


def test_what_is_seen_but_not_ones_own_is_not_touched(
    client: Client, staff: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job(**RUNNING)
    client.force_login(staff)
    action = ask(client, "stop", "?scope=all", whole="1")
    assert "is not yours to act on" in page(client, action)
    bulk_actions.confirm(action)
    finish(hold, action)
    assert outcomes(action) == {job.pk: "not-yours"}
    job.refresh_from_db()
    assert job.wanted == "RUN"


def test_what_is_not_even_seen_is_not_there(
    client: Client, other: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job("Xk9 of another", **RUNNING)
    client.force_login(other)
    action = ask(client, "delete", ids=[job.pk, 10**17])
    assert job.name not in page(client, action)
    bulk_actions.confirm(action)
    finish(hold, action)
    assert outcomes(action) == {job.pk: "gone", 10**17: "gone"}
    assert Job.objects.get().wanted == "RUN"
    assert (
        client.post("/compute/jobs/bulk/?scope=all", {"verb": "stop", "whole": "1"}).status_code
        == 403
    )


def test_group_members_act_on_what_is_shared(
    client: Client, member: User, team: Group, make_job: MakeJob, hold: Hold
) -> None:
    shared = make_job(**RUNNING)
    shared.groups.add(team)
    client.force_login(member)
    action = ask(client, "stop", "?scope=groups", whole="1")
    bulk_actions.confirm(action)
    finish(hold, action)
    assert outcomes(action) == {shared.pk: "done"}


def test_the_audit_history_tells_who_did_it_and_from_where(
    client: Client, owner: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job("one", **RUNNING)
    client.force_login(owner)
    action = ask(client, "stop", ids=[job.pk])
    assert not AuditEvent.objects.exists()
    client.post(f"/compute/bulk/{action.uuid}/do/confirm/")
    finish(hold, action)
    rows = AuditEvent.objects.order_by("pk").values_list("person", "origin", "verb", "kind")
    assert list(rows) == [("olga", "page", "stop", "bulkaction"), ("olga", "page", "stop", "job")]


@pytest.mark.parametrize("right", list(ShareRight))
@pytest.mark.parametrize("by_group", [True, False])
def test_the_right_of_a_share_decides(
    member: User, team: Group, make_job: MakeJob, right: ShareRight, by_group: bool
) -> None:
    job, another = make_job(**RUNNING), make_job(**RUNNING)
    theirs: dict[str, Any] = {"group": team} if by_group else {"user": member}
    JobShare.objects.create(job=job, right=right, at=timezone.now(), **theirs)
    allowed = policy.acting_among(member, [job.pk, another.pk])
    assert (job.pk in allowed) is policy.may(member, "act", job) is (right == ShareRight.ACT)
    assert another.pk not in allowed
    member.is_active = False
    assert not policy.acting_among(member, [job.pk])


@pytest.fixture
def large(owner: User, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """300 jobs where more than 20 count as very many, looked at and done in small portions."""
    monkeypatch.setattr(listing, "COUNT_LIMIT", 20)
    monkeypatch.setattr(bulk_actions, "LOOKED_AT_ONCE", 37)
    monkeypatch.setattr(bulk_actions, "APPLIED_AT_ONCE", 10)
    states = ("RUN", "COM", "PEN")
    rows = [
        Job(user=owner, name=f"job {n}", name_key=f"job {n}", creation_time=timezone.now(),
            **RUNNING | {"state": states[n % 3], "wanted": "DRA" if n % 3 == 2 else "RUN"},
            app="floods" if n % 2 else "hymod")
        for n in range(300)
    ]  # fmt: skip
    return Job.objects.bulk_create(rows)


def test_a_whole_filter_is_counted_and_done_in_portions_each_job_once(
    client: Client, owner: User, large: list[Job], hold: Hold
) -> None:
    client.force_login(owner)
    action = ask(client, "stop", "?app=floods&since=24h", whole="1")
    assert action.state == "CNT" and "Counting" in page(client, action)
    later = Job.objects.create(user=owner, name="later", app="floods", **RUNNING,
                               creation_time=timezone.now())  # fmt: skip
    finish(hold, action)
    assert action.state == "RDY"
    assert action.foreseen == {"done": 100, "ended": 50}
    assert "Stop: 100 jobs" in page(client, action)
    bulk_actions.confirm(action)
    finish(hold, action)
    expected = [job.pk for job in large if job.app == "floods"]
    assert sorted(outcomes(action)) == expected
    assert action.outcomes == {"done": 100, "ended": 50}
    later.refresh_from_db()
    assert later.wanted == "RUN"
    assert JobEvent.objects.filter(kind="intent").count() == 50


def test_a_crash_in_the_middle_leaves_nothing_undone_and_does_nothing_twice(
    owner: User, large: list[Job], hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = bulk_actions.on_all(owner, "stop", Asked())
    finish(hold, action)
    bulk_actions.confirm(action)
    real, calls = wishes.stop, []

    def fails(job: Job, **given: Any) -> None:
        calls.append(job.pk)
        if len(calls) in (5, 27, 61):
            raise SystemExit("killed")
        real(job, **given)

    monkeypatch.setattr(wishes, "stop", fails)
    for _ in range(3):
        with pytest.raises(SystemExit):
            finish(hold, action)
    finish(hold, action)
    assert sorted(outcomes(action)) == [job.pk for job in large]
    events = JobEvent.objects.filter(kind__in=["intent", "state"]).values_list("job_id", flat=True)
    assert len(events) == len(set(events)) == 200


def test_one_job_that_fails_oddly_keeps_none_waiting(
    owner: User, large: list[Job], hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = wishes.stop

    def odd(job: Job, **given: Any) -> None:
        real(job, **given)
        if job.pk == large[3].pk:
            raise RuntimeError("odd")

    monkeypatch.setattr(wishes, "stop", odd)
    action = bulk_actions.on_all(owner, "stop", Asked())
    finish(hold, action)
    bulk_actions.confirm(action)
    finish(hold, action)
    assert outcomes(action)[large[3].pk] == "refused"
    assert action.outcomes["done"] == 199
    large[3].refresh_from_db()
    assert large[3].wanted == "RUN"  # what it had begun was taken back


def test_whoever_lost_the_lease_changes_nothing(owner: User, large: list[Job], hold: Hold) -> None:
    action = bulk_actions.on_all(owner, "stop", Asked())
    leases.release(hold)
    assert leases.acquire("house", uuid.uuid4(), ttl_s=600)
    with pytest.raises(LeaseLost):
        bulk_actions.advance(hold, action.pk)
    action.refresh_from_db()
    assert (action.cursor, action.foreseen) == (0, {})


def test_it_is_cancelled_where_it_is_and_begins_only_once(
    client: Client, owner: User, large: list[Job], hold: Hold
) -> None:
    client.force_login(owner)
    action = ask(client, "stop", whole="1")
    finish(hold, action)
    bulk_actions.confirm(action)
    with pytest.raises(IllegalTransition):
        bulk_actions.confirm(action)
    begin(hold, action)
    client.post(f"/compute/bulk/{action.uuid}/do/cancel/")
    assert not bulk_actions.advance(hold, action.pk)
    assert 0 < len(outcomes(action)) <= 10
    assert "What was done before stays done" in page(client, action)
    bulk_actions.cancel(action)
    assert action.state == "CAN"


def test_a_right_that_was_lost_ends_it(
    staff: User, owner: User, large: list[Job], hold: Hold
) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="act_on_all_jobs"))
    staff = User.objects.get(pk=staff.pk)
    action = bulk_actions.on_all(staff, "stop", Asked(scope="all"))
    finish(hold, action)
    bulk_actions.confirm(action)
    begin(hold, action)
    staff.user_permissions.clear()
    finish(hold, action)
    assert action.state == "FAI" and "permission" in action.message
    assert 0 < len(outcomes(action)) <= 10


@pytest.mark.parametrize(
    ("verb", "fields", "foreseen"),
    [
        ("pause", RUNNING, "done"),
        ("pause", RUNNING | {"wanted": "PAU"}, "already"),
        ("pause", RUNNING | {"scheduler": None}, "unable"),
        ("pause", ENDED, "ended"),
        ("pause", {"type": "CONDOR"}, "unstarted"),
        ("resume", RUNNING, "already"),
        ("resume", RUNNING | {"wanted": "PAU", "state": "PAS"}, "done"),
        ("resume", RUNNING | {"state": "HLD"}, "done"),
        ("resume", RUNNING | {"wanted": "STO"}, "stopping"),
        ("resubmit", RUNNING, "underway"),
        ("resubmit", {"type": "CONDOR"}, "unstarted"),
        ("resubmit", {"type": "BASIC", "state": "COM"}, "unable"),
        ("resubmit", ENDED | {"attributes": {"executable": "/no/such/file"}}, "refused"),
        ("delete", RUNNING, "done"),
        ("delete", {"type": "CONDOR"}, "done"),
        ("delete", RUNNING | {"wanted": "DEL"}, "deleting"),
    ],
)
def test_what_is_foreseen_is_what_comes(
    owner: User, make_job: MakeJob, hold: Hold, verb: str, fields: dict[str, Any], foreseen: str
) -> None:
    job = make_job("x" * 300, **fields)
    action = bulk_actions.on_these(owner, verb, [job.pk])
    if foreseen != "refused":
        assert action.foreseen == {foreseen: 1}
    bulk_actions.confirm(action)
    finish(hold, action)
    assert outcomes(action) == {job.pk: foreseen}


def test_a_resubmission_that_is_refused_says_why(
    client: Client, owner: User, make_job: MakeJob, hold: Hold
) -> None:
    make_job(**ENDED | {"spec": {}, "attributes": {"executable": "/no/such/<file>"}})
    client.force_login(owner)
    action = ask(client, "resubmit", whole="1")
    bulk_actions.confirm(action)
    finish(hold, action)
    assert "&lt;file&gt;" in page(client, action)


@pytest.mark.parametrize("form", [{}, {"verb": "stop"}, {"verb": "execute", "whole": "1"},
                                  {"verb": "stop", "ids": ["x", "-1"]}])  # fmt: skip
def test_a_form_that_can_not_be_used_is_told(
    client: Client, owner: User, make_job: MakeJob, form: dict[str, Any]
) -> None:
    make_job(**RUNNING)
    client.force_login(owner)
    text = client.post("/compute/jobs/bulk/", form, follow=True).content.decode()
    assert 'data-kind="error"' in text
    assert not BulkAction.objects.exists()


def test_a_request_costs_the_same_for_very_many(
    client: Client, owner: User, large: list[Job], hold: Hold
) -> None:
    client.force_login(owner)

    def counted() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            action = ask(client, "stop", "?status=Running", whole="1")
        finish(hold, action)
        with CaptureQueriesContext(connection) as shown:
            page(client, action)
        return len(asked), len(shown)

    before = counted()
    rows = [Job(user=owner, name="m", creation_time=timezone.now(), **RUNNING) for _ in range(400)]
    Job.objects.bulk_create(rows)
    assert counted() == before
    assert max(before) <= 16


def test_the_preview_and_the_results_are_read_page_by_page(
    client: Client, owner: User, large: list[Job], hold: Hold
) -> None:
    client.force_login(owner)
    action = ask(client, "stop", whole="1")
    finish(hold, action)

    def walked() -> list[str]:
        address, seen = "", []
        while True:
            text = page(client, action, address)
            seen += re.findall(r'class="o-sub">#(\d+)', text)
            following = re.search(r'href="(\?after=[^"]*)">Next', text)
            if following is None:
                return seen
            address = following[1].replace("&amp;", "&")

    assert walked() == [str(job.pk) for job in reversed(large)]
    bulk_actions.confirm(action)
    finish(hold, action)
    assert walked() == [str(job.pk) for job in large]


def test_what_was_never_confirmed_or_ended_long_ago_is_forgotten(
    owner: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job(**RUNNING)
    kept, unconfirmed, old = (bulk_actions.on_these(owner, "stop", [job.pk]) for _ in range(3))
    bulk_actions.confirm(old)
    finish(hold, old)
    now = timezone.now()
    BulkAction.objects.filter(pk=unconfirmed.pk).update(created_at=now - bulk_actions.KEPT)
    BulkAction.objects.filter(pk=old.pk).update(ended_at=now - 2 * bulk_actions.KEPT)
    bulk_actions.forget(hold)
    assert list(BulkAction.objects.all()) == [kept]
    assert not BulkResult.objects.exists()
