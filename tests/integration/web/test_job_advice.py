"""What a job's page and its surroundings say about why it stands, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from oceanid.models import Scheduler
from oceanid.states import Health, JobState
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


def words(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def lost(local: Scheduler) -> Scheduler:
    Scheduler.objects.filter(pk=local.pk).update(
        health=Health.UNREACHABLE.value, health_message="condor.example.org refused the account."
    )
    return local


@pytest.mark.parametrize("state", [JobState.ERROR, JobState.VARIOUS_COMPLETE])
def test_a_failed_job_always_tells_what_to_do(
    client: Client, owner: User, make_job: MakeJob, state: JobState
) -> None:
    client.force_login(owner)
    job = make_job(type="CONDOR", state=state, status_message="exit code 1", num_jobs=1)
    page = words(client.get(f"/compute/jobs/{job.pk}/"))
    assert "Exit code 1 What to do: Read the output" in page
    told = make_job(type="CONDOR", state=state, status_message="No room.", hint="Ask for less.")
    page = words(client.get(f"/compute/jobs/{told.pk}/"))
    assert "What to do: Ask for less." in page and "Read the output" not in page


def test_a_job_that_is_well_is_given_no_advice(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    client.force_login(owner)
    job = make_job(type="CONDOR", state=JobState.COMPLETE)
    assert "What to do" not in words(client.get(f"/compute/jobs/{job.pk}/"))


def test_a_job_whose_scheduler_does_not_answer_says_so(
    client: Client, owner: User, make_job: MakeJob, lost: Scheduler
) -> None:
    client.force_login(owner)
    job = make_job(type="CONDOR", state=JobState.SUBMITTED, execute_time=timezone.now())
    page = words(client.get(f"/compute/jobs/{job.pk}/"))
    assert "Its scheduler, “local”, can't be reached." in page.replace("&#x27;", "'")
    assert "made once the scheduler answers again" in page
    assert "supervisor is about to make" not in page
    over = make_job(type="CONDOR", state=JobState.COMPLETE, execute_time=timezone.now())
    assert "Its scheduler" not in words(client.get(f"/compute/jobs/{over.pk}/"))


def test_a_draft_counts_no_queued_tasks(client: Client, owner: User, make_job: MakeJob) -> None:
    client.force_login(owner)
    job = make_job(type="CONDOR", state=JobState.PENDING)
    page = words(client.get(f"/compute/jobs/{job.pk}/"))
    assert "Queued" not in page and "Tasks appear when the job is run." in page


def test_why_a_scheduler_does_not_answer_is_told_to_staff_alone(
    client: Client, owner: User, staff: User, lost: Scheduler
) -> None:
    client.force_login(owner)
    page = words(client.get("/compute/jobs/"))
    assert "The scheduler “local”" in page and "condor.example.org" not in page
    overview = words(client.get("/compute/"))
    assert "Unreachable" in overview and "condor.example.org" not in overview
    client.force_login(staff)
    assert "condor.example.org refused the account." in words(client.get("/compute/jobs/"))
    assert "condor.example.org refused the account." in words(client.get("/compute/"))
