"""Status callbacks: signed, of one job's one attempt, POST only, bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from oceanid.jobs import CondorJob, Job, JobManager
from oceanid.services.callbacks import SALT
from oceanid.web import callback
from oceanid.web.callback import Meter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's calls are counted by themselves."""
    monkeypatch.setattr(callback, "meter", Meter())


@pytest.fixture
def job(jobs: JobManager, ann: User, true: dict[str, Any], settings: Any) -> CondorJob:
    """A job that runs."""
    settings.OCEANID = {**settings.OCEANID, "BASE_URL": "http://testserver"}
    made: CondorJob = jobs.create_job("x", ann, **true)
    made.execute()
    Job.objects.filter(pk=made.pk).update(state="RUN")
    return made


@pytest.fixture
def caller() -> Client:
    """Nobody who is logged in, and no token against forgery."""
    return Client(enforce_csrf_checks=True)


def test_a_job_tells_its_progress(job: CondorJob, caller: Client) -> None:
    body = {"progress": 40, "message": "half of it"}
    answer = caller.post(job.callback_url(), body, content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    caller.post(job.callback_url(), {"progress": "55.4"})
    again = Job.objects.get(pk=job.pk)
    assert (again.progress, again.status) == (55, "Running")
    caller.post(job.callback_url(), {"message": "only words 🌊"})
    again.refresh_from_db()
    assert (again.progress, again.progress_message) == (55, "only words 🌊")


def test_a_job_tells_a_custom_status_and_a_basic_one_any(
    job: CondorJob, caller: Client, jobs: JobManager, ann: User
) -> None:
    caller.post(job.callback_url(), {"status": "Calibrating", "message": "step 2"})
    again = Job.objects.get(pk=job.pk)
    assert (again.status, again.status_message) == ("Calibrating", "step 2")
    answer = caller.post(job.callback_url(), {"status": "Complete"})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal-transition")
    basic = jobs.create_job("b", ann, job_type="BASIC")
    basic.execute()
    url = basic.callback_url()
    assert caller.post(url, {"status": "Complete", "progress": 100}).status_code == 200
    assert Job.objects.get(pk=basic.pk).status == "Complete"
    assert caller.post(url, {"progress": 1}).status_code == 403


def test_only_posts_are_taken(job: CondorJob, caller: Client) -> None:
    for verb in ("get", "put", "delete", "patch", "head"):
        assert getattr(caller, verb)(job.callback_url()).status_code == 405
    assert caller.options(job.callback_url()).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"progress": -1}',
        b'{"progress": 101}',
        b'{"progress": true}',
        b'{"progress": "much"}',
        b'{"progress": NaN}',
        b'{"progress": [1]}',
        b'{"message": 7}',
        b'{"message": "\\u0000"}',
        b'{"message": "\\ud800"}',
        b'{"status": "two\\u001b[31m"}',
        b'{"user": "admin"}',
        json.dumps({"message": "x" * 3000}).encode(),
        json.dumps({"status": "x" * 256}).encode(),
    ],
)
def test_what_can_not_be_used_changes_nothing(job: CondorJob, caller: Client, body: bytes) -> None:
    answer = caller.post(job.callback_url(), body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["message"]
    again = Job.objects.get(pk=job.pk)
    assert (again.progress, again.status) == (None, "Running")


def test_a_large_body_is_not_read(job: CondorJob, caller: Client) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        answer = caller.post(job.callback_url(), b"x" * 20_000, content_type=kind)
        assert answer.status_code == 413


def test_forged_and_old_addresses_are_refused(
    job: CondorJob, caller: Client, settings: Any, jobs: JobManager
) -> None:
    url = job.callback_url()
    good = url.rstrip("/").rpartition("/")[2]
    tampered = good[:-1] + ("A" if good[-1] != "A" else "B")
    other = signing.dumps([str(job.uuid), 1], salt="another")
    shapes = [signing.dumps(shape, salt=SALT) for shape in ("x", [1], [["a"], 1], ["nouuid", 1])]
    for token in (tampered, other, "x", "🌊", *shapes):
        answer = caller.post(url.replace(good, token), {"progress": 1})
        assert answer.status_code == 403, (token, answer.content)
    settings.OCEANID = {**settings.OCEANID, "CALLBACK_DAYS": 0}
    assert caller.post(url, {"progress": 1}).status_code == 403
    assert Job.objects.get(pk=job.pk).progress is None


def test_an_address_ends_with_its_attempt(job: CondorJob, caller: Client) -> None:
    old = job.callback_url()
    Job.objects.filter(pk=job.pk).update(state="ERR")
    assert caller.post(old, {"progress": 1}).status_code == 403
    job.resubmit()
    assert caller.post(old, {"progress": 1}).status_code == 403
    new = job.callback_url()
    assert new != old
    assert caller.post(new, {"progress": 1}).status_code == 200


def test_a_job_that_calls_too_often_is_slowed_down(job: CondorJob, caller: Client) -> None:
    codes = [caller.post(job.callback_url(), {"progress": 1}).status_code for _ in range(60)]
    assert codes[:20] == [200] * 20
    assert 429 in codes


def test_the_meter_lets_calls_through_again_and_forgets() -> None:
    meter = Meter(at_once=1, a_second=1000)
    assert meter.allows("a")
    assert any(meter.allows("a") for _ in range(100_000))
    slow = Meter(at_once=1, a_second=0)
    assert [slow.allows("a"), slow.allows("a"), slow.allows("b")] == [True, False, True]
