"""What is known of a workflow while DAGMan runs it: its nodes' journal and its tasks' ends.

A task's last word is told when its node is over, for until then DAGMan may run it again. The two
come by different files, in any order; either waits for the other.
"""

from __future__ import annotations

import signal
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from oceanid.dags import NodeObservation
from oceanid.engines.htcondor.ends import Where
from oceanid.engines.htcondor.journal import ENDS, Line, Word
from oceanid.engines.htcondor.manifest import Plan
from oceanid.specs import Observation
from oceanid.states import NodeState, TaskState

_STATES: Final = {
    Word.PRE: NodeState.PRERUN,
    Word.SKIP: NodeState.DONE,
    Word.UNREADY: NodeState.FAILED,
    Word.POST: NodeState.POSTRUN,
    Word.DONE: NodeState.DONE,
    Word.FAILED: NodeState.FAILED,
    Word.AGAIN: NodeState.READY,
}
NOT_SUBMITTED: Final = -1001
_NO_SIGNAL: Final = -1000
"""What DAGMan returns from here down is no signal, but that nothing returned."""


@dataclass(frozen=True, slots=True)
class End:
    """How a task ended in one try of its node.

    Args:
        seen: What the log said of it, with the verdict on it.
        cluster: The try's cluster; None when it did not run.
        where: The event that told of it; None when none did.
    """

    seen: Observation
    cluster: int | None = None
    where: Where | None = None

    @property
    def has_outputs(self) -> bool:
        """Whether it ran to an end."""
        return self.seen.state is not TaskState.ABORTED and self.seen.reason_code != "refused"


@dataclass(slots=True)
class News:
    """What is to be told, and what is settled by it.

    Args:
        nodes: What became of nodes.
        tasks: What became of tasks that go on.
        ends: The last words of tasks.
        settled: Events that need not be read again.
    """

    nodes: list[NodeObservation] = field(default_factory=list)
    tasks: list[Observation] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    settled: list[Where] = field(default_factory=list)


