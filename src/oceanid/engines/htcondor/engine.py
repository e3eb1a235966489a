"""The HTCondor engine: condor commands on the submit host, here or over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from oceanid.engines.base import Engine
from oceanid.engines.htcondor import dagsweep, fence, meaning, queue
from oceanid.engines.htcondor.check import look
from oceanid.engines.htcondor.dagfiles import dag_files, dag_folders
from oceanid.engines.htcondor.describe import Description, describe
from oceanid.engines.htcondor.ends import Ends
from oceanid.engines.htcondor.factory import Factories
from oceanid.engines.htcondor.holds import LATE_REASON
from oceanid.engines.htcondor.idle import Idle
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.manifest import Manifest
from oceanid.engines.htcondor.outputs import bring
from oceanid.engines.htcondor.pool import KeptPool
from oceanid.engines.htcondor.reach import shell_of
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.engines.htcondor.shell import Shell
from oceanid.engines.htcondor.staging import Staged, Stager
from oceanid.engines.htcondor.tail import Where, piece_of
from oceanid.engines.htcondor.watcher import Watcher
from oceanid.engines.pools import Pool
from oceanid.errors import EngineError
from oceanid.specs import (
    BatchSpec,
    Capability,
    CheckReport,
    Command,
    Handle,
    Observation,
    ObservationBatch,
    Piece,
    SchedulerSpec,
    Settlement,
    Verb,
)
from oceanid.states import TaskState

MOST_LOG_BYTES: Final = 64 << 20
"""A generation of the event log that is larger is followed by a new one."""

FACTORIES_SINCE: Final = (9, 0, 0)
"""The first stable version in which a schedd makes jobs by itself without being told to allow it
(HTCondor manual, "Version 9.0"; SCHEDD_ALLOW_LATE_MATERIALIZE)."""

_TASKS_A_LOOK: Final = 10_000
# condor_tail knows no place to begin at and tells no size: so all is read there, and only what is
# wanted is sent here, the size behind it.
_FORGET: Final = """\
while read -r B; do
    exec 9>>"lock/$B" || exit 1
    flock -w 20 9 || exit 1
    : >"grave/$B" && rm -rf "b/$B" && rm -f "dag/$B" "lock/$B" || exit 1
    exec 9>&-
