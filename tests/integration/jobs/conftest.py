"""People, a group and a Job Manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from oceanid.jobs import BasicJob, JobManager


@pytest.fixture
def ann(db: None) -> User:
    """An app's user."""
    return User.objects.create_user("ann")


@pytest.fixture
def bob(db: None) -> User:
    """Another one."""
    return User.objects.create_user("bob")


@pytest.fixture
def group(db: None, bob: User) -> Group:
    """A group that Bob is in."""
    made = Group.objects.create(name="hydrologists")
    bob.groups.add(made)
    return made


@pytest.fixture
def jobs() -> JobManager:
    """The Job Manager of an app."""
    return JobManager("floods")


@pytest.fixture
def true() -> dict[str, Any]:
    """A job that can be executed anywhere."""
    return {"job_type": "CONDOR", "executable": "/bin/true"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program of the app's own."""
    path = tmp_path / "run.sh"
    path.write_text("#!/bin/sh\necho run\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def basic(jobs: JobManager, ann: User) -> BasicJob:
    """A job whose status belongs to its app."""
    job: BasicJob = jobs.create_job("x", ann, job_type="BASIC")
    job.save()
    return job
