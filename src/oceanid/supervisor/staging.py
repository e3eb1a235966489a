"""Brings jobs' input files together, slow or hung disks included, without holding anything up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from django.db import DatabaseError

from oceanid.errors import LeaseLost
from oceanid.models import Job
from oceanid.services import intents
from oceanid.services.leases import Hold
from oceanid.supervisor.database import Database

log = logging.getLogger(__name__)

THREADS = 4
AWAITED_S = 0.5
MOST = 1000


class Staging:
    """The jobs of one scheduler whose directories are being made.

    It has threads of its own, so that a file system that hangs under one scheduler's jobs takes
    no thread from another's.
    """

    def __init__(self, hold: Hold, db: Database, done: Callable[[], None]) -> None:
        self._hold = hold
        self._db = db
        self._done = done
        self._files = Database(THREADS)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._ready: list[Job] = []
        self._writing = asyncio.Lock()

    @property
    def jobs(self) -> list[int]:
        """The jobs that are being staged now."""
        return list(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether no more should be begun for now."""
        return len(self._under_way) >= MOST

    async def begin(self, jobs: Sequence[Job]) -> None:
        """Begin to stage jobs; returns when none is under way, or after half a second."""
        for job in jobs:
            if job.pk not in self._under_way:
                self._under_way[job.pk] = asyncio.create_task(self._stage(job))
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=AWAITED_S)

    async def remove_directory(self, job: Job) -> None:
        """Remove a job's own directory.

        Raises:
            OSError: Something in it can't be removed.
        """
        await self._files(intents.remove_directory, job)

    async def close(self) -> None:
        """Give up what is under way; it is begun anew by whoever drives the scheduler next."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._files.close(wait=False)

    async def _let_go(self, job: Job) -> None:
        """Write down that a job is staged, together with those that are ready meanwhile."""
        self._ready.append(job)
        async with self._writing:
            some, self._ready = self._ready, []
            if some:
                await self._db(intents.staged, self._hold, some)

    async def _stage(self, job: Job) -> None:
        try:
            try:
                await self._files(intents.stage, job)
            except (OSError, ValueError) as problem:
                await self._db(intents.cannot_stage, self._hold, job, str(problem))
            else:
                await self._let_go(job)
        except (LeaseLost, DatabaseError) as problem:
            # Whoever holds the lease then does it again; nothing was written.
            log.warning(
                "Job %s was not staged: %s", job.pk, problem,
                extra={"action": "job.not-staged", "job": job.pk},
            )  # fmt: skip
        finally:
            self._under_way.pop(job.pk, None)
            self._done()
