"""Looks at cloud accounts, and surveys them, when a person wants it; each a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from oceanid.clouds.base import Cloud
from oceanid.clouds.registry import cloud_class
from oceanid.errors import CloudUnavailable, LeaseLost
from oceanid.services import accounts, estates, leases
from oceanid.services.leases import Hold
from oceanid.services.wake import CLOUD
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8
SURVEY_S = 300.0
"""Seconds that a survey of all regions may take."""


class CloudsDriver:
    """Serves the wishes about clouds while it holds its lease."""

    def __init__(self, hold: Hold, around: Surroundings) -> None:
        self.hold = hold
        self.around = around
        self.db = around.db
        self.looking: dict[int, asyncio.Task[None]] = {}
        self.surveying: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LeaseLost: Another supervisor looks at the clouds now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew())
                group.create_task(self._attend(group))
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost("Another supervisor looks at the clouds now.")

    async def _attend(self, group: asyncio.TaskGroup) -> None:
        async with self.around.waker.listening(CLOUD) as changed:
            while True:
                changed.clear()
                for account_id, since in await self.db(accounts.wanted):
                    if account_id not in self.looking and len(self.looking) < MOST_AT_ONCE:
                        self.looking[account_id] = group.create_task(self._look(account_id, since))
                for account_id, since in await self.db(estates.wanted):
                    if account_id not in self.surveying and len(self.surveying) < MOST_AT_ONCE:
                        task = group.create_task(self._survey(account_id, since))
                        self.surveying[account_id] = task
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.around.settings.sweep_s):
                        await changed.wait()

    async def _look(self, account_id: int, since: datetime) -> None:
        """Look at one account; what is wrong with it is told."""
        await self._serve(
            account_id, since, ask=lambda cloud: cloud.check(), keep=accounts.report,
            tell=self._tell, within_s=self.around.settings.step_timeout_s, places=self.looking,
        )  # fmt: skip

    async def _tell(self, account_id: int, problem: Exception, since: datetime) -> None:
        log.warning(
            "Cloud account %s: %s: %s", account_id, type(problem).__name__, problem,
            extra={"action": "cloud.check", "account": account_id},
        )  # fmt: skip
        await self.db(accounts.report_failure, self.hold, account_id, problem, wanted=since)

    async def _survey(self, account_id: int, since: datetime) -> None:
        """Survey one account; what breaks is told, and what was found before stays."""
        await self._serve(
            account_id, since, ask=_surveyed, keep=estates.report, tell=self._not_surveyed,
            within_s=max(SURVEY_S, self.around.settings.step_timeout_s), places=self.surveying,
        )  # fmt: skip

    async def _not_surveyed(self, account_id: int, problem: Exception, since: datetime) -> None:
        log.warning(
            "Cloud account %s was not surveyed: %s: %s", account_id, type(problem).__name__,
            problem, extra={"action": "cloud.survey", "account": account_id},
        )  # fmt: skip
        await self.db(estates.report_failure, self.hold, account_id, problem, wanted=since)

    async def _serve(
        self,
        account_id: int,
        since: datetime,
        *,
        ask: Callable[[Cloud], Awaitable[Any]],
        keep: Callable[..., object],
        tell: Callable[[int, Exception, datetime], Awaitable[None]],
        within_s: float,
        places: dict[int, asyncio.Task[None]],
    ) -> None:
        """Serve one wish; a cloud that hangs, or is broken, is told and over."""
        try:
            try:
                name, spec = await self.db(accounts.spec_of, account_id)
                async with asyncio.timeout(within_s):
                    found = await ask(cloud_class(name)(spec))
            except TimeoutError:
                late = CloudUnavailable(
                    "The cloud did not answer within {within_s:g} s.", within_s=within_s
                )
                await tell(account_id, late, since)
            except LeaseLost:
                raise
            except Exception as problem:  # noqa: BLE001 - a stranger's cloud may raise anything
                await tell(account_id, problem, since)
            else:
                await self.db(keep, self.hold, account_id, found, wanted=since)
        finally:
            places.pop(account_id, None)
            self.around.waker.wake(CLOUD)  # somebody may wait for the place, or have asked again


async def _surveyed(cloud: Cloud) -> object:
    try:
        return await cloud.survey()
    finally:
        await cloud.close()
