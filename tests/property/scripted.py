"""An engine in memory whose every answer and delay is written by the test: the world outside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from oceanid.engines.base import Engine
from oceanid.errors import EngineError, EngineUnavailable
from oceanid.specs import (
    BatchSpec,
    Capability,
    Capacity,
    CheckReport,
    Command,
    Found,
    Handle,
    Observation,
    ObservationBatch,
    SchedulerSpec,
    Settlement,
    TaskSpec,
    Usage,
    Verb,
)
from oceanid.states import Health, TaskState

CAPACITY = Capacity(cpus=4, memory_mib=64_000, max_batch=3)
WAITING, RUNNING = TaskState.SUBMITTED, TaskState.RUNNING
COMPLETE, ERROR, ABORTED = TaskState.COMPLETE, TaskState.ERROR, TaskState.ABORTED


class Fate(StrEnum):
    """What comes of the next thing that the engine is asked."""

    WELL = "well"
    LOST = "it is done, but the answer is lost"
    DOWN = "it is not done, and the scheduler seems to be down"
    REFUSED = "it is refused for good"
    HANGS = "it is done, and the answer never comes"


@dataclass(slots=True)
class Process:
    """One task as it really is."""

    batch: UUID
    proc: int
    key: str
    spec: TaskSpec
    state: TaskState = WAITING
    started: bool = False
    last: Observation | None = None


@dataclass(slots=True)
class World:
    """What is really the case at the scheduler, whichever supervisor lives."""

    processes: dict[tuple[UUID, int], Process] = field(default_factory=dict)
    batches: dict[UUID, int] = field(default_factory=dict)
    dead: set[UUID] = field(default_factory=set)
    log: list[Observation] = field(default_factory=list)
    starts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, list[TaskState]] = field(default_factory=dict)
    fates: list[Fate] = field(default_factory=list)
    settles_late: bool = False
    at: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def fate(self) -> Fate:
        """What comes of what is asked now."""
        return self.fates.pop(0) if self.fates else Fate.WELL

    def alive(self) -> list[Process]:
        """What has not ended, in the order of submission."""
        return [each for each in self.processes.values() if not each.state.is_final]

    def move(self, process: Process, after: TaskState, *, exit_code: int | None = None) -> None:
        """Let something happen to a process; the log tells of it."""
        self.at += timedelta(seconds=1)
        if after is RUNNING and not process.started:
            process.started = True
            self.starts[process.key] += 1
        if after.is_final and process.started:
            self.ends.setdefault(process.key, []).append(after)
        process.state = COMPLETE if after is TaskState.QUEUED else after
        process.last = Observation(
            process.batch,
            process.proc,
            after,
            self.at,
            exit_code=exit_code,
            reason_code="" if after in (RUNNING, COMPLETE) else "scripted",
            reason="" if after in (RUNNING, COMPLETE) else f"The script says {after.word}.",
            host="there",
            usage=Usage(1.0, 2.0) if after.is_final else None,
        )
        self.log.append(process.last)


class ScriptedEngine(Engine):
    """Keeps the engines' contract over a :class:`World`."""

    name = "scripted"
    title = "Scripted"
    capabilities = frozenset({Capability.PAUSE})

    def __init__(self, scheduler: SchedulerSpec, world: World) -> None:
        super().__init__(scheduler)
        self.world = world

    async def check(self) -> CheckReport:
        """All is well."""
        return CheckReport(Health.OK, (), CAPACITY)

    async def submit(self, batch: BatchSpec) -> Handle:
        """Take a batch once, unless it is dead or the script has it otherwise."""
        fate = self.world.fate()
        if fate is Fate.DOWN:
            raise EngineUnavailable("The script says that nobody answers.")
        if fate is Fate.REFUSED:
            raise EngineError("The script refuses.", hint="Ask for something else.")
        if batch.batch in self.world.dead:
            raise EngineError("The batch is dead.", code="batch-dead")
        if batch.batch not in self.world.batches:
            self.world.batches[batch.batch] = len(batch.items)
            for item in batch.items:
                self.world.processes[batch.batch, item.proc] = Process(
                    batch.batch, item.proc, item.key, item.spec
                )
        if fate is Fate.LOST:
            raise EngineUnavailable("The script has lost the answer.")
        if fate is Fate.HANGS:
            await asyncio.Event().wait()
        return Handle(batch.batch, {"scripted": True})

    async def settle(self, batch: BatchSpec) -> Settlement:
        """Tell whether it was taken, and if not, see to it that it never is."""
        if self.world.settles_late:
            self.world.settles_late = False
            return Settlement(Found.UNKNOWN)
        if batch.batch in self.world.batches:
            return Settlement(Found.SUBMITTED, Handle(batch.batch, {"scripted": True}))
        self.world.dead.add(batch.batch)
        return Settlement(Found.NEVER)

    def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """The tests deliver what is told themselves."""
        raise NotImplementedError

    def told(self, cursor: Mapping[str, Any], limit: int) -> ObservationBatch:
        """What ``watch`` would yield next behind a cursor."""
        start = int(cursor.get("read", 0))
        some = self.world.log[start : start + limit]
        return ObservationBatch(tuple(some), {"read": start + len(some)})

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        """The present state of what is known."""
        wanted = {handle.batch for handle in handles}
        known = [each for each in self.world.processes.values() if each.batch in wanted]
        return ObservationBatch(tuple(each.last for each in known if each.last is not None), {})

    async def command(self, commands: Sequence[Command]) -> None:
        """Do what is asked to what has not ended."""
        if self.world.fate() in (Fate.DOWN, Fate.REFUSED):
            raise EngineUnavailable("The script says that nobody answers.")
        for command in commands:
            for process in self.world.alive():
                if process.batch != command.handle.batch:
                    continue
                if command.procs is not None and process.proc not in command.procs:
                    continue
                self._obey(process, command.verb)

    def _obey(self, process: Process, verb: Verb) -> None:
        if verb is Verb.STOP:
            self.world.move(process, ABORTED)
        elif verb is Verb.PAUSE and process.state is not TaskState.PAUSED:
            self.world.move(process, TaskState.PAUSED)
        elif verb is Verb.RESUME and process.state in (TaskState.PAUSED, TaskState.HELD):
            self.world.move(process, RUNNING if process.started else WAITING)

    async def forget(self, handles: Sequence[Handle]) -> None:
        """Drop what is known of these batches."""
        for handle in handles:
            self.world.batches.pop(handle.batch, None)
            for key in [key for key in self.world.processes if key[0] == handle.batch]:
                assert self.world.processes[key].state.is_final, "forgotten while it runs"
                del self.world.processes[key]
