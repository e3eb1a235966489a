"""The local engine: hands batches to runners of this machine and reads what they write."""

from __future__ import annotations

import asyncio
import compileall
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from oceanid.engines.base import Engine
from oceanid.engines.local import machine
from oceanid.engines.local.journal import Tail, lines_of, observation
from oceanid.engines.local.live import LiveBatches
from oceanid.engines.local.lost import settle_lost
from oceanid.engines.local.runner.record import Claim
from oceanid.engines.local.spool import Options, Spool
from oceanid.errors import EngineError
from oceanid.specs import (
    BatchSpec,
    Capability,
    CheckReport,
    Command,
    Found,
    Handle,
    Observation,
    ObservationBatch,
    Piece,
    SchedulerSpec,
    Settlement,
)
from oceanid.states import TaskState

_RUNNER_FOLDER: Final = Path(__file__).parent
_BOOT: Final = "import sys; sys.path.append(sys.argv[1]); from runner.main import main; main()"
_OBSERVATIONS_A_BATCH: Final = 2000
_CLAIM_WITHIN_S: Final = 20.0
_POLL_S: Final = 0.02
_MOST_HELD_S: Final = 0.25
_POLLS_A_COMMIT: Final = 6.0
_IDLE_POLL_S: Final = (0.05, 2.0)
_LOST_LOOK_S: Final = 0.5


