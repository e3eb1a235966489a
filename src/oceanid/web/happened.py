"""What has happened, read from the database: each event once, with those who may hear of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import BigIntegerField, IntegerField, Q, QuerySet, TextField, Value

from oceanid.models import JobEvent, JobGone, Notice
from oceanid.services import policy
from oceanid.services.hearing import heard_by, newest
from oceanid.web.attendance import Audience, audience_of

GAP_LIFE_S = 10.0
MOST_GAPS = 500
MOST_EVENTS = 5000
EVENT, GONE, NOTICE = range(3)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """An event of a job, or its deletion, with what decides who may hear of it."""

    event_id: int
    job_id: int
    user_id: Any
    groups: frozenset[int] = frozenset()
    users: frozenset[Any] = frozenset()

    def is_for(self, audience: Audience) -> bool:
        """Whether somebody may hear of it."""
        return (
            audience.everyone
            or self.user_id == audience.user_id
            or audience.user_id in self.users
            or bool(self.groups & audience.groups)
        )


@dataclass(slots=True)
class News:
    """What was read in one look.

    Args:
        changes: Of jobs, in order.
        notices: The people who were told something, and the last that each was told.
    """

    changes: list[Change] = field(default_factory=list)
    notices: dict[Any, int] = field(default_factory=dict)


class Reader:
    """Reads each event once, also one that is committed behind a later one.

    On PostgreSQL ids are given before the commit, so event 12 may appear after 13 was read:
    ids that were passed over are looked for again for some seconds. Notices are written by one
    supervisor, in order.
    """

    def __init__(self, last_id: int, last_notice: int = 0) -> None:
        self.last_id = last_id
        self._last_notice = last_notice
        self._gaps: dict[int, float] = {}

    @classmethod
    def from_now_on(cls) -> Reader:
        """A reader of what happens after this."""
        notice = Notice.objects.order_by("-pk").values_list("pk", flat=True).first()
        return cls(newest(), notice or 0)

    def read(self, *, with_shares: bool) -> News:
        """What is new since the last call: one query."""
        now = monotonic()
        self._gaps = {each: until for each, until in self._gaps.items() if until > now}
        wanted = Q(pk__gt=self.last_id)
        if self._gaps:
            wanted |= Q(pk__in=list(self._gaps))
        rows = _events(_first(JobEvent, wanted), with_shares=with_shares).union(
            _gone(_first(JobGone, wanted)),
            _notices(_first(Notice, Q(pk__gt=self._last_notice))),
            all=True,
        )
        news = News()
        found: dict[int, list[Change]] = {EVENT: [], GONE: []}
        for kind, key, *more in sorted(rows, key=lambda row: row[:2]):
            if kind == NOTICE:
                news.notices[more[1]] = self._last_notice = key
            else:
                found[kind].append(_change(key, *more))
        news.changes = _in_order(found[EVENT], found[GONE])
        for change in news.changes:
            self._pass(change.event_id, now)
        while len(self._gaps) > MOST_GAPS:
            self._gaps.pop(next(iter(self._gaps)))
        return news

    def _pass(self, key: int, now: float) -> None:
        self._gaps.pop(key, None)
        if self.last_id:
            for each in range(max(self.last_id + 1, key - MOST_GAPS), key):
                self._gaps[each] = now + GAP_LIFE_S
        self.last_id = max(self.last_id, key)


def _in_order(*kinds: list[Change]) -> list[Change]:
    """All of them in order, as far as each kind was read."""
    reached = [each[-1].event_id for each in kinds if len(each) >= MOST_EVENTS]
    end = min(reached, default=None)
    whole = sorted((each for kind in kinds for each in kind), key=lambda each: each.event_id)
    return whole if end is None else [each for each in whole if each.event_id <= end]


def _first(model: type[Any], wanted: Q) -> QuerySet[Any]:
    """The first rows of some; not by a limit, which a part of a union can't have everywhere."""
    keys = model._default_manager.filter(wanted).order_by("pk").values("pk")[:MOST_EVENTS]
    rows: QuerySet[Any] = model._default_manager.filter(pk__in=keys).order_by()
    return rows


def _kind(kind: int) -> Value:
    return Value(kind, output_field=IntegerField())


def _nothing() -> Value:
    return Value("", output_field=TextField())


def _events(events: QuerySet[JobEvent], *, with_shares: bool) -> QuerySet[Any, Any]:
    heard = heard_by("job_id").values() if with_shares else (_nothing(),) * 3
    return events.values_list(_kind(EVENT), "pk", "job_id", "job__user_id", *heard)


def _gone(gone: QuerySet[JobGone]) -> QuerySet[Any, Any]:
    return gone.values_list(_kind(GONE), "pk", "job_id", "user_id", "groups", _nothing(), "users")


def _notices(rows: QuerySet[Notice]) -> QuerySet[Any, Any]:
    nothing = Value(0, output_field=BigIntegerField())
    texts = (_nothing() for _ in range(3))
    return rows.values_list(_kind(NOTICE), "pk", nothing, "user_id", *texts)


def _change(key: int, job: int, user: Any, app_groups: Any, groups: Any, users: Any) -> Change:
    to_key = get_user_model()._meta.pk.to_python
    return Change(
        key,
        job,
        user,
        frozenset(int(each) for text in (app_groups, groups) for each in _split(text)),
        frozenset(to_key(each) for each in _split(users)),
    )


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []


def changes_since(last_id: int, user: policy.Person, *, most: int = MOST_EVENTS) -> list[Change]:
    """What somebody may hear of since an event: two queries, one more where a job is gone."""
    since = Q(pk__gt=last_id, pk__lte=last_id + most)
    wanted = since
    if not policy.sees_all(user):
        wanted &= Q(job__user_id=user.pk) | policy.is_shared_with(user, "job_id")
    events = _events(JobEvent.objects.filter(wanted).order_by("pk")[:most], with_shares=False)
    changes = [_change(*row[1:]) for row in events]
    gone = [_change(*row[1:]) for row in _gone(JobGone.objects.filter(since))]
    if gone:
        audience = audience_of(user)
        changes += [each for each in gone if each.is_for(audience)]
    return changes


def without_connection(work: Callable[..., T], *args: Any) -> T:
    """Do something with the database, and hold no connection afterwards."""
    try:
        return work(*args)
    finally:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
