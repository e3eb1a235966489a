"""Whoever a job is shared with is told of it, once, as they prefer."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from oceanid.models import Job, JobShare, Notice, Outbox
from oceanid.services import leases, notices, preferences, sharing
from oceanid.services.leases import Hold
from oceanid.supervisor import messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold(db: None) -> Hold:
    held = leases.acquire("notices", uuid.uuid4(), ttl_s=60)
    assert held is not None
    return held


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def job(ann: User) -> Job:
    return Job.objects.create(
        user=ann, name="flood", state="RUN", wanted="RUN", attempt=1, creation_time=timezone.now()
    )


def give(job: Job, name: str = "bob", *, right: str = "view", is_group: bool = False) -> None:
    sharing.share(job, name=name, is_group=is_group, right=right, actor=job.user)


def told(user: User) -> list[tuple[str, str]]:
    rows = Notice.objects.filter(user=user).order_by("pk")
    items: list[dict[str, Any]] = [item for row in rows for item in row.items]
    return [(messages.headline(item), item["message"]) for item in items]


def test_the_person_is_told_once_and_by_whom(job: Job, ann: User, bob: User, hold: Hold) -> None:
    give(job)
    give(job)
    give(job, right="act")
    assert notices.fan_out(hold) == 1
    assert told(bob) == [("flood: Shared with you", "ann lets you view it and act on it.")]
    assert told(ann) == []
    assert notices.fan_out(hold) == 0


def test_a_share_that_was_taken_away_meanwhile_is_told_to_nobody(
    job: Job, bob: User, hold: Hold
) -> None:
    give(job)
    sharing.unshare(job, share_id=JobShare.objects.get().pk, actor=job.user)
    notices.fan_out(hold)
    assert told(bob) == []


@pytest.mark.parametrize("how", ["switched off", "going", "does not want to know"])
def test_who_is_not_told(job: Job, bob: User, hold: Hold, how: str) -> None:
    if how == "does not want to know":
        preferences.save(bob, {"done": ["page"]}, min_run_s=0)
    give(job)
    if how == "switched off":
        User.objects.filter(pk=bob.pk).update(is_active=False)
    if how == "going":
        Job.objects.update(wanted="DEL")
    notices.fan_out(hold)
    assert told(bob) == []
    assert not Outbox.objects.exists()


def test_a_group_is_not_told(job: Job, bob: User, hold: Hold) -> None:
    bob.groups.add(Group.objects.create(name="hydrologists"))
    give(job, "hydrologists", is_group=True)
    assert notices.fan_out(hold) == 0


def test_many_shares_at_once_cost_few_queries_and_are_a_digest(
    ann: User, bob: User, hold: Hold, django_assert_max_num_queries: Any
) -> None:
    rows = [Job(user=ann, name=f"run {n}", creation_time=timezone.now()) for n in range(40)]
    for job in Job.objects.bulk_create(rows):
        give(job)
    with django_assert_max_num_queries(25):
        assert notices.fan_out(hold) == 40
    (notice,) = Notice.objects.filter(user=bob)
    assert notice.counts == {"Shared with you": 40}