class LocalEngine(Engine):
    """Runs tasks as processes of this machine, which outlive the supervisor.

    A batch is run by a *runner*, a small process of its own, one task after another: one batch
    takes one slot of the machine. What it does stands in files under the scheduler's spool only.
    """

    name: ClassVar[str] = "local"
    title: ClassVar[str] = "This machine"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.PAUSE, Capability.TAIL, Capability.WALL_TIME}
    )
    output_is_here: ClassVar[bool] = True

    def __init__(self, scheduler: SchedulerSpec) -> None:
        super().__init__(scheduler)
        self._options = Options.of(scheduler.config)
        self._spool = Spool(scheduler.spool)
        self._children: list[subprocess.Popen[bytes]] = []
        self._awake = asyncio.Event()
        self._live = LiveBatches(self._spool)

    @classmethod
    def is_available(cls) -> str:
        """The engine needs a Unix system."""
        return "" if hasattr(os, "posix_spawn") else "The local engine needs Linux or macOS."

    async def open(self) -> None:
        """Make the spool, and compile the runner, so that each start of it is quick."""

        def prepare() -> None:
            self._spool.make()
            compileall.compile_dir(str(_RUNNER_FOLDER / "runner"), quiet=2)

        await asyncio.to_thread(prepare)

    async def close(self) -> None:
        """Let go; the runners run on."""
        self._reap()
        self._awake.set()

    async def check(self) -> CheckReport:
        """Look at the interpreter, the spool, the disk and the user that tasks run as."""
        return await asyncio.to_thread(machine.check, self._spool, self._options)

    async def submit(self, batch: BatchSpec) -> Handle:
        """Start a runner for the batch, unless it has one, and wait for its claim."""
        if (handle := await asyncio.to_thread(self._known, batch.batch)) is not None:
            return handle
        await asyncio.to_thread(self._start_runner, batch)
        until = time.monotonic() + _CLAIM_WITHIN_S
        while True:
            complaint = self._complaint(batch)
            if (handle := self._known(batch.batch)) is not None:
                self._live.stale = True
                self._awake.set()
                return handle
            if complaint or time.monotonic() > until:
                raise EngineError(
                    "The runner of batch {batch} did not start. {complaint}",
                    hint="Run “oceanid doctor”.",
                    batch=batch.batch,
                    complaint=complaint,
                )
            await asyncio.sleep(0.002)

    async def settle(self, batch: BatchSpec) -> Settlement:
        """Look for the claim; when there is none, take the batch for nobody."""

        def look() -> Settlement:
            self._spool.make()
            while True:
                grave = self._spool.grave(batch.batch)
                claim = self._spool.claim(batch.batch)
                if grave == "dead" or (claim is not None and claim.dead):
                    return Settlement(Found.NEVER)
                if claim is not None or grave:
                    return Settlement(Found.SUBMITTED, _handle(batch.batch, claim))
                if self._spool.kill_unborn(batch.batch):
                    return Settlement(Found.NEVER)

        return await asyncio.to_thread(look)

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Follow the journal; see to batches whose runner died on the way."""
        tail = Tail(self._spool, cursor)
        lost_look_at = give_at = 0.0
        pause_s = _IDLE_POLL_S[0]
        held: list[Observation] = []
        while True:
            self._awake.clear()
            self._reap()
            self._live.refresh()
            now = time.monotonic()
            if self._live and now >= lost_look_at:
                lost_look_at = now + _LOST_LOOK_S
                for batch in self._live.lost():
                    await asyncio.to_thread(settle_lost, self._spool, batch)
            held += tail.read(_OBSERVATIONS_A_BATCH)
            # The end of a batch frees a slot, so it is told at once. For the rest a caller that
            # needs long for each batch of observations gets fewer and larger ones.
            is_urgent = bool(tail.closed) or len(held) >= _OBSERVATIONS_A_BATCH
            while tail.closed:
                self._live.discard(tail.closed.pop())
            if held and (is_urgent or now >= give_at):
                given_at = time.monotonic()
                yield ObservationBatch(tuple(held), tail.cursor)
                is_full, held = len(held) >= _OBSERVATIONS_A_BATCH, []
                taken_s = time.monotonic() - given_at
                give_at = given_at + taken_s + min(_MOST_HELD_S, _POLLS_A_COMMIT * taken_s)
                pause_s = _POLL_S
                if is_full:
                    continue
            elif held:
                pause_s = _POLL_S
            else:
                # Here the caller has committed all that was read, so what is behind may go.
                self._drop_old_generations(tail)
                most = _POLL_S * 2.5 if self._live else _IDLE_POLL_S[1]
                pause_s = min(pause_s * 1.25, most)
            await self._pause(pause_s)

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        """Tell the last state of every task of these batches from the journal."""
        batches = [handle.batch for handle in handles]
        found = await asyncio.to_thread(self._states_of, batches)
        return ObservationBatch(tuple(found), {})

    async def command(self, commands: Sequence[Command]) -> None:
        """Append each command to its batch's control file and wake the runner."""

        def ask() -> None:
            for command in commands:
                self._spool.ask(command)
                claim = self._spool.claim(command.handle.batch)
                if claim is not None and not claim.dead:
                    _wake(claim)

        await asyncio.to_thread(ask)

    async def tail(self, handle: Handle, proc: int, stream: str, offset: int, limit: int) -> Piece:
        """Read from the task's stdout or stderr file."""
        if stream not in ("stdout", "stderr"):
            raise EngineError(
                "There is no stream named “{stream}”.", hint="stdout or stderr.", stream=stream
            )

        def read() -> Piece:
            manifest = self._spool.manifest(handle.batch)
            for item in manifest.items if manifest is not None else ():
                if item.proc == proc:
                    return _read_range(getattr(item, stream), offset=offset, limit=limit)
            return Piece()

        return await asyncio.to_thread(read)

    async def forget(self, handles: Sequence[Handle]) -> None:
        """Remove the batches' folders and sandboxes; a grave keeps late submissions off."""

        def bury() -> None:
            for handle in handles:
                claim = self._spool.claim(handle.batch)
                if claim is not None and claim.is_alive():
                    _wait_for_end(claim)
                self._spool.bury(handle.batch)
            self._spool.clear_graves()

        await asyncio.to_thread(bury)
        for handle in handles:
            self._live.discard(str(handle.batch))

    def _known(self, batch: UUID) -> Handle | None:
        claim = self._spool.claim(batch)
        if self._spool.grave(batch) or (claim is not None and claim.dead):
            raise EngineError(
                "Batch {batch} was given up and may not be submitted any more.",
                hint="Submit its tasks in a new batch.",
                code="batch-dead",
                batch=batch,
            )
        return None if claim is None else _handle(batch, claim)

    def _start_runner(self, batch: BatchSpec) -> None:
        self._spool.make()
        self._spool.prepare(batch, self._options)
        folder = self._spool.folder(batch.batch)
        complaints = os.open(
            f"{folder}/runner.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            runner = subprocess.Popen(
                [
                    self._options.python,
                    *("-I", "-S", "-B", "-X", "utf8", "-c", _BOOT),
                    str(_RUNNER_FOLDER),
                    folder,
                ],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
                close_fds=True,
                umask=0o077,
            )
        finally:
            os.close(complaints)
        self._children.append(runner)

    def _complaint(self, batch: BatchSpec) -> str:
        try:
            told = Path(self._spool.folder(batch.batch), "runner.err").read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return told.strip().rpartition("\n")[2][:500]

    def _states_of(self, batches: list[UUID]) -> list[Observation]:
        wanted = {str(batch): batch for batch in batches}
        for name in wanted:
            settle_lost(self._spool, name)
        last: dict[tuple[str, int], dict[str, Any]] = {}
        for told in lines_of(self._spool, frozenset(wanted)):
            if "p" in told:
                last[told["b"], told["p"]] = told
        found = []
        for told in last.values():
            try:
                found.append(observation(told))
            except (ValueError, KeyError, TypeError):
                continue
        for name, batch in wanted.items():
            claim, manifest = self._spool.claim(name), self._spool.manifest(name)
            if claim is None or claim.dead or manifest is None:
                continue
            at = datetime.fromtimestamp(claim.at, UTC)
            found += [
                Observation(batch=batch, proc=item.proc, state=TaskState.SUBMITTED, at=at)
                for item in manifest.items
                if (name, item.proc) not in last
            ]
        return found

    def _drop_old_generations(self, tail: Tail) -> None:
        if not tail.old_generations:
            return
        used = self._live.generations()
        for generation in tail.old_generations:
            if generation not in used:
                tail.drop(generation)

    def _reap(self) -> None:
        self._children = [each for each in self._children if each.poll() is None]

    async def _pause(self, timeout_s: float) -> None:
        # Not wait_for(), which in Python 3.11 may swallow a cancellation that comes with the event.
        try:
            async with asyncio.timeout(timeout_s):
                await self._awake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_POLL_S / 4)


