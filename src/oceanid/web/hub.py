"""The hub: one task a process reads new events and fans them out to all that listen."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections

from oceanid.web.attendance import Audience, present
from oceanid.web.happened import Change, News, Reader, without_connection

logger = logging.getLogger("oceanid.web")

LOOK_EVERY_S = 0.75
"""One query a look; with the checks that is less than two a second."""
CHECK_EVERY_S = 7.0
"""How often it is made sure that who listens is still logged in, and may still see."""
KNOWN_S = 9.5
"""How long what was made sure of counts: a logout ends a stream within ten seconds."""
ASKED_S = 40.0
"""How long somebody who asked is reckoned with; a hidden page asks every thirty seconds."""
LINGER_S = 4.0
"""How long somebody whose stream ended is; a browser comes back after a second or two."""
NOTICES_KEPT_S = 60.0
"""Whoever comes back within this time is told of the notices meanwhile."""
LATE_EVENTS = 50
REMEMBERED = 5000


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


class Hub:
    """The listeners of one event loop, and the task that reads for them while there are any."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.sessions: dict[str, Attended] = {}
        self.recent: deque[Change] = deque(maxlen=REMEMBERED)
        self._oldest = 0
        self._task: asyncio.Task[None] | None = None
        self._reader: Reader | None = None
        self._told: dict[Any, tuple[float, int]] = {}
        self._check_at = 0.0
        self._checked = asyncio.Event()

    def known(self, session_key: str | None) -> Audience | None:
        """What a session's person may hear of, when that was made sure of lately."""
        attended = self.sessions.get(session_key or "")
        if attended is None or monotonic() - attended.checked_at > KNOWN_S:
            return None
        return attended.audience

    async def sure(self, session_key: str | None) -> Audience | None:
        """The same; for a session whose check is overdue, that of all together is awaited."""
        audience = self.known(session_key)
        attended = self.sessions.get(session_key or "")
        if audience is not None or attended is None or self._task is None or self._task.done():
            return audience
        attended.until = max(attended.until, monotonic() + LINGER_S)
        self._check_at = 0.0
        with suppress(TimeoutError):
            await asyncio.wait_for(self._checked.wait(), LINGER_S)
        return self.known(session_key)

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
                reader = await loop.run_in_executor(thread, without_connection, Reader.from_now_on)
                self._reader, self._oldest = reader, reader.last_id
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
        self._checked.set()
        self._checked = asyncio.Event()

    async def _look(self, loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor) -> None:
        reader = self._reader
        assert reader is not None
        with_shares = any(not each.audience.everyone for each in self.listeners) or any(
            not each.audience.everyone for each in self.sessions.values()
        )

        def read() -> News:
            for connection in connections.all(initialized_only=True):
                connection.close_if_unusable_or_obsolete()
            return reader.read(with_shares=with_shares)

        try:
            news = await loop.run_in_executor(thread, read)
        except Exception:
            # The database may be away for a while; listeners keep their place.
            logger.exception("The live hub could not read", extra={"action": "live-read-failed"})
            await asyncio.sleep(2)
            return
        if news.notices:
            self._tell(news.notices)
        changes = news.changes
        if not changes:
            return
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
        now = monotonic()
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
