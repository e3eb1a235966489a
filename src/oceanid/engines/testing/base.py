"""How every part of the contract suite is run: one engine, one bench, bounded in time."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from oceanid.engines.base import Engine
from oceanid.engines.testing.bench import Bench, shell
from oceanid.errors import EngineError
from oceanid.specs import (
    BatchSpec,
    Capability,
    Observation,
    TaskSpec,
)


class ContractBase:
    """What a subclass gives, and how a scenario is run with it."""

    timeout_s: ClassVar[float] = 30.0
    """The most that one test waits for the engine, in seconds."""

    rounds: ClassVar[int] = 10
    """How often a race is run."""

    overrun_s: ClassVar[float] = 60.0
    """How long a task would last that is to be ended for its wall time of a second."""

    many: ClassVar[int] = 200
    """How many tasks are many."""

    def make_engine(self, spool: Path) -> Engine:
        """A new, unopened engine; two calls with one spool serve the same scheduler record."""
        raise NotImplementedError

    def run(self, tmp_path: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with self._bench(tmp_path) as bench:
                await scenario(bench)

        asyncio.run(whole())

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        engine = self.make_engine(tmp_path / "spool")
        await engine.open()
        async with Bench(engine, timeout_s=self.timeout_s) as bench:
            yield bench
        await engine.close()

    async def replay(
        self, tmp_path: Path, cursor: Mapping[str, Any], count: int
    ) -> Sequence[Observation]:
        engine = self.make_engine(tmp_path / "spool")
        await engine.open()
        try:
            async with Bench(engine, timeout_s=self.timeout_s, cursor=cursor) as bench:
                return await bench.first(count)
        finally:
            await engine.close()

    @staticmethod
    def needs(engine: Engine, capability: Capability) -> None:
        if capability not in engine.capabilities:
            raise unittest.SkipTest(f"The engine does not offer “{capability.value}”.")


def counting(folder: Path, count: Path) -> TaskSpec:
    """A task that leaves a line each time it runs."""
    return shell(f'echo x >> "{count}"', folder)


async def is_refused(engine: Engine, batch: BatchSpec) -> None:
    """Hold that an engine refuses a batch as dead."""
    try:
        await engine.submit(batch)
    except EngineError as refused:
        assert refused.slug == "batch-dead"
        return
    raise AssertionError("A batch that was settled as never submitted was submitted.")
