"""A house with quick clocks, a person, and a supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from oceanid.jobs import JobManager
from tests.integration.supervisor.house import QUICK, Running, in_order, supervising


@pytest.fixture(autouse=True)
def _house(settings: Settings, tmp_path: Path, transactional_db: None) -> None:
    settings.OCEANID = {
        "DATA_DIR": str(tmp_path / "data"),
        "SUPERVISOR": dict(QUICK),
        "LOCAL": {"CPUS": 2, "DISK_RESERVE_MIB": 1},
    }


@pytest.fixture
def ann(transactional_db: None) -> User:
    """An app's user."""
    return User.objects.create_user("ann")


@pytest.fixture
def bob(transactional_db: None) -> User:
    """Another one."""
    return User.objects.create_user("bob")


@pytest.fixture
def jobs() -> JobManager:
    """The Job Manager of an app."""
    return JobManager("floods")


@pytest.fixture
def supervisor(_house: None) -> Iterator[Running]:
    """A supervisor; when it has stopped, the database is looked at as a whole."""
    with supervising() as running:
        yield running
    in_order()


@pytest.fixture
def shell(jobs: JobManager, ann: User) -> Callable[..., Any]:
    """Makes a job that runs a line of shell."""

    def make(line: str, *, name: str = "run", user: User = ann, **more: Any) -> Any:
        return jobs.create_job(
            name, user, job_type="CONDOR",
            executable="/bin/sh", transfer_executable=False, arguments=["-c", line], **more,
        )  # fmt: skip

    return make
