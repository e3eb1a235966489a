"""An app's own status words never hide, undo or block what is observed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.errors import IllegalTransition
from oceanid.jobs import BasicJob, CondorJob, Job, JobManager

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(jobs: JobManager, ann: User, true: dict[str, Any]) -> CondorJob:
    job: CondorJob = jobs.create_job("x", ann, **true)
    job.execute()
    Job.objects.filter(pk=job.pk).update(state="RUN")
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("end", ["COM", "VCP", "ERR", "ABT", "RES"])
def test_a_late_custom_status_does_not_hide_how_a_job_ended(running: CondorJob, end: str) -> None:
    Job.objects.filter(pk=running.pk).update(state=end, due_at=None)
    with pytest.raises(IllegalTransition) as refused:
        running.status = "Almost there"
    assert refused.value.hint
    again = Job.objects.get(pk=running.pk)
    assert (again.state, again.custom_status) == (end, "")
    assert not again.events.filter(message="Almost there").exists()


def test_a_custom_status_of_an_earlier_attempt_does_not_reach_the_next(running: CondorJob) -> None:
    stale = Job.objects.get(pk=running.pk)
    Job.objects.filter(pk=running.pk).update(state="ERR")
    running.resubmit()
    Job.objects.filter(pk=running.pk).update(state="COM")
    with pytest.raises(IllegalTransition):
        stale.update_status("Almost there")
    assert Job.objects.get(pk=running.pk).state == "COM"


def test_the_event_tells_the_state_that_the_custom_status_took_the_place_of(
    running: CondorJob,
) -> None:
    Job.objects.filter(pk=running.pk).update(state="PAS")
    running.status = "Calibrating"
    told = running.events.get(message="Calibrating")
    assert (told.before, told.after) == ("PAS", "OTH")


@pytest.mark.parametrize("job_type", ["BASIC", "CONDOR"])
def test_a_draft_with_a_status_of_its_apps_own_can_still_be_executed(
    jobs: JobManager, ann: User, job_type: str
) -> None:
    given = {"executable": "/bin/true"} if job_type == "CONDOR" else {}
    job: BasicJob = jobs.create_job("x", ann, job_type=job_type, **given)
    job.status = "Uploading"
    job.description = "said later"
    job.execute()
    again = Job.objects.get(pk=job.pk)
    assert (again.status, again.attempt, again.custom_status) == ("Submitted", 1, "")
    assert again.description == "said later"
    with pytest.raises(IllegalTransition):
        again.execute()  # type: ignore[attr-defined]


def test_an_app_finds_the_words_and_their_codes_where_tethys_has_them() -> None:
    assert ("COM", "Complete") in Job.STATUSES
    assert CondorJob.REVERSE_STATUSES["Results-Ready"] == "RES"
    assert {"VCP", "OTH"} <= set(BasicJob.VALID_STATUSES)
    assert "Various-Complete" in Job.DISPLAY_STATUSES