def _handle(batch: UUID, claim: Claim | None) -> Handle:
    return Handle(
        batch, {"pid": claim.pid, "started": claim.started} if claim is not None else {"pid": 0}
    )


def _wake(claim: Claim) -> None:
    """Wake a runner; a process that got its number by chance is never signalled."""
    try:
        if sys.platform.startswith("linux"):
            descriptor = os.pidfd_open(claim.pid)
            try:
                if claim.is_alive():
                    signal.pidfd_send_signal(descriptor, signal.SIGUSR1)
            finally:
                os.close(descriptor)
        elif claim.is_alive():
            os.kill(claim.pid, signal.SIGUSR1)
    except ProcessLookupError:
        return


def _wait_for_end(claim: Claim) -> None:
    """A runner whose last task has ended needs a moment to leave."""
    until = time.monotonic() + 5.0
    while claim.is_alive() and time.monotonic() < until:
        time.sleep(0.01)


def _read_range(path: str, *, offset: int, limit: int) -> Piece:
    if not path:
        return Piece()
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Piece()
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return Piece()
        begin = offset if offset >= 0 else max(0, found.st_size + offset)
        data = os.pread(file, max(0, limit), begin)
        return Piece(data, begin, max(found.st_size, begin + len(data)) if data else found.st_size)
    finally:
        os.close(file)
