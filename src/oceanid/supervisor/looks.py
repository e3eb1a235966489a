"""Looks at a scheduler now and then, and at once when a person wants it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from typing import Final

from oceanid.engines.base import Engine
from oceanid.errors import EngineUnavailable, LeaseLost, OceanidError
from oceanid.services import scheduler_health
from oceanid.services.leases import Hold
from oceanid.specs import CheckReport
from oceanid.supervisor.steps import FAULT, engine_faults_told
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

_TOGETHER_S: Final = 0.2


class Looks:
    """The looks at one scheduler while its lease is held."""

    def __init__(self, scheduler_id: int, hold: Hold, around: Surroundings) -> None:
        self.name = str(scheduler_id)
        self._scheduler_id = scheduler_id
        self._hold = hold
        self._around = around
        self._db = around.db

    async def look(self, engine: Engine) -> CheckReport | None:
        """Look now, and write down what was found; a failure is written down too."""
        wanted = await self._db(scheduler_health.wanted_since, self._scheduler_id)
        try:
            async with asyncio.timeout(self._around.settings.step_timeout_s):
                with engine_faults_told():
                    report = await engine.check()
            await self._db(
                scheduler_health.report_health,
                self._hold,
                self._scheduler_id,
                report,
                wanted=wanted,
            )
        except (OceanidError, OSError, TimeoutError) as problem:
            await self.tell("check", problem, was_look=True, wanted=wanted)
            return None
        return report

    async def wait(self, at_most_s: float) -> None:
        """Wait until it is time for a look: it is due, or somebody wants one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s), self._around.waker.listening() as changed:
                while not await self._db(scheduler_health.wanted_since, self._scheduler_id):
                    await changed.wait()
                    await asyncio.sleep(_TOGETHER_S)
                    changed.clear()

    async def tell(
        self,
        action: str,
        problem: BaseException,
        *,
        was_look: bool = False,
        wanted: datetime | None = None,
    ) -> None:
        """Log a failure and write it down; it says nothing of any job.

        Raises:
            LeaseLost: When it was that.
        """
        if isinstance(problem, LeaseLost):
            raise problem
        text = str(problem)
        if not text and isinstance(problem, TimeoutError):
            within = self._around.settings.step_timeout_s
            text = f"It did not answer within {within:g} s ({action})."
        text = text or type(problem).__name__
        is_fault = isinstance(problem, OceanidError) and problem.slug == FAULT
        log.warning(
            "Scheduler %s: %s", self.name, text,
            exc_info=problem if is_fault else None,
            extra={"action": f"scheduler.{action}", "scheduler": self.name},
        )  # fmt: skip
        reachable = not isinstance(problem, EngineUnavailable | TimeoutError)
        await self._db(
            scheduler_health.report_failure, self._hold, self._scheduler_id, text,
            reachable=reachable, was_look=was_look, wanted=wanted,
        )  # fmt: skip
