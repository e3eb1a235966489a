"""The hub: one task a process reads new events and fans them out to all that listen."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import OuterRef, Q, Subquery, TextField

from oceanid.models import Job, JobEvent, JobShare, Notice
from oceanid.services import policy
from oceanid.web.attendance import Audience, present

logger = logging.getLogger("oceanid.web")

LOOK_EVERY_S = 0.75
CHECK_EVERY_S = 8.0
"""How often it is made sure that who listens is still logged in, and may still see."""
ASKED_S = 40.0
"""How long somebody who asked is reckoned with; a hidden page asks every thirty seconds."""
LINGER_S = 4.0
"""How long somebody whose stream ended is; a browser comes back after a second or two."""
NOTICES_EVERY_S = 12.0
NOTICES_SOON_S = 2.0
"""Notices come of what happens: while nothing does they are looked for seldom. All the looks
together, and the checks, are less than two queries a second."""
NOTICES_KEPT_S = 60.0
"""Whoever comes back within this time is told of the notices meanwhile."""
GAP_LIFE_S = 10.0
LATE_EVENTS = 50
MOST_GAPS = 500
MOST_EVENTS = 5000
REMEMBERED = 5000

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


@dataclass(slots=True)
class Attended:
    """A session that listens or asks: what its person may hear of, and as of when.

    It is reckoned with ``until`` a time, and for as long as it listens.
    """

    audience: Audience
    checked_at: float
    until: float


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody who asks is told: see :meth:`Hub.ask`."""

    last: int
    jobs: list[int]
    resync: bool
    notices: int


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who listens: what they have not been told yet, and a bell."""

    audience: Audience
    session_key: str = ""
    is_gone: bool = False
    waiting: set[int] = field(default_factory=set)
    has_notices: bool = False
    last_id: int = 0
    is_behind: bool = False
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[list[int], int]:
        """The jobs that changed since the last call, and the last event's id."""
        jobs, self.waiting = sorted(self.waiting), set()
        self.bell.clear()
        return jobs, self.last_id


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


