"""Whoever waits is woken by a wish: by NOTIFY on PostgreSQL, by a cheap look on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from django.db import connections

from oceanid.supervisor.waker import Waker


def test_a_wish_wakes_whoever_listens(_house: None, shell: Callable[..., Any]) -> None:
    jobs = [shell("true"), shell("true")]

    async def listens() -> None:
        waker = Waker()
        watching = asyncio.create_task(waker.run())
        try:
            async with waker.listening() as changed, asyncio.timeout(60):
                await changed.wait()  # at first there is always something to look at
                for job in jobs:
                    changed.clear()
                    await asyncio.to_thread(_execute, job)
                    await changed.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(listens())


def _execute(job: Any) -> None:
    try:
        job.execute()
    finally:
        connections.close_all()
