"""Third-party engines that go wrong on purpose, found by an entry point as any other is.

:func:`offer` writes the metadata of an installed package that offers them; the module itself is
importable because the tests' root is on the path.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from oceanid.engines.base import Engine
from oceanid.engines.htcondor import HTCondorEngine
from oceanid.engines.local import LocalEngine
from oceanid.errors import EngineUnavailable
from oceanid.specs import (
    BatchSpec,
    Capability,
    CheckReport,
    Command,
    Handle,
    ObservationBatch,
    Piece,
    SchedulerSpec,
    Settlement,
)

STANDS_S = 300.0
ENTRY_POINTS = """\
[oceanid.engines]
far = tests.faults.engines:FarEngine
freezing = tests.faults.engines:FreezingEngine
freezing-pool = tests.faults.engines:FreezingPoolEngine
hanging = tests.faults.engines:HangingEngine
mute = tests.faults.engines:MuteEngine
raising = tests.faults.engines:RaisingEngine
unborn = tests.faults.engines:UnbornEngine
gone = tests.faults.no_such_module:Engine
"""


def offer(folder: Path) -> Path:
    """Write a package's metadata into a folder; with the folder on the path it is installed."""
    metadata = folder / "oceanid_faulty-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: oceanid-faulty\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def freeze(engine: Engine, where: str) -> None:
    """Stand still at one instant that the engine's config names, to be frozen there.

    ``freeze_at``: ``submit`` (the batch is committed, nothing was done), ``handle`` (it is with
    the scheduler, nobody else knows), ``observe`` (observations were read and not applied). It
    does so once: ``frozen`` is the file that it leaves, and it goes on when a file of that name
    with ``.go`` is there.
    """
    config = engine.scheduler.config
    if config.get("freeze_at") != where:
        return
    frozen = Path(config["frozen"])
    try:
        frozen.open("x").close()
    except FileExistsError:
        return
    until = time.monotonic() + STANDS_S
    while not frozen.with_suffix(".go").exists() and time.monotonic() < until:
        time.sleep(0.005)


class FreezingEngine(LocalEngine):
    """The local engine; it freezes at ``manifest`` too: it is written, no runner was started."""

    name: ClassVar[str] = "freezing"
    title: ClassVar[str] = "Freezing (tests)"

    async def submit(self, batch: BatchSpec) -> Handle:
        """Freeze before, or between the runner's claim and the answer."""
        freeze(self, "submit")
        handle = await super().submit(batch)
        freeze(self, "handle")
        return handle

    def _start_runner(self, batch: BatchSpec) -> None:
        self._spool.prepare(batch, self._options)
        freeze(self, "manifest")
        super()._start_runner(batch)

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Freeze with observations in hand."""
        async for seen in super().watch(cursor):
            if any(each.state.is_final for each in seen.observations):
                freeze(self, "observe")
            yield seen


class FreezingPoolEngine(HTCondorEngine):
    """The HTCondor engine."""

    name: ClassVar[str] = "freezing-pool"
    title: ClassVar[str] = "Freezing on a pool (tests)"

    async def submit(self, batch: BatchSpec) -> Handle:
        """Freeze before, or between condor_submit's answer and ours."""
        freeze(self, "submit")
        handle = await super().submit(batch)
        freeze(self, "handle")
        return handle

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Freeze with observations in hand."""
        async for seen in super().watch(cursor):
            if any(each.state.is_final for each in seen.observations):
                freeze(self, "observe")
            yield seen


class FarEngine(LocalEngine):
    """The local engine, as if its tasks wrote on another machine: output must be asked for.

    ``calls`` is a file with a line for each read; ``mood``, when there is such a file, says what
    goes wrong: ``hang``, ``raise`` or ``refuse``.
    """

    name: ClassVar[str] = "far"
    title: ClassVar[str] = "Far away (tests)"
    output_is_here: ClassVar[bool] = False

    async def tail(self, handle: Handle, proc: int, stream: str, offset: int, limit: int) -> Piece:
        """Read, or fail on purpose."""
        with Path(self.scheduler.config["calls"]).open("a") as file:
            file.write(f"{stream} {proc} {time.monotonic():.2f}\n")
        mood = Path(self.scheduler.config["mood"])
        wrong = mood.read_text() if mood.exists() else ""
        if wrong == "hang":
            await asyncio.Event().wait()
        elif wrong == "raise":
            raise ZeroDivisionError("a bug in tail")
        elif wrong == "refuse":
            raise EngineUnavailable("The machine does not answer.", hint="It is tried again.")
        return await super().tail(handle, proc, stream, offset, limit)


class MuteEngine(LocalEngine):
    """The local engine, far away and without a way to read output."""

    name: ClassVar[str] = "mute"
    title: ClassVar[str] = "Mute (tests)"
    output_is_here: ClassVar[bool] = False
    capabilities: ClassVar[frozenset[Capability]] = LocalEngine.capabilities - {Capability.TAIL}


class HangingEngine(Engine):
    """Answers nothing, ever; notes each call and when it came."""

    name: ClassVar[str] = "hanging"
    title: ClassVar[str] = "Hanging (tests)"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.QUEUE})

    async def _hang(self, call: str) -> NoReturn:
        with Path(self.scheduler.config["calls"]).open("a") as file:
            file.write(f"{call} {time.monotonic():.2f}\n")
        await asyncio.Event().wait()
        raise AssertionError

    async def open(self) -> None:
        """Hang, when the config says so."""
        if self.scheduler.config.get("open"):
            await self._hang("open")

    async def close(self) -> None:
        """Hang."""
        await self._hang("close")

    async def check(self) -> CheckReport:
        """Hang."""
        await self._hang("check")

    async def submit(self, batch: BatchSpec) -> Handle:
        """Hang."""
        await self._hang("submit")

    async def settle(self, batch: BatchSpec) -> Settlement:
        """Hang."""
        await self._hang("settle")

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Hang."""
        await self._hang("watch")
        yield ObservationBatch((), {})

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        """Hang."""
        await self._hang("reconcile")

    async def command(self, commands: Sequence[Command]) -> None:
        """Hang."""
        await self._hang("command")

    async def forget(self, handles: Sequence[Handle]) -> None:
        """Hang."""
        await self._hang("forget")


class RaisingEngine(HangingEngine):
    """Raises what no engine should, in every call."""

    name: ClassVar[str] = "raising"
    title: ClassVar[str] = "Raising (tests)"

    async def _hang(self, call: str) -> NoReturn:
        with Path(self.scheduler.config["calls"]).open("a") as file:
            file.write(f"{call} {time.monotonic():.2f}\n")
        raise ZeroDivisionError(f"a bug in {call}")


class UnbornEngine(HangingEngine):
    """Can't even be made."""

    name: ClassVar[str] = "unborn"
    title: ClassVar[str] = "Unborn (tests)"

    def __init__(self, scheduler: SchedulerSpec) -> None:
        raise RuntimeError("a bug in its constructor")
