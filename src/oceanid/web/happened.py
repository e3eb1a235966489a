"""What has happened, read from the database: each event once, with those who may hear of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import OuterRef, Q, Subquery, TextField

from oceanid.models import Job, JobEvent, JobShare, Notice
from oceanid.services import policy
from oceanid.web.attendance import Audience

GAP_LIFE_S = 10.0
MOST_GAPS = 500
MOST_EVENTS = 5000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """An event of a job, with what decides who may hear of it."""

    event_id: int
    job_id: int
    user_id: Any
    groups: frozenset[int]
    users: frozenset[Any] = frozenset()

    def is_for(self, audience: Audience) -> bool:
        """Whether somebody may hear of it."""
        return (
            audience.everyone
            or self.user_id == audience.user_id
            or audience.user_id in self.users
            or bool(self.groups & audience.groups)
        )


class NoticeReader:
    """Reads for whom there are new notices; one supervisor writes them, in order."""

    def __init__(self) -> None:
        newest = Notice.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._last_id = newest or 0

    def read(self) -> dict[Any, int]:
        """The people who were told something since the last call, and what last: one query."""
        rows = Notice.objects.filter(pk__gt=self._last_id).order_by("pk")
        found = list(rows.values_list("pk", "user_id")[:MOST_EVENTS])
        if found:
            self._last_id = found[-1][0]
        return {user_id: pk for pk, user_id in found}


class Reader:
    """Reads each event once, also one that is committed behind a later one.

    On PostgreSQL ids are given before the commit, so event 12 may appear after 13 was read:
    ids that were passed over are looked for again for some seconds.
    """

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self._gaps: dict[int, float] = {}

    def read(self, *, with_shares: bool) -> list[Change]:
        """The changes since the last call: one query."""
        now = monotonic()
        self._gaps = {each: until for each, until in self._gaps.items() if until > now}
        wanted = Q(pk__gt=self.last_id)
        if self._gaps:
            wanted |= Q(pk__in=list(self._gaps))
        changes = list(_changes(wanted, with_shares=with_shares, most=MOST_EVENTS))
        for change in changes:
            self._gaps.pop(change.event_id, None)
            passed = range(max(self.last_id + 1, change.event_id - MOST_GAPS), change.event_id)
            if self.last_id:
                for each in passed:
                    self._gaps[each] = now + GAP_LIFE_S
            self.last_id = max(self.last_id, change.event_id)
        while len(self._gaps) > MOST_GAPS:
            self._gaps.pop(next(iter(self._gaps)))
        return changes


def _changes(wanted: Q, *, with_shares: bool, most: int) -> Iterable[Change]:
    """Events with those who may hear of them, one row an event however many these are."""
    columns = ["pk", "job_id", "job__user_id"]
    events = JobEvent.objects.filter(wanted).order_by("pk")
    if not with_shares:
        for row in events.values_list(*columns)[:most]:
            yield Change(row[0], row[1], row[2], frozenset())
        return
    shares = JobShare.objects.filter(job=OuterRef("job_id"))
    grouped = Job.groups.through.objects.filter(job=OuterRef("job_id"))
    events = events.annotate(
        app_groups=Listed(grouped.values("group_id")),
        groups=Listed(shares.filter(group__isnull=False).values("group_id")),
        users=Listed(shares.filter(user__isnull=False).values("user_id")),
    )
    key = get_user_model()._meta.pk
    assert key is not None
    for row in events.values_list(*columns, "app_groups", "groups", "users")[:most]:
        groups = frozenset(int(each) for text in row[3:5] for each in _split(text))
        users = frozenset(key.to_python(each) for each in _split(row[5]))
        yield Change(row[0], row[1], row[2], groups, users)


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []


class Listed(Subquery):
    """The one column of a subquery as a text, with commas between."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite names no column of a subquery: by the first part of a union it does."""
        template = (
            "(SELECT group_concat(one) FROM (SELECT NULL AS one WHERE 0 UNION ALL %(subquery)s))"
        )
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL's own function."""
        template = "(SELECT string_agg(one::text, ',') FROM (%(subquery)s) AS listed (one))"
        return self.as_sql(compiler, connection, template=template, **context)


def changes_since(last_id: int, user: policy.Person, *, most: int = MOST_EVENTS) -> list[Change]:
    """What somebody may hear of since an event: one query."""
    wanted = Q(pk__gt=last_id, pk__lte=last_id + most)
    if not policy.sees_all(user):
        wanted &= Q(job__user_id=user.pk) | policy.is_shared_with(user, "job_id")
    return list(_changes(wanted, with_shares=False, most=most))


def newest_event() -> int:
    """The id of the newest event, 0 when there is none."""
    return JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def without_connection(work: Callable[..., T], *args: Any) -> T:
    """Do something with the database, and hold no connection afterwards."""
    try:
        return work(*args)
    finally:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
