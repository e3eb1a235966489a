"""Runs ORM work in threads of the supervisor's own, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """A few threads, each with a connection that it keeps while it works."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="oceanid-db")

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a synchronous function that uses the ORM; what it began is finished even when
        the caller is cancelled."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, partial(_run, partial(call, *args, **kwargs)))
        return await asyncio.shield(work)

    def close(self) -> None:
        """Wait for what is under way and let the threads go."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _run(call: Callable[[], T]) -> T:
    if connection.errors_occurred:
        connection.close()
    try:
        return call()
    except (DatabaseError, InterfaceError):
        connections.close_all()
        raise
