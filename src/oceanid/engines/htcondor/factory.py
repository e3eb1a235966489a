"""Clusters that the schedd makes into jobs little by little: what is no job yet is known and asked
all the same.

HTCondor manual, "Submitting Lots of Jobs" (late materialization). A factory has an ad of its own
with the attributes of its first item: a constraint that matches it holds, releases or removes what
was not made yet; one that must not has to ask for ``ProcId``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from oceanid.engines.htcondor import eventlog
from oceanid.engines.htcondor.eventlog import Kind, LogEvent
from oceanid.engines.htcondor.holds import PAUSE_REASON, why_held
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.specs import Command, Handle, Observation, Verb
from oceanid.states import TaskState

OF_CLUSTERS: Final = frozenset({Kind.CLUSTER_REMOVE, Kind.FACTORY_PAUSED, Kind.FACTORY_RESUMED})
"""Events of a whole cluster, which say something of tasks that are no jobs yet."""

_MADE: Final = """\
for c in $CLUSTERS; do
    condor_q -factory -constraint "ClusterId == $c" -af ClusterId JobMaterializeNextProcId || exit 1
done
"""
_ALL: Final = 1 << 40


class Factories:
    """The factories of one watch, and what was asked of tasks that are no jobs yet.

    Args:
        remote: The submit host.
        ledger: What is known of batches.
        ask: Has commands carried out.
    """

    def __init__(
        self,
        remote: Remote,
        ledger: Ledger,
        ask: Callable[[Sequence[Command]], Awaitable[None]],
    ) -> None:
        self._remote, self._ledger, self._ask = remote, ledger, ask
        self._made: dict[int, int] = {}
        self._wishes: dict[tuple[UUID, int], Verb] = {}
        self._due: dict[Verb, list[tuple[UUID, int]]] = {}

    def noted(self, event: LogEvent) -> None:
        """Take note of what a submit event tells: one more task is a job now."""
        if event.proc < 0:
            self._made.setdefault(event.cluster, 0)
            return
        if event.cluster in self._made:
            self._made[event.cluster] = max(self._made[event.cluster], event.proc + 1)
        task = self._ledger.task_of(event.cluster, event.proc) if self._wishes else None
        if task is not None and (verb := self._wishes.pop(task, None)) is not None:
            self._due.setdefault(verb, []).append(task)

    async def wish(self, commands: Sequence[Command]) -> None:
        """Remember what is asked of tasks that are no jobs yet: they are asked when they are."""
        batches = {command.handle.batch for command in commands}
        found = [each for batch in batches for each, _ in self._ledger.factories(batch)]
        await self._look({each for each in found if each not in self._made})
        for command in commands:
            if command.procs is None:
                continue
            for cluster, numbers in self._ledger.factories(command.handle.batch):
                whole = cluster in self.meant(command)
                for number in set(command.procs).intersection(numbers[self._made[cluster] :]):
                    task = (command.handle.batch, number)
                    if command.verb is not Verb.RESUME and not whole:
                        self._wishes[task] = command.verb
                    elif self._wishes.get(task) is Verb.PAUSE:
                        del self._wishes[task]

    def meant(self, command: Command) -> list[int]:
        """The factories themselves that a command means: all that they have not made is meant."""
        return [
            cluster
            for cluster, numbers in self._ledger.factories(command.handle.batch)
            if (left := numbers[self._made.get(cluster, 0) :])
            and command.procs is not None
            and set(left).issubset(command.procs)
        ]

    async def ask_again(self) -> None:
        """Ask tasks that have become jobs for what was asked of them before."""
        due, self._due = self._due, {}
        for verb, tasks in due.items():
            procs: dict[UUID, list[int]] = {}
            for batch, number in tasks:
                procs.setdefault(batch, []).append(number)
            await self._ask(
                [Command(verb, Handle(batch, {}), tuple(each)) for batch, each in procs.items()]
            )

    async def learn(self, events: Sequence[LogEvent]) -> None:
        """Find out how far factories are of which the log tells that they paused or go on."""
        unknown = {
            event.cluster
            for event in events
            if event.kind in (Kind.FACTORY_PAUSED, Kind.FACTORY_RESUMED)
            and event.cluster not in self._made
            and self._ledger.batch_of(event.cluster) is not None
        }
        await self._look(unknown)

    async def _look(self, clusters: set[int]) -> None:
        """Ask how far these factories are; one that is no more has made all that it will."""
        if not clusters:
            return
        asked = " ".join(str(cluster) for cluster in sorted(clusters))
        answer = await self._remote.run(_MADE, CLUSTERS=asked, timeout_s=120)
        if answer.exit_status:
            raise failure("The factories in the queue can't be listed", told(answer))
        found = dict.fromkeys(clusters, _ALL)
        for line in answer.stdout.decode(errors="replace").splitlines():
            words = line.split()
            if len(words) == 2 and all(word.isdigit() for word in words):
                found[int(words[0])] = int(words[1])
        for cluster, made in found.items():
            self._made[cluster] = max(made, self._made.get(cluster, 0))

    def told(self, event: LogEvent) -> list[Observation]:
        """What an event of a whole cluster says about its tasks that are no jobs yet."""
        if event.kind is Kind.CLUSTER_REMOVE:
            made = eventlog.materialised(event)
            seen = _Seen(TaskState.ABORTED, "removed", "It was removed before its turn came.")
        elif event.kind is Kind.FACTORY_RESUMED:
            made = self._made.get(event.cluster)
            seen = _Seen(TaskState.SUBMITTED)
        else:
            made = self._made.get(event.cluster)
            seen = _paused(event)
        if made is None:
            return []
        return [
            Observation(
                batch=batch, proc=number, state=seen.state, at=event.at,
                reason_code=seen.code, reason=seen.reason, hint=seen.hint,
            )
            for batch, number in self._ledger.behind(event.cluster, made)
        ]  # fmt: skip

    def forget(self, batch: UUID) -> None:
        """Drop what is known of a batch."""
        for cluster, _ in self._ledger.factories(batch):
            self._made.pop(cluster, None)
        if self._wishes:
            self._wishes = {task: v for task, v in self._wishes.items() if task[0] != batch}


class _Seen:
    """What is seen of all of them alike."""

    def __init__(self, state: TaskState, code: str = "", reason: str = "", hint: str = "") -> None:
        self.state, self.code, self.reason, self.hint = state, code, reason, hint


def _paused(event: LogEvent) -> _Seen:
    text, is_held = eventlog.pause(event)
    if is_held and PAUSE_REASON in text:
        return _Seen(TaskState.PAUSED)
    if is_held:
        return _Seen(TaskState.HELD, *why_held(text, 1, 0))
    return _Seen(
        TaskState.HELD, "not-made", f"The scheduler can't make a job of it: {text}",
        "Stop the job, correct what the scheduler names, and resubmit it.",
    )  # fmt: skip
