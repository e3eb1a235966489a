"""Finished jobs go after their time, by the site, the app and the user, with all that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from oceanid.errors import LimitExceeded
from oceanid.jobs import JobManager
from oceanid.models import Job, JobEvent, Task
from oceanid.services import retention
from tests.integration.running import eventually
from tests.integration.supervisor.house import supervising

Shell = Callable[..., Any]


def ended(job: Any, *, days_ago: float, state: str = "COM") -> Any:
    """A job of which the database says that it ended then."""
    moment = timezone.now() - timedelta(days=days_ago)
    Job.objects.filter(pk=job.pk).update(state=state, completion_time=moment)
    return job


@pytest.fixture
def made(ann: User, bob: User, jobs: JobManager) -> Callable[..., Any]:
    """Makes a job of an app and a user that ended some days ago."""

    def make(name: str, *, days_ago: float, app: str = "floods", user: User = ann) -> Any:
        job = JobManager(app).create_job(name, user, job_type="BASIC")
        job.save()
        return ended(job, days_ago=days_ago)

    return make


def expired() -> set[str]:
    return set(retention.expired().values_list("name", flat=True))


def test_nothing_goes_unless_the_site_says_so(made: Callable[..., Any]) -> None:
    made("very old", days_ago=10_000)
    assert expired() == set()
    assert retention.apply() == 0
    assert Job.objects.get().wanted == "DRA"


def test_a_users_time_counts_before_an_apps_and_an_apps_before_the_sites(
    made: Callable[..., Any], bob: User, settings: Settings
) -> None:
    settings.OCEANID = {
        **settings.OCEANID,
        "RETENTION": {"DAYS": 10, "BY_APP": {"snow": 2, "kept": None}, "BY_USER": {"bob": 5}},
    }
    made("site, young", days_ago=9)
    made("site, old", days_ago=11)
    made("app, young", days_ago=1, app="snow")
    made("app, old", days_ago=3, app="snow")
    made("app that keeps", days_ago=999, app="kept")
    made("user, young", days_ago=4, app="snow", user=bob)
    made("user, old", days_ago=6, app="kept", user=bob)
    assert expired() == {"site, old", "app, old", "user, old"}


def test_only_finished_jobs_are_past_their_time(
    made: Callable[..., Any], settings: Settings
) -> None:
    settings.OCEANID = {**settings.OCEANID, "RETENTION": {"DAYS": 0}}
    for state in ("PEN", "SUB", "RUN", "RES", "HLD", "OTH"):
        ended(made(state, days_ago=1), days_ago=1, state=state)
    for state in ("COM", "ERR", "ABT", "VCP"):
        ended(made(state, days_ago=1), days_ago=1, state=state)
    assert expired() == {"COM", "ERR", "ABT", "VCP"}


def test_a_dry_run_says_what_would_go_and_takes_nothing(
    made: Callable[..., Any], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OCEANID = {**settings.OCEANID, "RETENTION": {"DAYS": 1}}
    made("old and gone", days_ago=2)
    call_command("oceanid_retention", "--dry-run")
    told = capsys.readouterr().out
    assert "old and gone" in told
    assert "1 job would be removed." in told
    assert Job.objects.get().wanted == "DRA"


def test_a_job_past_its_time_goes_with_its_directory_tasks_and_events(
    shell: Shell, settings: Settings, tmp_path: Path
) -> None:
    old, young = shell("echo old"), shell("echo young")
    for job in (old, young):
        job.execute()
    with supervising():
        for job in (old, young):
            assert job.wait(30) == "Complete"
    assert (old.directory / "logs").is_dir()
    ended(old, days_ago=2)
    settings.OCEANID = {**settings.OCEANID, "RETENTION": {"DAYS": 1}}
    call_command("oceanid_retention")
    with supervising():
        until_gone(old)
    assert not old.directory.exists()
    assert not Task.objects.filter(job_id=old.pk).exists()
    assert not JobEvent.objects.filter(job_id=old.pk).exists()
    assert Job.objects.get().pk == young.pk
    assert young.directory.is_dir()
    assert Task.objects.filter(job_id=young.pk).count() == 1


def test_a_user_has_no_more_jobs_under_way_than_allowed(
    shell: Shell, settings: Settings, bob: User
) -> None:
    settings.OCEANID = {**settings.OCEANID, "LIMITS": {"ACTIVE_JOBS": 2}}
    for _ in range(2):
        shell("true").execute()
    refused = shell("true")
    with pytest.raises(LimitExceeded, match="2 are allowed"):
        refused.execute()
    assert not Job.objects.filter(name="run", state="PEN").exists()
    shell("true", user=bob).execute()
    Job.objects.filter(state="SUB").first().stop()
    with supervising():
        for job in Job.objects.all():
            job.wait(30)
    refused.execute()
    assert refused.status == "Submitted"


def until_gone(job: Any) -> None:
    """Wait, in bounds, until a job's row is no more."""
    eventually(lambda: not Job.objects.filter(pk=job.pk).exists(), within_s=30, what="it goes")
