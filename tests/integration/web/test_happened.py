"""What the live hub reads: each event and each deletion once, and who may hear of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.models import Job, JobEvent, JobGone, JobShare, Notice
from oceanid.services import hearing, intents, jobs, notices
from oceanid.services.leases import Hold
from oceanid.web import attendance, happened, hub
from oceanid.web.attendance import Audience
from oceanid.web.happened import Change, Reader, without_connection
from tests.integration.web.conftest import MakeJob, happen


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_committed_behind_a_later_one_is_read(
    owner: User, make_job: MakeJob
) -> None:
    early, late = make_job("early"), make_job("late")
    first = happen(late)
    reader = Reader(first.pk)
    happen(late, id=first.pk + 3)
    assert [change.job_id for change in reader.read(with_shares=False).changes] == [late.pk]
    happen(early, id=first.pk + 2)
    assert [change.job_id for change in reader.read(with_shares=False).changes] == [early.pk]
    assert reader.read(with_shares=True).changes == []


def test_hearing_follows_sight() -> None:
    change = Change(1, 2, 3, frozenset({4}))
    assert change.is_for(Audience(3))
    assert change.is_for(Audience(9, frozenset({4})))
    assert change.is_for(Audience(9, everyone=True))
    assert Change(1, 2, 3, frozenset(), frozenset({9})).is_for(Audience(9))
    assert not change.is_for(Audience(9, frozenset({5})))


def test_work_holds_no_connection_afterwards() -> None:
    assert without_connection(lambda: 5) == 5
    assert all(each.connection is None for each in connections.all(initialized_only=True))


@pytest.mark.django_db
def test_the_one_query_of_a_look_finds_all_who_may_hear(
    owner: User, other: User, member: User, team: Group, make_job: MakeJob
) -> None:
    job, group = make_job(), Group.objects.create(name="reviewers")
    job.groups.add(team, group)
    for whom in ({"user": other}, {"user": member}, {"group": group}):
        JobShare.objects.create(job=job, right="view", at=timezone.now(), **whom)
    event = happen(job)
    reader = Reader(event.pk - 1)
    with CaptureQueriesContext(connection) as queries:
        found = reader.read(with_shares=True).changes
    assert len(queries) == 1
    assert found == [
        Change(
            event.pk, job.pk, owner.pk,
            frozenset({team.pk, group.pk}), frozenset({other.pk, member.pk}),
        )
    ]  # fmt: skip


def test_the_hub_asks_less_than_twice_a_second() -> None:
    assert 1 / hub.LOOK_EVERY_S + 3 / hub.CHECK_EVERY_S < 2


@pytest.mark.django_db(transaction=True)
def test_a_deletion_is_read_at_its_place_by_those_who_could_see_the_job(
    owner: User, other: User, member: User, team: Group, make_job: MakeJob, hold: Hold
) -> None:
    job, rest = make_job(state="COM"), make_job()
    job.groups.add(team)
    JobShare.objects.create(job=job, user=other, right="view", at=timezone.now())
    first = happen(job)
    reader = Reader(first.pk - 1)
    intents.remove(hold, job)
    later = happen(rest)
    assert not JobEvent.objects.filter(job_id=job.pk).exists()
    with CaptureQueriesContext(connection) as queries:
        gone, after = reader.read(with_shares=True).changes
    assert len(queries) == 1
    assert (gone.job_id, after.event_id) == (job.pk, later.pk)
    assert first.pk < gone.event_id < later.pk
    assert gone == Change(
        gone.event_id, job.pk, owner.pk, frozenset({team.pk}), frozenset({other.pk})
    )
    assert reader.read(with_shares=True).changes == []
    assert hearing.newest() == later.pk


@pytest.mark.django_db(transaction=True)
def test_the_deletion_of_what_was_never_run_is_told_too(owner: User, make_job: MakeJob) -> None:
    draft = make_job(wanted="DRA")
    reader = Reader.from_now_on()
    jobs.delete(draft, actor=owner)
    assert not Job.objects.exists()
    (gone,) = reader.read(with_shares=False).changes
    assert (gone.job_id, gone.user_id) == (draft.pk, owner.pk)
    assert hearing.newest() == gone.event_id, "whoever opens a page now knows of it"


@pytest.mark.django_db(transaction=True)
def test_what_is_too_much_for_one_look_is_read_in_order_and_whole(
    make_job: MakeJob, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happened, "MOST_EVENTS", 3)
    job, reader = make_job(), Reader(0)
    expected = []
    for number in range(4):
        expected += [happen(job).job_id for _ in range(number)]
        going = make_job(state="COM")
        intents.remove(hold, going)
        expected.append(going.pk)
    read: list[int] = []
    while some := reader.read(with_shares=False).changes:
        read += [each.job_id for each in some]
    assert read == expected


@pytest.mark.django_db(transaction=True)
def test_notices_come_in_the_same_query_each_once(owner: User, other: User) -> None:
    item = {"subject": "job", "id": 1, "name": "run", "word": "Complete", "state": "COM"}
    notices.tell(other, item)
    reader = Reader.from_now_on()
    for who in (owner, owner, other):
        notices.tell(who, item)
    newest = dict(Notice.objects.order_by("pk").values_list("user_id", "pk"))
    with CaptureQueriesContext(connection) as queries:
        told = reader.read(with_shares=True).notices
    assert len(queries) == 1
    assert told == newest
    assert reader.read(with_shares=True).notices == {}


@pytest.mark.django_db
def test_that_a_job_is_gone_is_told_for_a_day(make_job: MakeJob, hold: Hold) -> None:
    for _ in range(3):
        intents.remove(hold, make_job(state="COM"))
    old, older, _new = JobGone.objects.order_by("pk")
    JobGone.objects.filter(pk__in=[old.pk, older.pk]).update(
        at=timezone.now() - hearing.KEPT - timedelta(minutes=1)
    )
    hearing.forget_old(hold)
    assert list(JobGone.objects.values_list("pk", flat=True)) == [_new.pk]


@pytest.mark.django_db
def test_sessions_are_looked_at_together(
    owner: User, other: User, member: User, team: Group, staff: User, operator: User,
    administrator: User, django_assert_num_queries: Any,
) -> None:  # fmt: skip
    keys = {}
    for person in (owner, other, member, staff, operator, administrator):
        client = Client()
        client.force_login(person)
        keys[person] = str(client.session.session_key)
    by_group = User.objects.create_user("gil", password="gil")
    viewers = Group.objects.create(name="viewers")
    viewers.permissions.add(staff.user_permissions.get())
    by_group.groups.add(viewers)
    client = Client()
    client.force_login(by_group)
    keys[by_group] = str(client.session.session_key)
    other.set_password("another")
    other.save()
    with django_assert_num_queries(3):
        found = attendance.present([*keys.values(), "no-such-session"])
    assert found == {
        keys[owner]: Audience(owner.pk),
        keys[member]: Audience(member.pk, frozenset({team.pk})),
        **{keys[each]: Audience(each.pk, everyone=True)
           for each in (staff, operator, administrator, by_group)},
    }  # fmt: skip
    User.objects.update(is_active=False)
    assert attendance.present(list(keys.values())) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ["cache", "signed_cookies", "cached_db"])
def test_sessions_of_other_engines_and_people_of_other_backends_are_asked_one_by_one(
    client: Client, owner: User, settings: Any, engine: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.AUTHENTICATION_BACKENDS = ["tests.integration.web.test_happened.Elsewhere"]
    client.force_login(owner, backend="tests.integration.web.test_happened.Elsewhere")
    key = str(client.session.session_key)
    assert attendance.present([key, "made-up"]) == {key: Audience(owner.pk)}
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert attendance.present([key]) == {}


class Elsewhere(ModelBackend):
    """A back-end that finds people in its own way."""

    def get_user(self, user_id: Any) -> Any:
        return User.objects.filter(pk=user_id).first()
