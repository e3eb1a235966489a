"""What tests of engines stand on: one engine, what it was seen to tell, bounded waiting."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from oceanid.engines.base import Engine
from oceanid.specs import (
    BatchItem,
    BatchSpec,
    Command,
    Handle,
    Observation,
    ObservationBatch,
    TaskSpec,
    Verb,
)
from oceanid.states import TaskState

T = TypeVar("T")


def shell(script: str, folder: Path, **fields: Any) -> TaskSpec:
    """A task that runs a shell script in ``folder``, without a sandbox unless asked for one."""
    plain: dict[str, Any] = {
        "executable": "/bin/sh",
        "arguments": ("-c", script),
        "initialdir": str(folder),
        "transfer_executable": False,
        "transfer_files": False,
        "kill_timeout_s": 2,
    }
    return TaskSpec(**(plain | fields))


class Bench:
    """An open engine whose observations are collected while a test goes on.

    A test that fails has what it submitted stopped, so that it leaves no process behind.
    """

    def __init__(
        self, engine: Engine, *, timeout_s: float, cursor: Mapping[str, Any] | None = None
    ) -> None:
        self.engine = engine
        self.timeout_s = timeout_s
        self.batches: list[ObservationBatch] = []
        self._made: list[BatchSpec] = []
        self._cursor = cursor or {}
        self._news = asyncio.Condition()
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._watcher is not None
        if kind is not None:
            await self._stop_all()
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)

    def batch(self, *specs: TaskSpec) -> BatchSpec:
        """A new batch of these tasks."""
        identity = uuid.uuid4()
        items = tuple(
            BatchItem(proc, f"{identity}.1.{proc}", spec) for proc, spec in enumerate(specs)
        )
        made = BatchSpec(identity, items, specs[0].resources)
        self._made.append(made)
        return made

    def all_of(self, batch: BatchSpec) -> list[Observation]:
        """Everything that was seen of a batch, in order."""
        return [
            each for seen in self.batches for each in seen.observations if each.batch == batch.batch
        ]

    def history(self, batch: BatchSpec, proc: int) -> list[Observation]:
        """Everything that was seen of one task, in order."""
        return [each for each in self.all_of(batch) if each.proc == proc]

    async def until(self, batch: BatchSpec, proc: int, state: TaskState) -> Observation:
        """Wait until a task was seen in a state."""

        def seen() -> Observation | None:
            found = [each for each in self.history(batch, proc) if each.state is state]
            return found[0] if found else None

        return await self._wait(seen, f"task {proc} {state.word}")

    async def ends(
        self, batch: BatchSpec, *, also: frozenset[TaskState] = frozenset()
    ) -> dict[int, Observation]:
        """Wait until every task of a batch ended or was handed back; the last of each."""

        def ended() -> dict[int, Observation] | None:
            last = {each.proc: each for each in self.all_of(batch) if each.moves}
            done = {
                proc: each
                for proc, each in last.items()
                if each.state.is_final or each.state is TaskState.QUEUED or each.state in also
            }
            return done if len(done) == len(batch.items) else None

        return await self._wait(ended, "the end of every task")

    async def first(self, count: int) -> list[Observation]:
        """Wait for the first ``count`` observations."""

        def there() -> list[Observation] | None:
            found = [each for seen in self.batches for each in seen.observations]
            return found if len(found) >= count else None

        return await self._wait(there, f"{count} observations")

    async def _watch(self) -> None:
        async for seen in self.engine.watch(self._cursor):
            async with self._news:
                self.batches.append(seen)
                self._news.notify_all()

    async def _wait(self, look: Callable[[], T | None], awaited: str) -> T:
        try:
            async with asyncio.timeout(self.timeout_s), self._news:
                while (found := look()) is None:
                    self._check_watcher()
                    await self._news.wait()
                return found
        except TimeoutError:
            self._check_watcher()
            raise AssertionError(f"{awaited} was not seen in {self.timeout_s} s.") from None

    def _check_watcher(self) -> None:
        if self._watcher is not None and self._watcher.done():
            self._watcher.result()
            raise AssertionError("watch() came to an end; it must not.")

    async def _stop_all(self) -> None:
        for made in self._made:
            told = await self.engine.settle(made)
            handle = told.handle or Handle(made.batch, {})
            await self.engine.command([Command(Verb.STOP, handle)])
