"""Notices that the database changed, at almost no cost."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from django.db import connection

from oceanid import conf
from oceanid.models import (
    AuditEvent,
    BulkAction,
    ClusterEvent,
    Delivery,
    JobEvent,
    Outbox,
    SchedulerEvent,
    TailWish,
)
from oceanid.services.wake import BULK, CHANNEL, CLOUD, NOTICE, TAIL, WORK

log = logging.getLogger(__name__)


_TOPICS = {
    AuditEvent._meta.db_table: (CLOUD, BULK),
    BulkAction._meta.db_table: (BULK,),
    ClusterEvent._meta.db_table: (CLOUD,),
    Delivery._meta.db_table: (NOTICE,),
    JobEvent._meta.db_table: (WORK,),
    Outbox._meta.db_table: (NOTICE,),
    SchedulerEvent._meta.db_table: (WORK,),
    TailWish._meta.db_table: (TAIL,),
}
_ROWS = f"SELECT name, seq FROM sqlite_sequence WHERE name IN ({', '.join('?' * len(_TOPICS))})"  # noqa: S608


class Waker:
    """Sets events of its listeners when somebody committed something."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Event, str] = {}

    @asynccontextmanager
    async def listening(self, topic: str = WORK) -> AsyncIterator[asyncio.Event]:
        """An event that is set at each change, while the block lasts; clear it yourself.

        Args:
            topic: Of what changes: see :func:`oceanid.services.wake.wake`.
        """
        event = asyncio.Event()
        self._listeners[event] = topic
        try:
            yield event
        finally:
            del self._listeners[event]

    async def run(self) -> None:
        """Watch for changes until cancelled."""
        while True:
            try:
                if connection.vendor == "postgresql":
                    await self._listen()
                else:
                    await self._poll()
            except (OSError, sqlite3.Error, RuntimeError) as problem:
                log.warning(
                    "The database can't be watched: %s", problem, extra={"action": "waker.failed"}
                )
                await asyncio.sleep(1)

    def wake(self, *topics: str) -> None:
        """Wake the listeners of these topics; every one when none is given."""
        for event, topic in self._listeners.items():
            if not topics or topic in topics:
                event.set()

    async def _poll(self) -> None:
        """SQLite: ``PRAGMA data_version`` changes when another connection has committed (SQLite
        documentation, "PRAGMA data_version"). Heartbeats change it too; only what wrote an event,
        as every wish does, or asked for output wakes anybody. A thread of its own asks for half of
        what a timer of the event loop would cost."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        over = threading.Event()

        def fail(problem: Exception) -> None:
            if not failed.done():
                failed.set_exception(problem)

        def watch() -> None:
            try:
                self._watch(over, lambda topics: loop.call_soon_threadsafe(self.wake, *topics))
            except (OSError, sqlite3.Error) as problem:
                loop.call_soon_threadsafe(fail, problem)

        thread = threading.Thread(target=watch, name="oceanid-waker", daemon=True)
        thread.start()
        try:
            await failed
        finally:
            over.set()
            thread.join(1)

    def _watch(self, over: threading.Event, changed: Callable[[set[str]], object]) -> None:
        name = connection.settings_dict["NAME"]
        uri = str(name).startswith("file:")
        watched = sqlite3.connect(
            str(name) if uri else str(Path(name)), uri=uri, isolation_level=None
        )
        pause = conf.current().supervisor.poll_s
        with closing(watched):
            last, told = None, dict[str, int]()
            while not over.is_set():
                (version,) = watched.execute("PRAGMA data_version").fetchone()
                if version != last:
                    last, before = version, told
                    told = dict(watched.execute(_ROWS, tuple(_TOPICS)).fetchall())
                    fresh = [name for name in told if told[name] != before.get(name)]
                    topics = {topic for name in fresh for topic in _TOPICS[name]}
                    if topics or not told:
                        changed(topics)
                over.wait(pause)

    async def _listen(self) -> None:
        import psycopg

        parameters: dict[str, Any] = dict(connection.get_connection_params())
        for name in ("cursor_factory", "context", "prepare_threshold"):
            parameters.pop(name, None)
        try:
            listener = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
        except psycopg.Error as problem:
            raise RuntimeError(str(problem)) from problem
        try:
            await listener.execute(f"LISTEN {CHANNEL}")
            self.wake()
            async for told in listener.notifies():
                self.wake(told.payload)
        except psycopg.Error as problem:
            raise RuntimeError(str(problem)) from problem
        finally:
            with suppress(psycopg.Error):
                await listener.close()
