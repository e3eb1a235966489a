"""Shares an SSH server's sessions among all that want one, however few it allows."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import asyncssh

from oceanid.engines.htcondor.shell.connect import connect, told
from oceanid.engines.htcondor.shell.target import LoginRefused, Target
from oceanid.errors import EngineError, EngineUnavailable

# OpenSSH allows 10 by default (sshd_config, MaxSessions); two stay free for somebody else.
_SESSIONS: Final = 8
_MOST_CONNECTIONS: Final = 4
_MOST_BACK_OFF_S: Final = 60.0
_FREED_WITHIN_S: Final = 2.0


@dataclass(slots=True)
class Link:
    """One connection and what is open on it."""

    connection: asyncssh.SSHClientConnection
    limit: int = _SESSIONS
    brief: int = 0
    long: int = 0
    refused: int = 0
    opened: float = field(default_factory=monotonic)

    @property
    def held(self) -> int:
        """How many sessions are open, or being opened."""
        return self.brief + self.long

    @property
    def is_alive(self) -> bool:
        """Whether the connection still stands."""
        return not self.connection.is_closed()


class Sessions:
    """The connections to one account.

    One connection is enough for a server with OpenSSH's defaults. When all its sessions are
    held by what may stay for very long (a followed stream, a bulk copy), another one is opened:
    with ``MaxSessions 1`` a stream and a command use two.

    A failed connection is not tried again before a back-off; who asks meanwhile gets the same
    answer, so that no server is hammered with logins.
    """

    def __init__(self, target: Target, *, connect_timeout_s: float, keepalive_s: float) -> None:
        self._target = target
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._links: list[Link] = []
        self._connecting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._failures = 0
        self._not_before = 0.0
        self._problem: EngineError | None = None
        self._limit = _SESSIONS

    async def open(self) -> None:
        """Connect now, unless a connection stands; the back-off counts only for logins that
        were refused, for those are what servers ban for."""
        async with self._connecting:
            self._forget_dead()
            if self._links:
                return
            if isinstance(self._problem, LoginRefused):
                await self._patiently_connect()
            else:
                await self._connect()

    async def close(self) -> None:
        """Close every connection."""
        links, self._links = self._links, []
        for link in links:
            _let_go(link.connection)
        for link in links:
            with suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(5):
                    await link.connection.wait_closed()

    async def take(self, *, is_long: bool) -> Link:
        """Wait until a session may be opened on some connection, and count it."""
        while True:
            self._forget_dead()
            for link in self._links:
                if link.held < link.limit:
                    return _count(link, is_long)
            if self._may_connect():
                async with self._connecting:
                    self._forget_dead()
                    if self._may_connect():
                        await self._patiently_connect()
                continue
            self._changed.clear()
            await self._changed.wait()

    def give_back(self, link: Link, *, is_long: bool) -> None:
        """A session was closed."""
        if is_long:
            link.long -= 1
        else:
            link.brief -= 1
        self._changed.set()

    async def refused(
        self, link: Link, problem: asyncssh.ChannelOpenError, *, is_long: bool
    ) -> None:
        """The server opened no session: learn how many it allows, and wait for one.

        Raises:
            EngineUnavailable: It allows none at all.
        """
        self.give_back(link, is_long=is_long)
        if link.held > 0:
            self._limit = link.limit = min(link.limit, link.held)
            return
        # It may not have noticed yet that the last session is over.
        link.refused += 1
        if link.refused * 0.05 > _FREED_WITHIN_S:
            link.refused = 0
            raise told(problem, self._target)
        await asyncio.sleep(0.05)

    def _may_connect(self) -> bool:
        if not self._links:
            return True
        return len(self._links) < _MOST_CONNECTIONS and all(
            link.held >= link.limit and link.brief == 0 for link in self._links
        )

    async def _patiently_connect(self) -> None:
        if self._problem is not None and monotonic() < self._not_before:
            problem = self._problem
            raise EngineUnavailable(
                problem.message, hint=problem.hint, code=problem.slug
            ) from problem
        await self._connect()

    async def _connect(self) -> None:
        try:
            connection = await connect(
                self._target,
                connect_timeout_s=self._connect_timeout_s,
                keepalive_s=self._keepalive_s,
            )
        except EngineError as problem:
            self._failures += 1
            self._problem = problem
            most = min(_MOST_BACK_OFF_S, 0.5 * 2.0 ** min(self._failures, 10))
            # A wrong password tried often locks accounts and bans addresses.
            pause = _MOST_BACK_OFF_S if isinstance(problem, LoginRefused) else most
            self._not_before = monotonic() + random.uniform(0.5, 1.0) * pause  # noqa: S311
            raise
        self._failures, self._problem = 0, None
        self._links.append(Link(connection, self._limit))

    def _forget_dead(self) -> None:
        if dead := [link for link in self._links if not link.is_alive]:
            self._links = [link for link in self._links if link not in dead]
            for link in dead:
                _let_go(link.connection)
            self._changed.set()


def _let_go(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    if (tunnel := connection.get_extra_info("oceanid_tunnel")) is not None:
        tunnel.close()


def _count(link: Link, is_long: bool) -> Link:
    if is_long:
        link.long += 1
    else:
        link.brief += 1
    return link
