"""Changes are told once, to those whom they concern, as they prefer, and bursts as digests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from oceanid.errors import IllegalTransition, LeaseLost, NotFound
from oceanid.models import (
    Delivery,
    EventKind,
    Job,
    JobEvent,
    JobShare,
    JobWatch,
    Notice,
    Outbox,
    Webhook,
)
from oceanid.services import (
    events,
    leases,
    notices,
    outbox,
    preferences,
    reports,
)
from oceanid.services.leases import Hold
from oceanid.states import JobState
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
from tests.property.house import House

__all__ = ["ann", "bob", "hold", "make_job"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("after", [state.value for state in JobState])
def test_each_change_that_people_are_told_of_has_one_row_in_the_outbox(
    after: str, make_job: MakeJob
) -> None:
    end(make_job(), after)
    assert Outbox.objects.count() == (after in {"COM", "VCP", "ERR", "ABT", "HLD"})


def test_changes_of_tasks_and_nodes_are_not_told(make_job: MakeJob) -> None:
    job, now = make_job(), timezone.now()
    for place in ({"task_id": 1}, {"node_id": 1}):
        fields = {"task_id": None, "node_id": None} | place
        kind = "task" if fields["task_id"] else "node"
        events.write([events.Event(job.pk, fields["task_id"], fields["node_id"], 1, kind, "RUN",
                                   "COM", now)])  # fmt: skip
    assert not Outbox.objects.exists()


def test_the_outbox_goes_as_far_as_the_change(make_job: MakeJob) -> None:
    from django.db import transaction

    job = make_job()
    with pytest.raises(RuntimeError), transaction.atomic():
        end(job)
        raise RuntimeError("the change is given up")
    assert not Outbox.objects.exists()
    assert not JobEvent.objects.exists()


def test_a_whole_life_writes_one_row_for_each_end(house: House, job: Callable[..., Any]) -> None:
    made = [job() for _ in range(3)]
    for each in made:
        each.execute()
    house.come_to_rest()
    ended = JobEvent.objects.filter(
        kind="state", task_id__isnull=True, after__in=list(outbox.OF_JOBS)
    )
    assert Outbox.objects.count() == ended.count()


def test_a_status_that_an_app_sets_is_told(make_job: MakeJob) -> None:
    job = make_job(type="BASIC", state="PEN", wanted="DRA", attempt=0)
    reports.set_status(job, "Complete")
    assert Outbox.objects.get().after == "COM"


def test_the_owner_is_told_once(make_job: MakeJob, ann: User, bob: User, hold: Hold) -> None:
    end(make_job("one"))
    end(make_job("two"), "ERR", message="It ran out of memory.")
    assert notices.fan_out(hold) == 2
    assert notices.fan_out(hold) == 0
    assert words(ann) == [("one", "Complete"), ("two", "Error")]
    assert words(bob) == []
    assert not Outbox.objects.exists()
    assert not Delivery.objects.exists()
    assert notices.unread(ann) == 2


def test_who_lost_the_lease_tells_nobody(make_job: MakeJob, ann: User, hold: Hold) -> None:
    end(make_job())
    leases.release(hold)
    assert leases.acquire("notices", uuid.uuid4(), ttl_s=60)
    with pytest.raises(LeaseLost):
        notices.fan_out(hold)
    assert Outbox.objects.count() == 1
    assert words(ann) == []


def test_preferences_choose_kinds_and_channels(
    make_job: MakeJob, ann: User, bob: User, hold: Hold
) -> None:
    wants(ann, "failed", channels=("email",))
    hook(ann)
    end(make_job("fine"))
    end(make_job("broken"), "ERR")
    end(make_job("partly"), "VCP")
    notices.fan_out(hold)
    assert words(ann) == []
    message = Delivery.objects.get()
    assert (message.channel, message.count) == ("email", 2)
    assert message.counts == {"Error": 1, "Various-Complete": 1}


def test_what_a_site_or_a_person_lacks_is_not_begun(
    make_job: MakeJob, ann: User, hold: Hold, settings: Settings
) -> None:
    wants(ann, "done", channels=("email", "webhook"))
    hook(ann)
    settings.OCEANID = settings.OCEANID | {"NOTIFICATIONS": {"EMAIL": False, "WEBHOOKS": False}}
    end(make_job())
    notices.fan_out(hold)
    settings.OCEANID = settings.OCEANID | {"NOTIFICATIONS": {"WEBHOOKS": False}}
    User.objects.filter(pk=ann.pk).update(email="")
    end(make_job())
    assert notices.fan_out(hold) == 1
    assert not Delivery.objects.exists()


def test_each_webhook_gets_its_own_message(make_job: MakeJob, ann: User, hold: Hold) -> None:
    wants(ann, "done", channels=("webhook",))
    first, second = hook(ann), hook(ann)
    Webhook.objects.filter(pk=hook(ann).pk).update(enabled=False)
    end(make_job())
    notices.fan_out(hold)
    assert set(Delivery.objects.values_list("webhook_id", flat=True)) == {first.pk, second.pk}


def test_short_jobs_are_passed_over_and_held_ones_are_not(
    make_job: MakeJob, ann: User, hold: Hold
) -> None:
    wants(ann, "done", "held", channels=("page",), min_run_s=60)
    now = timezone.now()
    end(make_job("short", start_time=now - timedelta(seconds=5)))
    end(make_job("never started", start_time=None))
    end(make_job("long"))
    end(make_job("held", start_time=None), "HLD")
    notices.fan_out(hold)
    assert words(ann) == [("long", "Complete"), ("held", "Held")]


def test_a_workflow_is_a_kind_of_its_own(make_job: MakeJob, ann: User, hold: Hold) -> None:
    wants(ann, "workflow", channels=("page",))
    end(make_job("flow", type="CONDORWORKFLOW"), "ERR")
    end(make_job("job"), "ERR")
    notices.fan_out(hold)
    assert words(ann) == [("flow", "Error")]


def test_who_follows_a_job_is_told_of_its_end_alone(
    make_job: MakeJob, ann: User, bob: User, hold: Hold
) -> None:
    wants(ann)
    wants(bob, "watched", channels=("page",))
    job = make_job()
    JobShare.objects.create(job=job, user=bob, right="view", at=timezone.now())
    preferences.watch(bob, job, wanted=True)
    preferences.watch(bob, job, wanted=True)
    end(job, "HLD")
    notices.fan_out(hold)
    assert words(bob) == []
    end(job, before="HLD")
    notices.fan_out(hold)
    assert words(bob) == [("run", "Complete")]
    assert words(ann) == []
    assert not JobWatch.objects.exists()


def test_who_may_not_see_it_any_more_is_not_told(make_job: MakeJob, bob: User, hold: Hold) -> None:
    job = make_job()
    share = JobShare.objects.create(job=job, user=bob, right="view", at=timezone.now())
    preferences.watch(bob, job, wanted=True)
    share.delete()
    end(job)
    notices.fan_out(hold)
    assert words(bob) == []


def test_only_what_one_sees_and_what_runs_is_followed(make_job: MakeJob, bob: User) -> None:
    with pytest.raises(NotFound):
        preferences.watch(bob, make_job(), wanted=True)
    with pytest.raises(IllegalTransition):
        preferences.watch(bob, make_job(user=bob, state="COM"), wanted=True)
    assert not JobWatch.objects.exists()
    job = make_job(user=bob)
    preferences.watch(bob, job, wanted=True)
    assert preferences.is_watched(bob, job)
    preferences.watch(bob, job, wanted=False)
    assert not preferences.is_watched(bob, job)


def test_who_was_switched_off_is_told_nothing(make_job: MakeJob, ann: User, hold: Hold) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)
    end(make_job())
    assert notices.fan_out(hold) == 1
    assert not Notice.objects.exists()


def test_jobs_that_are_gone_or_going_are_not_told_of(
    make_job: MakeJob, ann: User, hold: Hold
) -> None:
    gone, going = make_job(), make_job(wanted="DEL")
    end(gone)
    end(going, "ABT")
    Job.objects.filter(pk=gone.pk).delete()
    assert notices.fan_out(hold) == 2
    assert words(ann) == []


def test_a_burst_is_one_digest_at_a_bounded_cost(ann: User, hold: Hold) -> None:
    wants(ann, "done", "failed")
    hook(ann)
    now = timezone.now()
    Job.objects.bulk_create(
        Job(user=ann, name=f"run {number}", type="CONDOR", state="COM", wanted="RUN", attempt=1,
            creation_time=now, start_time=now)
        for number in range(10_000)
    )  # fmt: skip
    told = [
        events.job_event(pk, 1, EventKind.STATE, now, before="RUN",
                         after="ERR" if number % 100 == 0 else "COM")
        for number, pk in enumerate(Job.objects.order_by("pk").values_list("pk", flat=True))
    ]  # fmt: skip
    with CaptureQueriesContext(connection) as few:
        events.write(told[:10])
    with CaptureQueriesContext(connection) as many:
        events.write(told[10:])
    assert len(many) == len(few) <= 3
    counts = set()
    for _chunk in range(10):
        with CaptureQueriesContext(connection) as queries:
            assert notices.fan_out(hold) == notices.CHUNK
        counts.add(len(queries))
    assert max(counts) <= 30
    assert not Outbox.objects.exists()
    notice = Notice.objects.get()
    assert (notice.count, notice.counts) == (10_000, {"Error": 100, "Complete": 9900})
    assert len(notice.items) == Notice.MOST_ITEMS
    messages = list(Delivery.objects.order_by("channel"))
    assert [(each.channel, each.count) for each in messages] == [
        ("email", 10_000), ("webhook", 10_000),
    ]  # fmt: skip


def test_a_steady_stream_becomes_a_digest_too(make_job: MakeJob, ann: User, hold: Hold) -> None:
    for _number in range(notices.MANY_RECENTLY + 10):
        end(make_job())
        notices.fan_out(hold)
    assert Notice.objects.count() == notices.MANY_RECENTLY + 1
    assert Notice.objects.order_by("pk").last().count == 10  # type: ignore[union-attr]
    notices.mark_read(ann)
    end(make_job())
    notices.fan_out(hold)
    assert Notice.objects.count() == notices.MANY_RECENTLY + 2


def test_a_message_collects_until_it_goes(make_job: MakeJob, ann: User, hold: Hold) -> None:
    wants(ann, "done", channels=("email",))
    for _number in range(3):
        end(make_job())
        notices.fan_out(hold)
    message = Delivery.objects.get()
    assert message.count == 3
    assert timedelta(0) < message.due_at - message.created_at <= timedelta(seconds=15)
    Delivery.objects.update(state="SNT", ended_at=timezone.now())
    end(make_job())
    notices.fan_out(hold)
    second = Delivery.objects.get(state="OPE")
    assert second.due_at - second.created_at > message.due_at - message.created_at
