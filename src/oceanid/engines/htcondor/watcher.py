"""Turns the followed event log into observations, with a cursor from which nothing is lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from time import monotonic
from typing import Any, Final
from uuid import UUID

from oceanid.dags import NodeObservation
from oceanid.engines.htcondor import meaning
from oceanid.engines.htcondor.clocks import Clocks
from oceanid.engines.htcondor.dagrun import DagRun, End, News
from oceanid.engines.htcondor.dagwatch import Dags
from oceanid.engines.htcondor.ends import Ends, Where
from oceanid.engines.htcondor.eventlog import Kind, LogEvent, LogReader
from oceanid.engines.htcondor.factory import OF_CLUSTERS, Factories
from oceanid.engines.htcondor.follow import Piece, follow
from oceanid.engines.htcondor.idle import Idle
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.remote import Remote
from oceanid.specs import Observation, ObservationBatch
from oceanid.states import TaskState

MOST_OBSERVATIONS: Final = 2000
_REST_S: Final = 1.0
_CURSOR_S: Final = 15.0
_TIDY_S: Final = 60.0
_SUBMITS: Final = frozenset({Kind.SUBMIT, Kind.CLUSTER_SUBMIT})
_ENDS: Final = frozenset({Kind.TERMINATED, Kind.NODE_TERMINATED})
_TOUCHING_MANIFESTS: Final = _ENDS | OF_CLUSTERS


@dataclass(slots=True)
class _File:
    """One generation of the log."""

    name: str
    reader: LogReader
    applied: int
    """Behind the last event whose observations were handed over."""
    before: int = 0
    """Events that begin before this one were applied by an earlier watcher."""
    ended: set[int] = field(default_factory=set)
    """Offsets of ends whose outputs are not here yet."""


class Watcher:
    """One watch over all generations of the log.

    The cursor holds, for each file, how far its events were applied, and the ends behind which
    outputs are still to be brought: a later watcher reads exactly those again.
    """

    def __init__(
        self,
        remote: Remote,
        ledger: Ledger,
        ends: Ends,
        cursor: Mapping[str, Any],
        *,
        remove: Callable[[Sequence[tuple[UUID, int]]], Awaitable[None]],
        hold_late: Callable[[Sequence[tuple[UUID, int]]], Awaitable[None]],
        idle: Idle,
        factories: Factories,
    ) -> None:
        self._remote, self._ledger, self._ends = remote, ledger, ends
        self._cursor = cursor
        self._remove, self._hold_late, self._idle = remove, hold_late, idle
        self._factories = factories
        self._zone: tzinfo = UTC
        self._files: dict[int, _File] = {}
        self._looks: asyncio.Queue[list[Piece]] = asyncio.Queue(maxsize=4)
        self._awake = asyncio.Event()
        self._told_at = monotonic()
        self._tidied_at = monotonic()
        self._moved = False
        self._overdue: set[tuple[UUID, int]] = set()
        self._removed: set[tuple[UUID, int]] = set()
        self._clocks = Clocks()
        self._dags = Dags(ledger, cursor.get("dags") or {})
        self._nodes: list[NodeObservation] = []
        self.sizes: dict[str, int] = {}
        """How large each generation is."""

    def wake(self) -> None:
        """Look now: something may be ready."""
        self._awake.set()

    async def run(self) -> AsyncGenerator[ObservationBatch, None]:
        """See :meth:`oceanid.engines.base.Engine.watch`."""
        await self._resume()
        pump = asyncio.create_task(self._pump())
        try:
            while True:
                await self._news(pump)
                while not self._looks.empty():
                    async for seen in self._digest(self._looks.get_nowait()):
                        yield seen
                observations = [
                    *self._finals(), *self._ends.long_ones(), *self._idle.take()
                ]  # fmt: skip
                if observations or self._nodes:
                    yield self._batch(observations)
                elif self._moved and monotonic() - self._told_at > _CURSOR_S:
                    yield self._batch([])
                if late := self._clocks.late():
                    await self._hold_late(late)
                await self._tidy()
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _resume(self) -> None:
        self._zone = (await self._remote.host()).zone
        files = self._cursor.get("files") or {}
        ended = self._cursor.get("ended") or {}
        for inode, (name, offset) in files.items():
            again = set(ended.get(inode, []))
            begin = min([offset, *again])
            reader = LogReader(begin, zone=self._zone)
            self._files[int(inode)] = _File(name, reader, offset, offset, again)

    async def _pump(self) -> None:
        offsets = {inode: file.reader.expected for inode, file in self._files.items()}
        async with aclosing(follow(self._remote, offsets)) as looks:
            async for look in looks:
                if look:
                    await self._looks.put(look)
                    self._awake.set()

    async def _news(self, pump: asyncio.Task[None]) -> None:
        """Wait for a look, an end that is ready, or a moment."""
        if not self._looks.empty():
            return
        if pump.done():
            pump.result()
        waiting = asyncio.create_task(self._awake.wait())
        try:
            await asyncio.wait(
                {waiting, pump}, timeout=_REST_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        self._awake.clear()

    async def _digest(self, look: Sequence[Piece]) -> AsyncIterator[ObservationBatch]:
        """A look's events as observations, each batch of them with the cursor behind it."""
        found = [(file, event) for file, events in self._read(look) for event in events]
        await self._learn([event for _, event in found])
        await self._dags.learn()
        observations: list[Observation] = []
        for news in self._dags.news():
            observations += self._told(news)
            if len(observations) + len(self._nodes) >= MOST_OBSERVATIONS:
                yield self._batch(_without_fleeting(observations))
                observations = []
        for file, event in found:
            observations += self._apply(file, event)
            if len(observations) >= MOST_OBSERVATIONS:
                yield self._batch(_without_fleeting(observations))
                observations = []
        if found:
            self._moved = True
        if observations or self._nodes:
            yield self._batch(_without_fleeting(observations))
        if self._overdue:
            await self._remove(list(self._overdue))
            self._removed |= self._overdue
            self._overdue.clear()
        await self._factories.ask_again()

    def _read(self, look: Sequence[Piece]) -> list[tuple[_File, list[LogEvent]]]:
        found = []
        for piece in look:
            if self._dags.take(piece):
                continue
            file = self._files.get(piece.inode)
            if file is None or piece.offset != file.reader.expected:
                file = self._begin(piece, file)
            file.name = piece.name
            self.sizes[piece.name] = piece.offset + len(piece.data)
            found.append((file, file.reader.feed(piece.data)))
        return found

    def _begin(self, piece: Piece, known: _File | None) -> _File:
        """A new file, or one that was cut or replaced and is read from where the piece begins."""
        ended = known.ended if known is not None else set[int]()
        file = _File(piece.name, LogReader(piece.offset, zone=self._zone), piece.offset, 0, ended)
        self._files[piece.inode] = file
        return file

    async def _learn(self, events: Sequence[LogEvent]) -> None:
        """Find out what must be known to understand these events."""
        for event in events:
            if event.kind in _SUBMITS:
                self._ledger.noted(event)
                self._factories.noted(event)
        unknown = {event.cluster for event in events if not self._ledger.knows(event.cluster)}
        if unknown:
            await self._ledger.resolve(unknown)
        ending = {event.cluster for event in events if event.kind in _TOUCHING_MANIFESTS}
        batches = {self._ledger.batch_of(cluster) for cluster in ending} - {None}
        await self._ledger.load(batch for batch in batches if batch is not None)
        await self._factories.learn(events)

    def _apply(self, file: _File, event: LogEvent) -> list[Observation]:
        is_again = event.start < file.before
        if not is_again:
            file.applied = event.end
        elif event.start not in file.ended:
            return []
        if event.kind in OF_CLUSTERS:
            return self._factories.told(event)
        task = self._ledger.task_of(event.cluster, event.proc)
        if task is None:
            return []
        dag = self._dags.run(task[0])
        if dag is not None and event.kind is Kind.SUBMIT:
            return self._told(dag.submitted(task[1], event.cluster, event.at))
        seen = meaning.from_event(event, *task)
        if seen is None:
            return []
        if not seen.moves:
            return [seen]
        self._clocks.see(seen, self._ledger.entry(*task))
        self._idle.see(seen)
        if dag is not None:
            return self._of_workflow(dag, file, event, seen)
        if event.kind in _ENDS:
            return self._ended(file, event, seen)
        if meaning.is_past_wall_time(seen):
            self._overdue.add(task)
            self._ledger.ended(seen)
        elif seen.state is TaskState.ABORTED:
            if task in self._removed:
                self._removed.discard(task)
                return []
            self._ledger.ended(seen)
        return [seen]

    def _of_workflow(
        self, dag: DagRun, file: _File, event: LogEvent, seen: Observation
    ) -> list[Observation]:
        """What an event says of a task that DAGMan runs, or of DAGMan itself."""
        task, seen = (seen.batch, seen.proc), meaning.in_a_workflow(seen)
        is_overdue = meaning.is_past_wall_time(seen)
        if seen.proc == dag.plan.proc:
            if not seen.state.is_final:
                return [seen]
            rest = self._told(dag.closed(event.at))
            if event.kind in _ENDS:
                return rest + self._ended(file, event, seen)
            self._ledger.ended(seen)
            return [*rest, seen]
        if dag.is_closed:
            return []  # its removal is told behind DAGMan's own end
        if event.kind not in _ENDS and seen.state is not TaskState.ABORTED and not is_overdue:
            return [seen]
        if is_overdue:
            self._overdue.add(task)
        elif seen.state is TaskState.ABORTED and task in self._removed:
            self._removed.discard(task)
            return []
        where = (self._inode(file), event.start)
        file.ended.add(event.start)
        entry = self._ledger.entry(*task)
        if entry is not None:
            seen = meaning.judged(seen, entry.wanted.success)
        return self._told(dag.ended(seen.proc, End(seen, event.cluster, where)))

    def _told(self, news: News) -> list[Observation]:
        """What is to be told of a workflow's tasks now; the ends of some wait for outputs."""
        self._nodes += news.nodes
        for where in news.settled:
            self._settle(where)
        found = list(news.tasks)
        for end in news.ends:
            entry = self._ledger.entry(end.seen.batch, end.seen.proc)
            if end.has_outputs and entry is not None and entry.brings_back:
                self._ends.add(end.seen, entry, end.where, is_one_of_many=True)
                continue
            self._settle(end.where)
            self._ledger.ended(end.seen)
            found.append(end.seen)
        return found

    def _inode(self, file: _File) -> int:
        return next(inode for inode, each in self._files.items() if each is file)

    def forget(self, batch: UUID) -> None:
        """Drop what is known of a batch."""
        self._dags.forget(batch)
        self._factories.forget(batch)

    def _ended(self, file: _File, event: LogEvent, seen: Observation) -> list[Observation]:
        entry = self._ledger.entry(seen.batch, seen.proc)
        if entry is None:
            file.ended.discard(event.start)
            return [
                replace(
                    seen, state=TaskState.ERROR, reason_code="outputs-lost",
                    reason="Its folder on the submit host is gone.", hint="Resubmit the job.",
                )
            ]  # fmt: skip
        end = meaning.judged(seen, entry.wanted.success)
        if not entry.brings_back:
            file.ended.discard(event.start)
            self._ledger.ended(end)
            return [end]
        file.ended.add(event.start)
        self._ends.add(end, entry, (self._inode(file), event.start))
        return []

    def _finals(self) -> list[Observation]:
        finals = []
        for end, where in self._ends.take():
            self._settle(where)
            finals.append(end)
        return finals

    def _settle(self, where: Where | None) -> None:
        if where is not None and where[0] in self._files:
            self._files[where[0]].ended.discard(where[1])

    def _batch(self, observations: Sequence[Observation]) -> ObservationBatch:
        self._told_at, self._moved = monotonic(), False
        ended: defaultdict[str, list[int]] = defaultdict(list)
        for inode, file in self._files.items():
            if file.ended:
                ended[str(inode)] = sorted(file.ended)
        cursor = {
            "files": {str(inode): [file.name, file.applied] for inode, file in self._files.items()},
            "ended": dict(ended),
            "dags": self._dags.cursor(),
        }
        nodes, self._nodes = self._nodes, []
        return ObservationBatch(tuple(observations), cursor, tuple(nodes))

    async def _tidy(self) -> None:
        """Now and then, remove generations that nobody writes to any more and that were read."""
        if monotonic() - self._tidied_at < _TIDY_S:
            return
        self._tidied_at = monotonic()
        answer = await self._remote.run(_OLD)
        for line in answer.stdout.decode(errors="replace").splitlines():
            inode, size, name = line.split(" ", 2)
            file = self._files.get(int(inode))
            done = file is not None and file.applied >= int(size) and not file.ended
            if done and name != max(self.sizes, default=""):
                await self._remote.run('rm -f -- "$F"', F=name)
                self._files.pop(int(inode), None)
                self.sizes.pop(name, None)


_OLD: Final = """\
used=" $(find b -mindepth 2 -maxdepth 2 -name log -exec cat {} + | sort -u | tr '\\n' ' ') "
find log -type f -mmin +120 | while read -r f; do
    case $used in *" $f "*) ;; *) stat -c '%i %s %n' "$f" ;; esac
done
"""


def _without_fleeting(observations: Sequence[Observation]) -> list[Observation]:
    """Leave out that a task transfers its outputs, where more was seen of it at once."""
    last = {(each.batch, each.proc): at for at, each in enumerate(observations) if each.moves}
    return [
        each
        for at, each in enumerate(observations)
        if each.state is not TaskState.TRANSFERRING or last[each.batch, each.proc] == at
    ]