done
find store -type f -links 1 -mmin +1440 -delete 2>/dev/null
:
"""


class HTCondorEngine(Engine):
    """Runs tasks on an HTCondor pool through its submit host."""

    name: ClassVar[str] = "htcondor"
    title: ClassVar[str] = "HTCondor"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PAUSE,
            Capability.GPUS,
            Capability.CONTAINERS,
            Capability.REQUIREMENTS,
            Capability.QUEUE,
            Capability.DAG,
            Capability.TAIL,
            Capability.CUSTOM_ATTRIBUTES,
            Capability.WALL_TIME,
        }
    )

    def __init__(self, scheduler: SchedulerSpec) -> None:
        super().__init__(scheduler)
        self._shell = self.make_shell()
        self._directory = str(scheduler.config.get("directory") or f".oceanid/{scheduler.uuid}")
        self._remote = Remote(self._shell, self._directory)
        self._ledger = Ledger(self._remote)
        self._stager = Stager(self._remote)
        self._factories = Factories(self._remote, self._ledger, self._ask)
        self._watcher: Watcher | None = None
        self._ends: Ends | None = None

    @classmethod
    def pool(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Pool:
        """The pool of a cluster, by way of its master's keeper."""
        return KeptPool(config, secrets)

    def make_shell(self) -> Shell:
        """The shell on the submit host: of the machine that the record names, else of this one."""
        return shell_of(self.scheduler.config, self.scheduler.secrets)

    async def open(self) -> None:
        """Connect, and make Oceanid's directory on the submit host."""
        await self._shell.open()
        await self._remote.host()

    async def close(self) -> None:
        """Let go of the connection; what is at the pool runs on."""
        await self._shell.close()

    async def check(self) -> CheckReport:
        """Look at the way to the schedd step by step."""
        return await look(self._shell, self._directory)

    async def submit(self, batch: BatchSpec) -> Handle:
        """Bring the inputs, and submit the batch under its fence."""
        host = await self._remote.host()
        base = host.base
        folder, log = f"{base}/b/{batch.batch}", self._log()
        staged = await self._stager.stage(batch, folder)
        written = await asyncio.to_thread(
            _written, batch, folder=folder, log=f"{base}/{log}", staged=staged,
            factories=host.version >= FACTORIES_SINCE,
        )  # fmt: skip
        late = [at for at, each in enumerate(written.descriptions) if each.is_late]
        manifest = Manifest.of(batch, written.orders, late)
        handle = await fence.submit(
            self._remote,
            batch.batch,
            written.descriptions,
            files={**written.files, "manifest": manifest.dump(), "log": f"{log}\n".encode()},
            links=staged.links,
            folders=written.folders,
            timeout_s=300,
        )
        handle = _whole(handle, batch)
        self._ledger.submitted(batch.batch, handle.data["clusters"], manifest)
        return handle

    async def settle(self, batch: BatchSpec) -> Settlement:
        """Ask the fence, the log, the queue and the history, in this order."""
        told = await fence.settle(self._remote, batch.batch, timeout_s=180)
        if told.handle is None:
            return told
        return replace(told, handle=_whole(told.handle, batch))

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Follow the event log; a task's last word comes when its outputs are here."""
        ends = Ends(
            self._remote, self._ledger, Path(self.scheduler.spool), wake=lambda: watcher.wake()
        )
        idle = Idle.of(
            self.scheduler.config, self._remote, self._ledger, wake=lambda: watcher.wake()
        )
        watcher = Watcher(
            self._remote, self._ledger, ends, cursor,
            remove=self._take_off, hold_late=self._hold_late, idle=idle,
            factories=self._factories,
        )  # fmt: skip
        self._watcher, self._ends = watcher, ends
        looking = asyncio.create_task(idle.run())
        try:
            async with aclosing(watcher.run()) as batches:
                async for seen in batches:
                    yield seen
                    if looking.done():
                        looking.result()
        finally:
            if self._ends is ends:
                self._watcher = self._ends = None
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await ends.close()

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        """Ask the queue, and the history for what is no longer there."""
        observations: list[Observation] = []
        for some in _looks([each for each in handles if not each.data.get("dag")]):
            observations += await self._states_of(some)
        for some in _looks([each for each in handles if each.data.get("dag")]):
            await self._know(some)
            observations += await dagsweep.states(self._remote, self._ledger, self._ends, some)
        return ObservationBatch(tuple(observations), {})

    async def command(self, commands: Sequence[Command]) -> None:
        """Have the schedd hold, release or remove the jobs, in bulk."""
        await self._know([command.handle for command in commands])
        await self._factories.wish(commands)
        await self._ask(commands)

    async def tail(self, handle: Handle, proc: int, stream: str, offset: int, limit: int) -> Piece:
        """Read a task's output where it is now: on the machine that it runs on, on the submit
        host, or on the file system that all share."""
        if stream not in ("stdout", "stderr"):
            raise EngineError(
                "There is no stream named “{stream}”.", hint="stdout or stderr.", stream=stream
            )
        await self._know([handle])
        entry = self._ledger.entry(handle.batch, proc)
        if entry is None:
            return Piece()
        job = self._ledger.job_of(handle.batch, proc)
        return await piece_of(
            self._remote, Where(handle.batch, proc, job), entry, stream, offset, limit
        )

    async def fetch(self, handle: Handle, procs: Sequence[int]) -> None:
        """Bring the outputs of these tasks, if they are not here; :meth:`watch` does it unasked."""
        await self._know([handle])
        entries = {proc: self._ledger.entry(handle.batch, proc) for proc in procs}
        wanted = {proc: entry for proc, entry in entries.items() if entry and entry.brings_back}
        if wanted:
            await bring(self._remote, handle.batch, wanted, spool=Path(self.scheduler.spool))

    async def forget(self, handles: Sequence[Handle]) -> None:
        """Remove the batches' folders and what is left of their jobs; a grave of no bytes keeps
        late submissions off for a month."""
        for begin in range(0, len(handles), queue.BATCHES_A_LOOK):
            some = [handle.batch for handle in handles[begin : begin + queue.BATCHES_A_LOOK]]
            await queue.run(self._remote, Verb.STOP, queue.of_batches(some))
            names = "".join(f"{batch}\n" for batch in some)
            answer = await self._remote.run(_FORGET, stdin=names.encode(), timeout_s=120)
            if answer.exit_status:
                raise failure("What was kept of batches can't be removed", told(answer))
            for batch in some:
                self._ledger.forget(batch)
                if self._ends is not None:
                    self._ends.forget(batch)
                if self._watcher is not None:
                    self._watcher.forget(batch)

    def _log(self) -> str:
        """The generation of the event log that new jobs write to."""
        today = f"log/{datetime.now(UTC):%Y%m%d}."
        sizes = self._watcher.sizes if self._watcher is not None else {}
        endings = [name.removeprefix(today) for name in sizes if name.startswith(today)]
        number = max((int(each) for each in endings if each.isdigit()), default=0)
        if sizes.get(f"{today}{number}", 0) > MOST_LOG_BYTES:
            number += 1
        return f"{today}{number}"

    async def _know(self, handles: Sequence[Handle]) -> None:
        """See to it that the ledger knows these batches."""
        await self._ledger.load(handle.batch for handle in handles)
        for handle in handles:
            self._ledger.submitted(handle.batch, handle.data.get("clusters", []), None)

    async def _states_of(self, handles: Sequence[Handle]) -> list[Observation]:
        await self._know(handles)
        batches = {str(handle.batch): handle.batch for handle in handles}
        found: dict[tuple[UUID, int], Observation] = {}
        late = []
        for ad in await queue.jobs(self._remote, queue.of_batches(batches)):
            if meaning.is_late(ad) and str(ad.get("OceanidBatch")) in batches:
                late.append((batches[str(ad["OceanidBatch"])], int(ad["OceanidProc"])))
            self._see(ad, batches, found)
        if late:
            await self._hold_late(late)
        gone = []
        for handle in handles:
            ended = self._ledger.ends.get(handle.batch, {})
            found |= {(handle.batch, proc): end for proc, end in ended.items()}
            known = {proc for batch, proc in found if batch == handle.batch}
            if self._ledger.numbers(handle.batch) - known:
                gone.append(handle)
        if gone:
            since = min(int(handle.data.get("at", 0)) for handle in gone)
            constraint = queue.of_batches(handle.batch for handle in gone)
            for ad in await queue.history(self._remote, constraint, since=since):
                self._see(ad, batches, found)
        return list(found.values())

    def _see(
        self,
        ad: Mapping[str, Any],
        batches: Mapping[str, UUID],
        found: dict[tuple[UUID, int], Observation],
    ) -> None:
        batch, number = batches.get(str(ad.get("OceanidBatch"))), ad.get("OceanidProc")
        if batch is None or not isinstance(number, int) or (batch, number) in found:
            return
        if number in self._ledger.ends.get(batch, {}):
            return
        seen = meaning.from_ad(ad, batch, number)
        if seen is None:
            return
        entry = self._ledger.entry(batch, number)
        if seen.state is TaskState.COMPLETE and entry is not None:
            seen = meaning.judged(seen, entry.wanted.success)
            if entry.brings_back:
                if self._ends is not None:
                    self._ends.add(seen, entry, None)
                seen = Observation(batch, number, TaskState.TRANSFERRING, seen.at, host=seen.host)
            else:
                self._ledger.ended(seen)
        found[batch, number] = seen

    async def _take_off(self, tasks: Sequence[tuple[UUID, int]]) -> None:
        """Remove jobs that are held for their wall time: they have failed."""
        await self._ask(_commands(Verb.STOP, tasks))

    async def _hold_late(self, tasks: Sequence[tuple[UUID, int]]) -> None:
        """Hold jobs that HTCondor let run for longer than they may: it looks now and then only."""
        await queue.ask(self._remote, _commands(Verb.PAUSE, tasks), reason=LATE_REASON)

    async def _ask(self, commands: Sequence[Command]) -> None:
        await queue.ask(self._remote, commands, factories=self._factories.meant)


