"""What was used against what was asked for, and what to ask for the next time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from oceanid.models import Job, Task
from oceanid.services import paths
from oceanid.submit import SubmitDescription
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
Told = Callable[..., str]


@pytest.fixture
def told(client: Client, owner: User, make_job: MakeJob) -> Told:
    """The page of a job that asked for something and whose processes used something."""
    client.force_login(owner)

    def make(
        asked: dict[str, Any], *used: dict[str, Any], num_jobs: int = 0, seconds: int = 600
    ) -> str:
        job = make_job(
            "used", type="CONDOR", state="COM", wanted="RUN", attempt=1,
            num_jobs=num_jobs or len(used),
        )  # fmt: skip
        described = SubmitDescription.from_attributes(
            {"executable": "/bin/true", **asked}, directory=str(paths.job_dir(job))
        )
        Job.objects.filter(pk=job.pk).update(spec=described.to_json())
        now = timezone.now()
        ended = {"state": "COM", "start_time": now - timedelta(seconds=seconds)}
        Task.objects.bulk_create(
            Task(job=job, index=n, completion_time=now, **(ended | each))
            for n, each in enumerate(used)
        )
        return client.get(f"/compute/jobs/{job.pk}/").content.decode()

    return make


def test_who_asks_for_much_more_than_is_used_is_told_what_would_do(told: Told) -> None:
    page = told({"request_memory": "8 GB"}, {"peak_memory_mib": 1100.0}, {"peak_memory_mib": 90.0})
    assert "Memory: asked for 8 GiB, used 1.1 GiB: 1.5 GiB would do." in page
    page = told({"request_disk": "100 GB"}, {"disk_mib": 900.0})
    assert "Disk: asked for 100 GiB, used 900 MiB: 1.5 GiB would do." in page
    page = told({"request_cpus": 8}, {"cpu_s": 700.0})
    assert "CPUs: asked for 8, kept 1.2 busy: 2 would do." in page


def test_who_asks_for_too_little_is_told_how_much(told: Told) -> None:
    page = told({"request_memory": "1 GB"}, {"peak_memory_mib": 1000.0})
    assert "Memory: asked for 1 GiB, used 1000 MiB: ask for 1.5 GiB." in page
    page = told({"request_cpus": 1}, {"cpu_s": 2000.0})
    assert "CPUs: asked for 1, kept 3.3 busy: ask for 4." in page


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({"request_memory": "2 GB"}, {"peak_memory_mib": 1200.0}),
        ({"request_memory": "128 MB"}, {"peak_memory_mib": 1.0}),
        ({"request_memory": "8 GB"}, {"peak_memory_mib": None}),
        ({"request_memory": "8 GB"}, {"peak_memory_mib": 10.0, "state": "ERR"}),
        ({"request_memory": "8 GB"}, {"peak_memory_mib": 10.0, "state": "RUN"}),
        ({"request_cpus": 8}, {"cpu_s": None}),
        ({}, {"peak_memory_mib": 5000.0, "cpu_s": 1.0}),
    ],
)
def test_what_was_right_or_is_not_known_is_left_alone(
    told: Told, asked: dict[str, Any], used: dict[str, Any]
) -> None:
    assert "Next time" not in told(asked, used)


def test_a_moment_says_nothing_of_processors(told: Told) -> None:
    assert "Next time" not in told({"request_cpus": 8}, {"cpu_s": 1.0}, seconds=10)


def test_of_a_large_array_some_stand_for_all(told: Told) -> None:
    used = [{"peak_memory_mib": 500.0}] * 205 + [{"peak_memory_mib": 7000.0}]
    page = told({"request_memory": "8 GB"}, *used, num_jobs=100_000)
    assert "used 500 MiB: 768 MiB would do" in page
    assert "Told by the first 200 processes." in page
