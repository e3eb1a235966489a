"""Reads the output of running tasks for pages that show it, beside all that matters more."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Final

from oceanid.engines.base import Engine
from oceanid.errors import LeaseLost, OceanidError
from oceanid.services import tails
from oceanid.services.leases import Hold
from oceanid.services.tails import MOST_BYTES, Asked
from oceanid.services.wake import TAIL
from oceanid.specs import Capability, Piece
from oceanid.supervisor.steps import FAULT, engine_faults_told
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
EVERY_S: Final = 3.0
SHARE: Final = 3
"""After a read comes a rest of so many times as long: all of a long log is read where it is."""
MOST_S: Final = 20.0
LOOK_S: Final = 1.0
_TIDY_S: Final = 30.0


class Tails:
    """The reading for one scheduler while its lease is held; costs nothing while nobody looks."""

    def __init__(self, scheduler_id: int, hold: Hold, around: Surroundings) -> None:
        self._scheduler_id = scheduler_id
        self._hold = hold
        self._around = around
        self._db = around.db
        self._reading: dict[int, asyncio.Task[None]] = {}
        self._after: dict[int, float] = {}
        self._known: dict[int, Piece] = {}

    async def run(self, engine: Engine) -> None:
        """Serve wishes until cancelled; returns at once when the engine can't, or need not.

        Raises:
            LeaseLost: Another supervisor drives the scheduler now.
        """
        if Capability.TAIL not in engine.capabilities or engine.output_is_here:
            return
        try:
            async with self._around.waker.listening(TAIL) as changed:
                while True:
                    changed.clear()
                    await self._serve(engine)
                    await changed.wait()
        finally:
            for task in self._reading.values():
                task.cancel()
            await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _serve(self, engine: Engine) -> None:
        """Read again and again, until no wish is left."""
        tidy_after = 0.0
        while True:
            asked = await self._db(tails.wanted, self._scheduler_id)
            self._forget_all_but({each.wish_id for each in asked})
            for each in asked:
                is_due = self._after.get(each.wish_id, 0.0) <= monotonic()
                if is_due and each.wish_id not in self._reading and len(self._reading) < AT_ONCE:
                    self._reading[each.wish_id] = asyncio.create_task(self._read(engine, each))
            if monotonic() >= tidy_after:
                tidy_after = monotonic() + _TIDY_S
                if not await self._db(tails.tidy, self._hold, self._scheduler_id):
                    break
            elif not asked:
                tidy_after = 0.0
            await asyncio.sleep(LOOK_S)
        self._forget_all_but(set())

    def _forget_all_but(self, wishes: set[int]) -> None:
        for known in (self._known, self._after):
            for gone in known.keys() - wishes:
                del known[gone]

    async def _read(self, engine: Engine, asked: Asked) -> None:
        begun = monotonic()
        wish = asked.wish_id
        try:
            try:
                async with asyncio.timeout(min(MOST_S, self._around.settings.step_timeout_s)):
                    with engine_faults_told():
                        piece = await engine.tail(
                            asked.handle, asked.proc, asked.stream, -MOST_BYTES, MOST_BYTES
                        )
                is_news = self._known.get(wish) != piece
                self._known[wish] = piece
                await self._db(tails.read, self._hold, wish, piece if is_news else None)
            except (OceanidError, OSError, TimeoutError) as problem:
                await self._tell(wish, problem)
        except LeaseLost:
            log.info("A read outlived its lease.", extra={"action": "tail.lease-lost"})
        finally:
            now = monotonic()
            self._after[wish] = now + max(EVERY_S, SHARE * (now - begun))
            self._reading.pop(wish, None)

    async def _tell(self, wish: int, problem: BaseException) -> None:
        """A failed read is told to who looks, and says nothing of the task or the scheduler."""
        if isinstance(problem, LeaseLost):
            raise problem
        is_fault = isinstance(problem, OceanidError) and problem.slug == FAULT
        why = problem.message if isinstance(problem, OceanidError) else str(problem)
        if not why and isinstance(problem, TimeoutError):
            why = "The scheduler did not answer in time."
        log.info(
            "Output can't be read: %s", why or type(problem).__name__,
            exc_info=problem if is_fault else None, extra={"action": "tail.failed"},
        )  # fmt: skip
        await self._db(tails.not_read, self._hold, wish, why or type(problem).__name__)
