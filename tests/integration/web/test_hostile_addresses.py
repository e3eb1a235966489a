"""Whatever an address says, it is answered in words: never by a stack trace, on any database."""

from __future__ import annotations

import base64
import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db

HUGE = "9" * 25
DIGITS = "9" * 5000


def token(*key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


ADDRESSES = [
    f"/compute/jobs/{HUGE}/",
    f"/compute/jobs/rows/?ids={HUGE},{DIGITS},1,%00,²,-1",
    f"/compute/jobs/?after={token(chr(0), 1)}&sort=name",
    f"/compute/jobs/?after={token('a', 2**80)}&sort=name",
    "/compute/jobs/?scheduler=%00a&match=%00&at=%00&until=%00",
    "/compute/jobs/?q=%ff%fe",
    f"/compute/live/changes/?since={DIGITS}",
    "/compute/jobs/JOB/?tstate=%00&tat=%00&task=%00&events=%00",
    f"/compute/jobs/JOB/?tafter={token(2**70, 1)}&task={DIGITS}",
    f"/compute/jobs/JOB/?tbefore={token(-1, -1)}&eafter={token(None, None)}",
    f"/compute/jobs/JOB/tasks/{HUGE}/stdout/",
    "/compute/jobs/JOB/tasks/0/stdout/?role=%00",
    f"/compute/jobs/JOB/tasks/0/stdout/?offset={DIGITS}",
    "/compute/jobs/JOB/files/%00",
    "/compute/jobs/JOB/files/..%2f..%2fdb.sqlite3",
    "/compute/jobs/JOB/files/" + "a" * 5000,
    "/compute/jobs/JOB/files/" + "a/" * 3000,
    f"/compute/jobs/JOB/nodes/{HUGE}/",
    "/compute/callback/%00/",
    "/compute/callback/" + "A" * 5000 + "/",
    "/admin/oceanid/job/?q=%00",
    "/admin/oceanid/job/?p=9999999999999&o=99",
    f"/admin/oceanid/job/{HUGE}/change/",
    "/admin/oceanid/scheduler/?q=%00&enabled__exact=%00",
]


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each[:60])
def test_no_address_breaks_a_page(
    client: Client, administrator: User, make_job: MakeJob, address: str
) -> None:
    client.force_login(administrator)
    job = make_job(user=administrator)
    answer = client.get(address.replace("JOB", str(job.pk)))
    assert answer.status_code in (200, 302, 400, 404, 405), answer.status_code


@pytest.mark.parametrize("verb", ["stop", "delete", "execute", "retry_results"])
def test_a_number_without_end_is_no_job_to_act_on(
    client: Client, administrator: User, verb: str
) -> None:
    client.force_login(administrator)
    assert client.post(f"/compute/jobs/{HUGE}/do/{verb}/").status_code == 404


def test_a_stranger_with_a_huge_address_is_sent_to_log_in_without_it(client: Client) -> None:
    answer = client.get("/compute/jobs/?q=" + "a" * 60_000)
    assert answer.status_code == 302
    assert answer["Location"] == "/admin/login/"
