"""Sees ended tasks home: their outputs first, then their final word; several at a time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID

from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.manifest import Entry
from oceanid.engines.htcondor.outputs import Brought, bring
from oceanid.engines.htcondor.remote import Remote
from oceanid.errors import EngineError
from oceanid.specs import Observation
from oceanid.states import TaskState

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
MOST_TASKS: Final = 500
LONG_S: Final = 1.0
GATHER_S: Final = 1.0
MOST_BACK_OFF_S: Final = 60.0

Where = tuple[int, int]
"""The inode and offset of the event that told of an end."""


@dataclass(slots=True)
class _Pending:
    end: Observation
    entry: Entry
    where: Where | None
    since: float
    is_told: bool = False
    is_one_of_many: bool = False


class Ends:
    """The ended tasks whose outputs are not here yet.

    What is in it stands in the log (``where``) or in the history, so nothing is lost with it.
    """

    def __init__(
        self, remote: Remote, ledger: Ledger, spool: Path, *, wake: Callable[[], None]
    ) -> None:
        self._remote, self._ledger, self._spool, self._wake = remote, ledger, spool, wake
        self._pending: dict[tuple[UUID, int], _Pending] = {}
        self._ready: list[tuple[Observation, Where | None]] = []
        self._work: dict[UUID, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def add(
        self,
        end: Observation,
        entry: Entry,
        where: Where | None,
        *,
        is_one_of_many: bool = False,
    ) -> None:
        """Bring an ended task's outputs; idempotent.

        Args:
            end: How it ended.
            entry: What is to be known of it.
            where: The event that told of it.
            is_one_of_many: Whether others of its batch end one by one, so that it is worth a
                moment to fetch some of them together.
        """
        known = self._pending.get((end.batch, end.proc))
        if known is not None:
            known.where = known.where or where
            return
        self._pending[end.batch, end.proc] = _Pending(
            end, entry, where, monotonic(), is_one_of_many=is_one_of_many
        )
        if end.batch not in self._work:
            self._work[end.batch] = asyncio.create_task(self._see_home(end.batch))

    def take(self) -> list[tuple[Observation, Where | None]]:
        """The final words that are due now, and the events that they come from."""
        ready, self._ready = self._ready, []
        return ready

    def long_ones(self) -> list[Observation]:
        """Tasks whose outputs take so long that it should be told, each once."""
        before = monotonic() - LONG_S
        found = [
            each for each in self._pending.values() if not each.is_told and each.since < before
        ]
        for each in found:
            each.is_told = True
        return [_transferring(each.end) for each in found]

    def forget(self, batch: UUID) -> None:
        """Bring nothing more of a batch: all of it was told, or nobody wants it."""
        work = self._work.pop(batch, None)
        if work is not None:
            work.cancel()
        for of, number in list(self._pending):
            if of == batch:
                del self._pending[of, number]

    def __bool__(self) -> bool:
        return bool(self._pending or self._ready)

    async def close(self) -> None:
        """Stop; what is under way is begun again by the next watcher."""
        tasks = list(self._work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pending.clear()
        self._work.clear()
        self._ready.clear()

    async def _see_home(self, batch: UUID) -> None:
        """Bring the outputs of one batch's tasks until none is left; each failure waits longer."""
        failures = 0
        try:
            while some := self._some_of(batch):
                if all(self._pending[batch, number].is_one_of_many for number in some):
                    await asyncio.sleep(GATHER_S)
                    some = self._some_of(batch)
                try:
                    async with self._slots:
                        brought = await bring(self._remote, batch, some, spool=self._spool)
                    failures = 0
                except (EngineError, OSError, TimeoutError) as problem:
                    failures += 1
                    log.warning(
                        "Outputs of batch %s: %s", batch, problem,
                        extra={"action": "outputs.retry", "batch": str(batch)},
                    )  # fmt: skip
                    most = min(MOST_BACK_OFF_S, 2.0**failures)
                    await asyncio.sleep(random.uniform(0.5, 1.0) * most)  # noqa: S311
                    continue
                for number, came in brought.items():
                    self._finish(batch, number, came)
                self._wake()
        finally:
            if self._work.get(batch) is asyncio.current_task():
                del self._work[batch]

    def _some_of(self, batch: UUID) -> dict[int, Entry]:
        some: dict[int, Entry] = {}
        for (of, number), pending in self._pending.items():
            if of == batch:
                some[number] = pending.entry
                if len(some) >= MOST_TASKS:
                    break
        return some

    def _finish(self, batch: UUID, number: int, came: Brought) -> None:
        pending = self._pending.pop((batch, number), None)
        if pending is None:
            return
        end = finished(pending.end, came)
        self._ledger.ended(end)
        self._ready.append((end, pending.where))


def finished(end: Observation, came: Brought) -> Observation:
    """An end with what came of its outputs."""
    if came.failed is not None and end.state is TaskState.COMPLETE:
        why = came.failed
        return replace(
            end, state=TaskState.ERROR, reason_code=why.code, reason=why.reason, hint=why.hint
        )
    if came.notes:
        reason = " ".join([end.reason, *came.notes[:20]]).strip()
        return replace(end, reason=reason, reason_code=end.reason_code or "outputs-skipped")
    return end


def _transferring(end: Observation) -> Observation:
    return Observation(
        batch=end.batch, proc=end.proc, state=TaskState.TRANSFERRING, at=end.at, host=end.host
    )
