"""Runs ORM work in threads of the supervisor's own, off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection, connections

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """A few threads, each with a connection that it keeps while it works.

    Args:
        threads: How many.
        idle_s: Seconds after which PostgreSQL ends a transaction that does nothing; 0 for never.
            A supervisor that is frozen in the middle of one would otherwise keep the row of its
            lease locked, and nobody could take over. (SQLite has no such guard: who is frozen
            while he writes keeps every other writer waiting.)
    """

    def __init__(self, threads: int = 4, *, idle_s: float = 0.0) -> None:
        self._idle_ms = round(idle_s * 1000)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="oceanid-db")

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a synchronous function that uses the ORM; what it began is finished even when
        the caller is cancelled."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._pool, partial(_run, partial(call, *args, **kwargs), self._idle_ms)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(_told)
            raise

    def close(self, *, wait: bool = True) -> None:
        """Let the threads go, after what is under way unless ``wait`` is false."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


def _told(work: asyncio.Future[Any]) -> None:
    """What goes wrong when nobody waits any more is told, and means nothing."""
    problem = None if work.cancelled() else work.exception()
    if problem is not None:
        log.info("Given up: %s", problem, extra={"action": "database.given-up"})


def _run(call: Callable[[], T], idle_ms: int) -> T:
    if connection.errors_occurred:
        connection.close()
    try:
        if idle_ms and connection.connection is None and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET idle_in_transaction_session_timeout = {idle_ms}")
        return call()
    except (DatabaseError, InterfaceError):
        connections.close_all()
        raise
