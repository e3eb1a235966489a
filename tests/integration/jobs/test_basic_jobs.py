"""A BASIC job's status belongs to its app."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from oceanid.errors import (
    InvalidSpecification,
)
from oceanid.jobs import BasicJob, Job, JobManager

pytestmark = pytest.mark.django_db


def test_the_status_of_a_basic_job_is_its_apps(basic: BasicJob) -> None:
    basic.status = "Running"
    assert (basic.status, basic.cached_status) == ("Running", "Running")
    assert basic.start_time is not None
    basic.status = "Various"
    basic.update_status("RES")
    assert Job.objects.get(pk=basic.pk).status == "Results-Ready"
    basic.status = "Waiting for the rain"
    assert Job.objects.get(pk=basic.pk).status == "Waiting for the rain"
    basic.pause()
    assert basic.status == "Paused"
    basic.resume()
    assert basic.status == "Running"
    basic.update_status("Complete", message="done")
    assert (basic.status, basic.status_message) == ("Complete", "done")
    assert basic.completion_time is not None
    assert basic.run_time is not None
    assert basic.events.filter(kind="state").count() >= 6
    for wrong in ("x" * 256, "   "):
        with pytest.raises(InvalidSpecification):
            basic.status = wrong


def test_an_unsaved_basic_job_is_saved_by_setting_its_status(jobs: JobManager, ann: User) -> None:
    job = jobs.create_job("x {id}", ann, job_type="BASIC")
    job.status = "Running"
    assert Job.objects.get().name == f"x {job.pk}"
    other = jobs.create_job("y", ann, job_type="BASIC")
    other.execute()
    assert other.status == "Submitted"
    other.stop()
    assert other.status == "Aborted"