class DagRun:
    """One workflow that DAGMan runs."""

    def __init__(self, batch: UUID, plan: Plan) -> None:
        self._batch, self.plan = batch, plan
        self._firsts = [first for _, first, count in plan.nodes if count]
        self._with_tasks = [at for at, (_, _, count) in enumerate(plan.nodes) if count]
        self._tries: dict[int, int] = {}
        self._posts: dict[int, int] = {}
        self._clusters: dict[int, int] = {}
        self._over: dict[int, Line] = {}
        self._ends: dict[int, End] = {}
        self._told: set[int] = set()
        self.is_closed = False
        """Whether the last word of every task was told."""

    def read(self, line: Line, *, is_again: bool = False) -> News:
        """Take note of a line of the journal.

        Args:
            line: The line.
            is_again: Whether an earlier watcher applied it.
        """
        news = News()
        if line.node >= len(self.plan.nodes):
            return news
        name, first, count = self.plan.nodes[line.node]
        numbers = range(first, first + count)
        tries = line.tries + (line.word is Word.AGAIN)
        self._tries[line.node] = max(tries, self._tries.get(line.node, 0))
        if line.word is Word.POST:
            self._posts[line.node] = line.tries
        reason = self._why(line)
        if line.word in ENDS:
            self._over[line.node] = line
            if is_again:
                # Those whose ends are still to be told are read again too.
                self._told.update(numbers)
            else:
                for number in numbers:
                    self._finish(line, number, news)
        elif line.word is Word.AGAIN and not is_again:
            news.tasks += [
                self._seen(number, TaskState.SUBMITTED, line.at, "retry", f"Again, after: {reason}")
                for number in numbers
            ]
        state = _STATES.get(line.word)
        if state is not None and not is_again:
            news.nodes.append(
                NodeObservation(self._batch, name, state, line.at, tries, line.code, reason)
            )
        return news

    def submitted(self, number: int, cluster: int, at: datetime) -> News:
        """Take note that a task was submitted: what was known of an earlier try is void."""
        news = News()
        known = self._ends.get(number)
        if known is not None and known.cluster != cluster:
            del self._ends[number]
            if known.where is not None:
                news.settled.append(known.where)
        node = self._node_of(number)
        if node is not None and self._clusters.get(node) != cluster:
            self._clusters[node] = cluster
            name = self.plan.nodes[node][0]
            tries = self._tries.get(node, 0)
            if node not in self._over:
                news.nodes.append(NodeObservation(self._batch, name, NodeState.RUNNING, at, tries))
        return news

    def ended(self, number: int, end: End) -> News:
        """Take note of a task's end in one try."""
        news = News()
        self._ends[number] = end
        node = self._node_of(number)
        line = self._over.get(node) if node is not None else None
        if line is not None:
            self._finish(line, number, news)
        if not news.ends and end.seen.state is not TaskState.ABORTED:
            news.tasks.append(replace(end.seen, state=TaskState.TRANSFERRING, reason_code="",
                                      reason="", exit_code=None, exit_signal=None))  # fmt: skip
        return news

    def closed(self, at: datetime) -> News:
        """DAGMan has ended, so nothing more will be told: the last words of all other tasks."""
        news = News()
        self.is_closed = True
        for node, (_, first, count) in enumerate(self.plan.nodes):
            line = self._over.get(node)
            for number in range(first, first + count):
                if number in self._told:
                    continue
                end = self._ends.pop(number, None)
                self._told.add(number)
                news.ends.append(end or End(self._unseen(number, line, at)))
        return news

    def _finish(self, line: Line, number: int, news: News) -> None:
        """Tell a task's last word, if both its node's end and its own are known."""
        end = self._ends.get(number)
        if end is not None and line.cluster in (None, -1, end.cluster):
            del self._ends[number]
        elif end is None and _did_not_run(line):
            end = End(self._unseen(number, line, line.at))
        else:
            return
        self._told.add(number)
        news.ends.append(end)

    def _unseen(self, number: int, line: Line | None, at: datetime) -> Observation:
        """The last word of a task of whose end no event told."""
        if line is None:
            told = "The workflow ended before it did."
            return self._seen(number, TaskState.ABORTED, at, "not-run", told)
        if line.word is Word.DONE:
            return self._seen(number, TaskState.COMPLETE, line.at)
        if line.word is Word.FAILED and line.returned == NOT_SUBMITTED:
            return self._seen(number, TaskState.ERROR, line.at, "refused", self._why(line))
        slug = "skipped" if line.word is Word.SKIP else "not-run"
        return self._seen(number, TaskState.ABORTED, line.at, slug, self._why(line))

    def _seen(
        self, number: int, state: TaskState, at: datetime, code: str = "", reason: str = ""
    ) -> Observation:
        return Observation(self._batch, number, state, at, reason_code=code, reason=reason)

    def _node_of(self, number: int) -> int | None:
        at = bisect_right(self._firsts, number) - 1
        if at < 0:
            return None
        node = self._with_tasks[at]
        _, first, count = self.plan.nodes[node]
        return node if number < first + count else None

    def _why(self, line: Line) -> str:
        match line.word:
            case Word.SKIP:
                return "The PRE script says that it can be skipped."
            case Word.UNREADY:
                return f"The PRE script failed: exit code {line.code}"
            case Word.AGAIN if line.note == "pre":
                return f"The PRE script failed: exit code {line.code}"
            case Word.FAILED | Word.AGAIN:
                if self._posts.get(line.node) == line.tries:
                    return f"The POST script failed: exit code {line.code}"
                return _why_returned(line)
        return ""


def _did_not_run(line: Line) -> bool:
    return line.word in (Word.SKIP, Word.UNREADY) or line.returned == NOT_SUBMITTED


def _why_returned(line: Line) -> str:
    returned = line.returned
    if returned == NOT_SUBMITTED:
        return f"HTCondor did not take it: {line.note or 'no reason was given'}"
    if returned is None or returned <= _NO_SIGNAL:
        return "It was removed from the queue."
    if returned >= 0:
        return f"exit code {returned}"
    try:
        return f"killed by {signal.Signals(-returned).name}"
    except ValueError:
        return f"killed by signal {-returned}"
