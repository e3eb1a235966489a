"""Whom news of schedulers and clusters concern, and what people choose to be told of."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from oceanid.errors import InvalidSpecification
from oceanid.models import (
    CloudAccount,
    Cluster,
    ClusterEvent,
    Delivery,
    Notice,
    NoticePreference,
    Outbox,
    Scheduler,
)
from oceanid.services import (
    leases,
    notices,
    outbox,
    preferences,
    scheduler_health,
)
from oceanid.services.leases import Hold
from oceanid.specs import CheckReport, Step
from oceanid.states import Health
from tests.integration.services.told import (
    MakeJob,
    ann,
    bob,
    end,
    hold,
    hook,
    make_job,
    wants,
    words,
)

__all__ = ["ann", "bob", "hold", "make_job"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (Health.OK, Health.UNREACHABLE, ["Unreachable"]),
        (Health.UNREACHABLE, Health.OK, ["Reachable"]),
        (Health.UNREACHABLE, Health.DEGRADED, ["Reachable"]),
        (Health.OK, Health.DEGRADED, []),
        (Health.UNKNOWN, Health.UNREACHABLE, []),
        (Health.UNREACHABLE, Health.UNREACHABLE, []),
    ],
)
def test_a_scheduler_that_went_away_or_came_back(
    before: Health, after: Health, told: list[str], ann: User, bob: User, hold: Hold
) -> None:
    place = Scheduler.objects.create(name="pool", engine="local", health=before.value)
    wants(ann, "scheduler", channels=("page",))
    admin = User.objects.create_superuser("root")
    lease = leases.acquire(f"scheduler:{place.pk}", uuid.uuid4(), ttl_s=60)
    assert lease is not None
    scheduler_health.report_health(
        lease, place.pk, CheckReport(after, (Step("connect", after is Health.OK, "It says so."),))
    )
    notices.fan_out(hold)
    assert [word for _name, word in words(ann)] == told
    assert [word for _name, word in words(admin)] == told
    assert words(bob) == []


def test_a_scheduler_is_told_of_to_those_who_may_use_it(ann: User, bob: User, hold: Hold) -> None:
    team = Group.objects.create(name="team")
    ann.groups.add(team)
    place = Scheduler.objects.create(name="pool", engine="local")
    place.groups.add(team)
    for user in (ann, bob):
        wants(user, "scheduler", channels=("page",))
    now = timezone.now()
    outbox.of_scheduler(place.pk, Health.OK, Health.UNREACHABLE, now, "No answer.")
    notices.fan_out(hold)
    assert words(ann) == [("pool", "Unreachable")]
    assert words(bob) == []


@pytest.fixture
def alps(db: None) -> Cluster:
    account = CloudAccount.objects.create(cloud="amazon", name="Ours")
    return Cluster.objects.create(account=account, name="alps")


def permit(user: User, codename: str) -> None:
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="oceanid", codename=codename)
    )


@pytest.mark.parametrize("news", list(outbox.ClusterNews))
def test_news_of_a_cluster_concern_who_runs_it(
    news: outbox.ClusterNews, alps: Cluster, ann: User, bob: User, hold: Hold
) -> None:
    eve, admin = User.objects.create_user("eve"), User.objects.create_superuser("root")
    permit(ann, "run_cluster"), permit(bob, "view_cluster")
    now = timezone.now()
    ClusterEvent.objects.create(cluster=alps, kind="create", at=now, message="", actor=ann)
    ClusterEvent.objects.create(cluster=alps, kind="resize", at=now, message="", actor=eve)
    outbox.of_cluster(alps.pk, news, now, "<b>It says so.</b>")
    notices.fan_out(hold)
    assert words(ann) == words(admin) == [("alps", news.word)]
    assert words(bob) == [], "it never touched it"
    assert words(eve) == [], "it may not see clusters any more"
    item = Notice.objects.get(user=ann).only
    assert item is not None and item["message"] == "<b>It says so.</b>"
    assert not Outbox.objects.exists()


def test_who_wants_to_know_of_clusters_is_told_of_all_and_who_does_not_of_none(
    alps: Cluster, ann: User, bob: User, hold: Hold
) -> None:
    permit(ann, "view_cluster"), permit(bob, "run_cluster")
    now = timezone.now()
    ClusterEvent.objects.create(cluster=alps, kind="create", at=now, message="", actor=bob)
    wants(ann, "cluster", channels=("page",)), wants(bob, "done", channels=("page",))
    outbox.of_cluster(alps.pk, outbox.ClusterNews.FAILED, now, "x" * 900)
    notices.fan_out(hold)
    assert words(ann) == [("alps", "Failed")] and words(bob) == []


def test_a_cluster_that_is_gone_is_told_of_no_more(alps: Cluster, hold: Hold) -> None:
    admin = User.objects.create_superuser("root")
    outbox.of_cluster(alps.pk, outbox.ClusterNews.IDLE, timezone.now(), "")
    alps.delete()
    notices.fan_out(hold)
    assert words(admin) == [] and not Outbox.objects.exists()


@pytest.mark.parametrize(
    ("channels", "min_run_s"),
    [({"done": ["pigeon"]}, 0), ({"war": ["page"]}, 0), ({}, -1), ({}, 10**9)],
)
def test_what_is_no_preference(channels: dict[str, list[str]], min_run_s: int, ann: User) -> None:
    with pytest.raises(InvalidSpecification):
        preferences.save(ann, channels, min_run_s=min_run_s)
    assert not NoticePreference.objects.exists()


def test_preferences_are_kept_and_new_kinds_begin_with_their_default(ann: User) -> None:
    wants(ann, "done", channels=("email",), min_run_s=90)
    wants(ann, "done", channels=("email",), min_run_s=91)
    found = preferences.of(ann)
    assert (found.of("done"), found.of("failed"), found.min_run_s) == (
        frozenset({"email"}), frozenset(), 91,
    )  # fmt: skip
    NoticePreference.objects.update(channels={"done": []})
    assert preferences.of(ann).of("failed") == frozenset({"page"})


def test_old_notices_are_forgotten(ann: User, make_job: MakeJob, hold: Hold) -> None:
    wants(ann, "done")
    hook(ann)
    end(make_job())
    notices.fan_out(hold)
    assert notices.forget_old() == 0
    later = timezone.now() + timedelta(days=31)
    assert notices.forget_old(later) == 1  # what has not ended is not forgotten
    Delivery.objects.update(state="SNT")
    assert notices.forget_old(later) == 2


def test_reading(ann: User, bob: User, make_job: MakeJob, hold: Hold) -> None:
    for _number in range(3):
        end(make_job())
    notices.fan_out(hold)
    _first, second, third = Notice.objects.order_by("pk").values_list("pk", flat=True)
    notices.mark_read(bob)
    assert notices.unread(ann) == 3
    notices.mark_read(ann, [second])
    assert notices.unread(ann) == 2
    notices.mark_read(ann, until=second)
    assert list(Notice.objects.filter(read_at=None).values_list("pk", flat=True)) == [third]
