"""What the local engine's hostile tests stand on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from oceanid.engines.local import LocalEngine
from oceanid.engines.testing import Bench
from oceanid.specs import Observation, SchedulerSpec, TaskSpec

RECORD = UUID("00000000-0000-4000-8000-000000000001")
Scenario = Callable[[Bench], Awaitable[None]]


def local_engine(spool: Path, **config: Any) -> LocalEngine:
    """An engine on a spool; two on the same spool are two supervisors."""
    return LocalEngine(SchedulerSpec(RECORD, "local", str(spool), config=config))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., LocalEngine]:
    """Make a further engine on the test's spool."""
    return lambda **config: local_engine(tmp_path / "spool", **config)


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """Run a scenario on a fresh bench over the test's spool."""

    def run(scenario: Scenario, **config: Any) -> None:
        async def whole() -> None:
            engine = local_engine(tmp_path / "spool", **config)
            await engine.open()
            async with Bench(engine, timeout_s=30) as bench:
                await scenario(bench)
            await engine.close()

        asyncio.run(whole())

    return run


@pytest.fixture
def outcome(play: Callable[..., None]) -> Callable[..., Observation]:
    """Run one task to its end and tell how it ended."""

    def run(spec: TaskSpec, **config: Any) -> Observation:
        ends: list[Observation] = []

        async def scenario(bench: Bench) -> None:
            batch = bench.batch(spec)
            await bench.engine.submit(batch)
            ends.append((await bench.ends(batch))[0])

        play(scenario, **config)
        return ends[0]

    return run


def is_there(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Wait until something is so, within bounds."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, "It did not come to be in time."
        time.sleep(0.01)
    return found


def pids_in(path: Path) -> list[int]:
    """The process numbers that a task wrote to a file."""
    try:
        return [int(line) for line in path.read_text().split()]
    except FileNotFoundError:
        return []


def kill_if_there(pids: list[int]) -> None:
    """Leave nothing behind when a test failed."""
    for pid in pids:
        if is_there(pid):
            os.kill(pid, 9)
