"""What belongs to no scheduler: jobs that never had one, actions on many jobs, retention."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from oceanid.errors import LeaseLost
from oceanid.models import Job
from oceanid.services import (
    audit,
    bulk_actions,
    hearing,
    intents,
    leases,
    notices,
    retention,
    standings,
    tails,
    tallies,
)
from oceanid.services.leases import Hold
from oceanid.services.wake import BULK
from oceanid.states import Wanted
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

RETENTION_EVERY_S = 600.0
LOOK_EVERY_S = 4.0
LOOK_ANYWAY_S = 240.0
"""Within each slot of the overview's charts at least one look is made."""


class HouseDriver:
    """Keeps the house while it holds its lease."""

    def __init__(self, hold: Hold, around: Surroundings) -> None:
        self.hold = hold
        self.around = around
        self.db = around.db

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LeaseLost: Another supervisor keeps the house now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew())
                group.create_task(self._attend())
                group.create_task(self._act_in_bulk())
                group.create_task(self._retain())
                group.create_task(self._look_around())
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost("Another supervisor keeps the house now.")

    async def _attend(self) -> None:
        async with self.around.waker.listening() as changed:
            while True:
                changed.clear()
                for job in await self.db(intents.due, None):
                    if job.wanted == Wanted.DELETE:
                        await self._delete(job)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.around.settings.sweep_s):
                        await changed.wait()

    async def _delete(self, job: Job) -> None:
        try:
            await self.db(intents.remove_directory, job)
        except OSError as problem:
            log.warning(
                "The directory of job %s can't be removed: %s", job.pk, problem,
                extra={"action": "job.delete", "job": job.pk},
            )  # fmt: skip
        await self.db(intents.remove, self.hold, job)

    async def _act_in_bulk(self) -> None:
        """Take actions on many jobs further, a portion of each in turn."""
        async with self.around.waker.listening(BULK) as changed:
            while True:
                changed.clear()
                under_way = await self.db(bulk_actions.waiting)
                while under_way:
                    under_way = [
                        action
                        for action in under_way
                        if await self.db(bulk_actions.advance, self.hold, action)
                    ]
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.around.settings.sweep_s):
                        await changed.wait()

    async def _look_around(self) -> None:
        """Count now and then, when something has happened, what stands where."""
        known, looked = -1, -LOOK_ANYWAY_S
        clock = asyncio.get_running_loop().time
        while True:
            newest = await self.db(hearing.newest)
            begun = clock()
            if newest != known or begun - looked >= LOOK_ANYWAY_S:
                await self.db(standings.look, self.hold)
                known, looked = newest, begun
            # However many jobs are active, counting them stays a small part of all work.
            await asyncio.sleep(max(LOOK_EVERY_S, 20 * (clock() - begun)))

    async def _retain(self) -> None:
        """Ask now and then for the deletion of jobs, and forget actions, past their time."""
        while True:
            await self.db(bulk_actions.forget, self.hold)
            await self.db(tallies.forget, self.hold)
            asked = await self.db(retention.apply)
            if asked:
                log.info(
                    "%s jobs are past their time.", asked, extra={"action": "retention.applied"}
                )
            if gone := await self.db(audit.retain):
                log.info(
                    "%s rows of the audit history were past their time.", gone,
                    extra={"action": "retention.audit"},
                )  # fmt: skip
            if old := await self.db(notices.forget_old):
                log.info(
                    "%s notices and messages were past their time.", old,
                    extra={"action": "retention.notices"},
                )  # fmt: skip
            await self.db(tails.forget_old, self.hold)
            await self.db(hearing.forget_old, self.hold)
            await asyncio.sleep(RETENTION_EVERY_S)
