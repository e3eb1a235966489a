"""People who are told of changes, jobs that change, and what they were told."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from oceanid.models import (
    EventKind,
    Job,
    Notice,
    Webhook,
)
from oceanid.services import (
    events,
    leases,
    preferences,
)
from oceanid.services.leases import Hold

MakeJob = Callable[..., Job]
ALL = ("page", "email", "webhook")


@pytest.fixture
def hold(db: None) -> Hold:
    held = leases.acquire("notices", uuid.uuid4(), ttl_s=60)
    assert held is not None
    return held


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann", email="ann@example.org")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", email="bob@example.org")


@pytest.fixture
def make_job(ann: User) -> MakeJob:
    def make(name: str = "run", **fields: Any) -> Job:
        now = timezone.now()
        values: dict[str, Any] = {
            "user": ann, "type": "CONDOR", "state": "RUN", "wanted": "RUN", "attempt": 1,
            "creation_time": now, "start_time": now - timedelta(hours=1), "name": name,
        }  # fmt: skip
        return Job.objects.create(**(values | fields))

    return make


def end(job: Job, state: str = "COM", before: str = "RUN", message: str = "") -> None:
    """Writes a change of a job as all rooms do."""
    Job.objects.filter(pk=job.pk).update(state=state)
    told = events.job_event(
        job.pk, job.attempt, EventKind.STATE, timezone.now(),
        before=before, after=state, message=message,
    )  # fmt: skip
    events.write([told])


def wants(user: User, *kinds: str, channels: tuple[str, ...] = ALL, min_run_s: int = 0) -> None:
    preferences.save(user, dict.fromkeys(kinds, channels), min_run_s=min_run_s)


def hook(user: User) -> Webhook:
    kept: Any = {"key": "s"}
    return Webhook.objects.create(
        user=user, url="https://example.org/", secret=kept, created_at=timezone.now()
    )


def words(user: User) -> list[tuple[str, str]]:
    """What somebody is told in the page, oldest first."""
    mine = Notice.objects.filter(user=user).order_by("pk")
    return [(item["name"], item["word"]) for notice in mine for item in notice.items]