@dataclass(frozen=True, slots=True)
class _Written:
    """What is sent of a batch besides its inputs."""

    descriptions: list[Description]
    orders: list[Sequence[int]]
    folders: list[str]
    files: dict[str, bytes] = field(default_factory=dict)


def _written(
    batch: BatchSpec, *, folder: str, log: str, staged: Staged, factories: bool
) -> _Written:
    """Write a batch's descriptions, or a workflow for DAGMan."""
    folders = [f"o/{item.proc}" for item in batch.items]
    if batch.dag is None:
        made = describe(batch, folder=folder, log=log, placed=staged.placed, factories=factories)
        return _Written(made, [each.procs for each in made], folders)
    files = dag_files(
        batch, batch.dag, folder=folder, log=log, placed=staged.placed, scripts=staged.scripts
    )
    files["dagman"] = f"{batch.dag.proc}\n".encode()
    if staged.scripts:
        files["scripts"] = b""
    return _Written([], [[batch.dag.proc]], folders + dag_folders(batch.dag), files)


def _whole(handle: Handle, batch: BatchSpec) -> Handle:
    """The handle of a batch; a workflow's tells how large it is, which its cluster does not."""
    if batch.dag is None:
        return handle
    return replace(handle, data={**handle.data, "dag": True, "size": len(batch.items)})


def _commands(verb: Verb, tasks: Sequence[tuple[UUID, int]]) -> list[Command]:
    procs: dict[UUID, list[int]] = {}
    for batch, proc in tasks:
        procs.setdefault(batch, []).append(proc)
    return [Command(verb, Handle(batch, {}), tuple(each)) for batch, each in procs.items()]


def _looks(handles: Sequence[Handle]) -> Iterator[list[Handle]]:
    """The handles, in portions that one look at the queue can answer."""
    some: list[Handle] = []
    tasks = 0
    for handle in handles:
        size = int(handle.data.get("size", 1))
        if some and (tasks + size > _TASKS_A_LOOK or len(some) >= queue.BATCHES_A_LOOK):
            yield some
            some, tasks = [], 0
        some.append(handle)
        tasks += size
    if some:
        yield some