class Hub:
    """The listeners of one event loop, and the task that reads for them while there are any."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.sessions: dict[str, Attended] = {}
        self.recent: deque[Change] = deque(maxlen=REMEMBERED)
        self._oldest = 0
        self._task: asyncio.Task[None] | None = None
        self._reader: Reader | None = None
        self._notices: NoticeReader | None = None
        self._told: dict[Any, tuple[float, int]] = {}
        self._notices_at = 0.0
        self._changed_at = 0.0
        self._check_at = 0.0

    def known(self, session_key: str | None) -> Audience | None:
        """What a session's person may hear of, when that was made sure of lately."""
        attended = self.sessions.get(session_key or "")
        if attended is None or monotonic() - attended.checked_at > CHECK_EVERY_S + 1:
            return None
        return attended.audience

    def attend(self, session_key: str, audience: Audience, *, within_s: float) -> None:
        """A session listens or asks, and will again: it is checked with all the others."""
        now = monotonic()
        if not session_key:
            return
        if self.known(session_key) is None:
            self.sessions[session_key] = Attended(audience, now, now)
        attended = self.sessions[session_key]
        attended.until = max(attended.until, now + within_s)

    async def join(
        self, audience: Audience, last_id: int | None, *, session_key: str | None = None
    ) -> Listener:
        """Listen from an event on (None: from now on)."""
        listener = Listener(audience, session_key or "")
        self.listeners.add(listener)
        self.attend(listener.session_key, audience, within_s=LINGER_S)
        is_new = await self._start()
        reached = self._reader.last_id if self._reader else 0
        listener.last_id = reached
        if last_id is not None and (is_new or audience.user_id in self._told):
            listener.has_notices = True
            listener.bell.set()
        if last_id is not None and last_id < reached:
            if last_id >= self._oldest:
                missed = [each for each in self.recent if each.event_id > last_id]
                listener.waiting = {each.job_id for each in missed if each.is_for(audience)}
            else:
                listener.is_behind = True
            listener.bell.set()
        return listener

    async def ask(self, audience: Audience, since: int | None, *, session_key: str) -> Told:
        """What changed since an event, for somebody who asks now and then; no query of its own."""
        self.attend(session_key, audience, within_s=ASKED_S)
        await self._start()
        newest = self._reader.last_id if self._reader else 0
        notices = self._told.get(audience.user_id, (0.0, 0))[1]
        if since is None or since >= newest:
            return Told(newest, [], False, notices)
        if since < self._oldest:
            return Told(newest, [], True, notices)
        # Events may be committed out of order: look a little further back than asked.
        jobs = {
            each.job_id
            for each in self.recent
            if each.event_id > since - LATE_EVENTS and each.is_for(audience)
        }
        return Told(newest, sorted(jobs), False, notices)

    def leave(self, listener: Listener) -> None:
        """Listen no more, unless the browser comes back in a moment."""
        self.listeners.discard(listener)
        if not listener.is_gone and self.known(listener.session_key) is not None:
            self.attend(listener.session_key, listener.audience, within_s=LINGER_S)

    async def _start(self) -> bool:
        """See that the task runs; whether it did not."""
        is_new = self._task is None or self._task.done()
        if is_new:
            self._reader = None
            self._task = asyncio.create_task(self._run(), name="oceanid live hub")
        while self._reader is None and self._task is not None and not self._task.done():
            await asyncio.sleep(0.02)
        return is_new

    def _is_needed(self) -> bool:
        now = monotonic()
        return bool(self.listeners) or any(each.until > now for each in self.sessions.values())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="oceanid-live") as thread:
            try:
                start = await loop.run_in_executor(thread, without_connection, newest_event)
                self._notices = await loop.run_in_executor(thread, without_connection, NoticeReader)
                self._reader, self._oldest = Reader(start), start
                self.recent.clear()
                self._check_at = monotonic() + CHECK_EVERY_S
                look_at = monotonic()
                while self._is_needed():
                    look_at = max(look_at + LOOK_EVERY_S, monotonic() + 0.1)
                    await asyncio.sleep(look_at - monotonic())
                    await self._look(loop, thread)
                    if monotonic() >= self._check_at:
                        await self._check(loop, thread)
            finally:
                self._reader = None
                self.sessions.clear()
                await asyncio.shield(loop.run_in_executor(thread, connections.close_all))

    async def _check(self, loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor) -> None:
        """Make sure that who listens or asks is still logged in, and of what they may hear."""
        begun = monotonic()
        self._check_at = begun + CHECK_EVERY_S
        listening = {each.session_key for each in self.listeners}
        keys = [
            key for key, each in self.sessions.items() if key in listening or each.until > begun
        ]
        try:
            found = await loop.run_in_executor(thread, present, keys)
        except Exception:
            logger.exception("The live hub could not check", extra={"action": "live-check-failed"})
            return
        until = {key: self.sessions[key].until for key in keys}
        fresh = {key: each for key, each in self.sessions.items() if each.checked_at > begun}
        self.sessions = {
            key: Attended(audience, begun, until[key]) for key, audience in found.items()
        } | fresh
        for listener in self.listeners:
            if not listener.session_key or listener.session_key in fresh:
                continue
            audience = found.get(listener.session_key)
            if audience is not None:
                listener.audience = audience
            elif listener.session_key in until:
                listener.is_gone = True
                listener.bell.set()

    async def _look(self, loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor) -> None:
        reader = self._reader
        assert reader is not None
        with_shares = any(not each.audience.everyone for each in self.listeners) or any(
            not each.audience.everyone for each in self.sessions.values()
        )
        waited = monotonic() - self._notices_at
        soon = monotonic() - self._changed_at < NOTICES_EVERY_S
        is_time = waited >= (NOTICES_SOON_S if soon else NOTICES_EVERY_S)
        notices = self._notices if is_time else None

        def read() -> tuple[list[Change], dict[Any, int]]:
            for connection in connections.all(initialized_only=True):
                connection.close_if_unusable_or_obsolete()
            told = notices.read() if notices is not None else {}
            return reader.read(with_shares=with_shares), told

        try:
            changes, told = await loop.run_in_executor(thread, read)
        except Exception:
            # The database may be away for a while; listeners keep their place.
            logger.exception("The live hub could not read", extra={"action": "live-read-failed"})
            await asyncio.sleep(2)
            return
        if is_time:
            self._tell(told)
        if not changes:
            return
        self._changed_at = monotonic()
        if len(self.recent) + len(changes) > REMEMBERED:
            dropped = len(self.recent) + len(changes) - REMEMBERED
            kept = [*self.recent, *changes]
            self._oldest = max(self._oldest, kept[dropped - 1].event_id)
        self.recent.extend(changes)
        for listener in self.listeners:
            heard = {each.job_id for each in changes if each.is_for(listener.audience)}
            listener.last_id = reader.last_id
            if heard:
                listener.waiting |= heard
                listener.bell.set()

    def _tell(self, people: dict[Any, int]) -> None:
        """Ring for those for whom there are new notices."""
        now = self._notices_at = monotonic()
        kept = {who: told for who, told in self._told.items() if now - told[0] < NOTICES_KEPT_S}
        self._told = kept | {who: (now, newest) for who, newest in people.items()}
        for listener in self.listeners:
            if listener.audience.user_id in people:
                listener.has_notices = True
                listener.bell.set()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
