"""The protocol that every engine keeps, whoever wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

from oceanid.engines.pools import Pool
from oceanid.errors import UnsupportedCapability
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


class Engine(ABC):
    """Runs batches of tasks somewhere and tells what became of them.

    An engine knows no database and no Django: it takes specs and gives observations. One
    instance serves one scheduler record, in one event loop, between :meth:`open` and
    :meth:`close`. Every method may raise :class:`~oceanid.errors.EngineUnavailable`, which says
    nothing about any task, and :class:`~oceanid.errors.EngineError`. The supervisor bounds
    every call in time and may cancel it anywhere: an engine must then be able to go on from
    what is on disk or at the scheduler. Nothing of importance lives in memory alone.
    """

    name: ClassVar[str]
    """The name in the entry point and in scheduler records."""

    title: ClassVar[str]
    """What a person reads."""

    capabilities: ClassVar[frozenset[Capability]]
    """What it can do; without QUEUE the supervisor packs tasks onto its capacity."""

    output_is_here: ClassVar[bool] = False
    """Whether running tasks write their output straight to the files of this machine that their
    specs name, so that nobody needs to ask for it."""

    def __init__(self, scheduler: SchedulerSpec) -> None:
        self.scheduler = scheduler

    @classmethod
    def is_available(cls) -> str:
        """An empty string when this machine can use the engine, else what is missing and
        how to get it."""
        return ""

    @classmethod
    def pool(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Pool:
        """The pool of a cluster, by way of its master; not opened yet.

        Args:
            config: Options as in a scheduler record's: ``host``, ``host_key``, ``key_path`` …;
                ``user`` is the master's account that keeps the pool, not the one that jobs run as.
            secrets: The secrets that go with them.

        Raises:
            UnsupportedCapability: The engine can't run on a cloud's machines.
        """
        raise UnsupportedCapability(
            "{title} can't run on the machines of a cloud.", title=cls.title
        )

    async def open(self) -> None:  # noqa: B027 - an engine may have nothing to open
        """Make ready: directories, connections. Idempotent."""

    async def close(self) -> None:  # noqa: B027
        """Let go of connections; tasks run on. Idempotent."""

    @abstractmethod
    async def check(self) -> CheckReport:
        """Look at the scheduler step by step; raises nothing for what it can tell as a step."""

    @abstractmethod
    async def submit(self, batch: BatchSpec) -> Handle:
        """Submit a batch once.

        Fenced where it happens: called again with the same ``batch.batch``, by this process or
        another, it submits nothing a second time and returns the same handle; after
        :meth:`settle` has answered NEVER for it, it raises ``EngineError(code="batch-dead")``.
        When it raises anything, the batch's fate is unknown until :meth:`settle` tells.
        """

    @abstractmethod
    async def settle(self, batch: BatchSpec) -> Settlement:
        """Find out whether a batch was submitted, and if it was not, see to it that it never
        will be, under the same lock as the submission."""

    @abstractmethod
    def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        """Yield observations from behind ``cursor`` on ({} is the beginning), without end.

        The caller commits each batch with its cursor before it asks for the next; what was not
        committed is yielded again to the next watcher. Order is kept for each task. An
        observation may come before the handle of its batch was saved. The cost follows what
        changed, not how many tasks there are.
        """

    @abstractmethod
    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        """Look at these batches in full and tell the present state of every task that the
        engine still knows. A task that it does not mention is unknown, not finished. The
        cursor of the answer is not used."""

    @abstractmethod
    async def command(self, commands: Sequence[Command]) -> None:
        """Ask for a stop, pause or resume; idempotent, and silent about tasks that ended.

        What comes of it is seen by :meth:`watch`.
        """

    async def tail(self, handle: Handle, proc: int, stream: str, offset: int, limit: int) -> Piece:
        """Read at most ``limit`` bytes of a running task's ``stdout`` or ``stderr`` from
        ``offset`` on, or from so far before its end when that is negative.

        There is nothing in the piece when there is nothing (yet). Asked for while somebody
        looks at the task, every few seconds at most.
        """
        return Piece()

    async def fetch(self, handle: Handle, procs: Sequence[int]) -> None:  # noqa: B027
        """Bring the outputs of ended tasks to where their specs say. Idempotent, resumable.

        An engine that does this before it reports a task's end need not override it.
        """

    @abstractmethod
    async def forget(self, handles: Sequence[Handle]) -> None:
        """Remove all that the engine keeps of these batches, whose tasks have all ended and
        been applied. Idempotent."""
