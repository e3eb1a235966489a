"""Listing and getting jobs: of this app, of a person, of groups, by filters."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import QuerySet

from oceanid.jobs import Job, JobManager

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(jobs: JobManager, ann: User, bob: User, group: Group) -> dict[str, Job]:
    """Ann's, one of Ann's for Bob's group, Bob's, and one of another app."""
    one = jobs.create_job("one", ann, job_type="BASIC")
    one.save()
    shared = jobs.create_job("shared", ann, groups=group, job_type="BASIC")
    bobs = jobs.create_job("bob's", bob, job_type="BASIC")
    bobs.save()
    other = JobManager("droughts").create_job("other", ann, job_type="BASIC")
    other.save()
    return {"one": one, "shared": shared, "bob's": bobs, "other": other}


def names(rows: QuerySet[Any]) -> list[str]:
    """The names in order."""
    return [job.name for job in rows]


def test_jobs_are_listed_by_app_user_and_groups(
    jobs: JobManager, made: Any, ann: User, bob: User, group: Group
) -> None:
    assert names(jobs.list_jobs()) == ["one", "shared", "bob's"]
    assert names(jobs.list_jobs(ann)) == ["one", "shared"]
    assert names(jobs.list_jobs(user=bob)) == ["bob's"]
    for groups in (group, [group], Group.objects.all()):
        assert names(jobs.list_jobs(groups=groups)) == ["shared"]
    assert names(jobs.list_jobs(groups=[])) == []
    with pytest.raises(ValueError, match="not both"):
        jobs.list_jobs(user=ann, groups=group)


def test_the_list_is_a_queryset(jobs: JobManager, made: Any) -> None:
    rows = jobs.list_jobs()
    assert isinstance(rows, QuerySet)
    assert rows.filter(name="one").count() == 1
    assert names(rows[1:]) == ["shared", "bob's"]


def test_it_is_ordered_and_filtered(jobs: JobManager, made: Any) -> None:
    made["shared"].status = "Running"
    made["one"].status = "Soaking"
    assert names(jobs.list_jobs(order_by="-id")) == ["bob's", "shared", "one"]
    assert names(jobs.list_jobs(order_by=["-name"])) == ["shared", "one", "bob's"]
    assert len(jobs.list_jobs(order_by="-status")) == 3
    for key in ("status", "cached_status", "_status"):
        assert names(jobs.list_jobs(filters={key: "Running"})) == ["shared"]
    assert names(jobs.list_jobs(filters={"status": "RUN"})) == ["shared"]
    assert names(jobs.list_jobs(filters={"status": "Soaking"})) == ["one"]
    assert names(jobs.list_jobs(filters={"status__in": ["Running", "Pending"]})) == [
        "shared",
        "bob's",
    ]
    assert names(jobs.list_jobs(filters={"status__in": []})) == []
    assert names(jobs.list_jobs(filters={"name__startswith": "o"})) == ["one"]
    assert names(jobs.list_jobs(filters={"label": "droughts"})) == ["other"]


def test_a_persons_job_is_theirs_their_groups_or_by_permission(
    jobs: JobManager, made: Any, ann: User, bob: User
) -> None:
    one, shared, other = made["one"].pk, made["shared"].pk, made["other"].pk
    assert jobs.get_job(one) == made["one"]
    assert jobs.get_job(one, user=ann) == made["one"]
    assert jobs.get_job(one, user=bob) is None
    assert jobs.get_job(shared, user=bob) == made["shared"]
    assert jobs.get_job(other) is None
    assert jobs.get_job(str(one)) == made["one"]
    bob.user_permissions.add(Permission.objects.get(codename="view_all_jobs"))
    assert jobs.get_job(one, user=User.objects.get(pk=bob.pk)) == made["one"]
    anonymous: Any = AnonymousUser()
    assert jobs.get_job(one, user=anonymous) is None
    ann.is_active = False
    assert jobs.get_job(one, user=ann) is None
    assert jobs.get_job(one, filters={"name": "two"}) is None


@pytest.mark.parametrize("job_id", [0, -1, 10**30, "x", None, "1; DROP TABLE", 1.5, "²"])
def test_a_number_that_is_none_gets_nothing(jobs: JobManager, made: Any, job_id: Any) -> None:
    assert jobs.get_job(job_id) in (None, made["one"] if job_id == 1.5 else None)
