"""Asks the queue and the history, and asks the schedd to hold, release and remove, in bulk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from oceanid.engines.htcondor.describe import string
from oceanid.engines.htcondor.holds import PAUSE_REASON
from oceanid.engines.htcondor.meaning import ATTRIBUTES
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.specs import Command, Verb

BATCHES_A_LOOK: Final = 200
_MOST_CONSTRAINT: Final = 60_000

_QUEUE: Final = """\
condor_q -allusers -constraint "$C" -attributes "$A" -json && exit
condor_q -constraint "$C" -attributes "$A" -json
"""
_HISTORY: Final = """\
condor_history -since "CompletionDate > 0 && CompletionDate < $SINCE" -constraint "$C" \\
    -attributes "$A" -json
"""
_VERBS: Final = {
    Verb.STOP: 'condor_rm -constraint "$C"',
    Verb.PAUSE: 'condor_hold -reason "$R" -constraint "$C"',
    Verb.RESUME: 'condor_release -constraint "$C"',
}
_ONLY: Final = {
    Verb.STOP: "JobStatus =!= 3",
    Verb.PAUSE: "JobStatus =!= 3 && JobStatus =!= 4 && JobStatus =!= 5",
    Verb.RESUME: "(JobStatus =?= 5 && HoldReason =!= undefined && HoldReasonCode =!= 16 || "
    "JobMaterializePaused =?= 1)",
}  # fmt: skip


async def jobs(remote: Remote, constraint: str) -> list[dict[str, Any]]:
    """The ads of these jobs in the queue.

    Raises:
        EngineUnavailable: The schedd can't be reached.
    """
    answer = await remote.run(_QUEUE, C=constraint, A=",".join(ATTRIBUTES), timeout_s=120)
    if answer.exit_status:
        raise failure("condor_q", told(answer))
    return _ads(answer.stdout)


async def history(remote: Remote, constraint: str, *, since: int) -> list[dict[str, Any]]:
    """The ads of these jobs among those that ended after ``since`` (epoch seconds)."""
    answer = await remote.run(
        _HISTORY,
        C=constraint,
        A=",".join(ATTRIBUTES),
        SINCE=str(max(0, since - 3600)),
        timeout_s=120,
    )
    if answer.exit_status:
        raise failure("condor_history", told(answer))
    return _ads(answer.stdout)


def of_batches(batches: Iterable[object]) -> str:
    """The constraint for all jobs of these batches."""
    return " || ".join(f"OceanidBatch =?= {string(str(batch))}" for batch in batches) or "false"


async def ask(
    remote: Remote,
    commands: Sequence[Command],
    *,
    reason: str = PAUSE_REASON,
    factories: Callable[[Command], Iterable[int]] = lambda _: (),
) -> None:
    """Have commands carried out, one run of each kind; jobs that are not there don't matter.

    Args:
        remote: The submit host.
        commands: What is asked; of some tasks of a batch, or of all of it.
        reason: What a hold gives as its reason.
        factories: The clusters that a command means with all that is no job of them yet.

    Raises:
        EngineUnavailable: The schedd can't be reached.
    """
    for verb, group in _in_order(commands):
        for constraint in _constraints(factories, group):
            await run(remote, verb, constraint, reason=reason)


async def run(remote: Remote, verb: Verb, constraint: str, *, reason: str = PAUSE_REASON) -> None:
    """Have all jobs of a constraint held, released or removed."""
    answer = await remote.run(
        _VERBS[verb], C=f"({constraint}) && {_ONLY[verb]}", R=reason, timeout_s=120
    )
    text = told(answer)
    nothing = "not find/" in text or "all jobs matching constraint" in text
    if answer.exit_status and not nothing:
        raise failure(f"The scheduler did not {verb.value} the jobs", text)


def _in_order(commands: Sequence[Command]) -> Iterator[tuple[Verb, list[Command]]]:
    """Runs of the same verb, in the order in which they were given."""
    group: list[Command] = []
    for command in commands:
        if group and group[0].verb is not command.verb:
            yield group[0].verb, group
            group = []
        group.append(command)
    if group:
        yield group[0].verb, group


def _constraints(
    factories: Callable[[Command], Iterable[int]], commands: Sequence[Command]
) -> Iterator[str]:
    """The jobs of the commands, in as few constraints as a command line takes."""
    parts: list[str] = []
    size = 0
    for part in dict.fromkeys(each for one in commands for each in _parts(factories, one)):
        if parts and size + len(part) > _MOST_CONSTRAINT:
            yield " || ".join(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 4
    if parts:
        yield " || ".join(parts)


def _parts(factories: Callable[[Command], Iterable[int]], command: Command) -> Iterator[str]:
    batch = of_batches([command.handle.batch])
    if command.procs is None:
        yield f"({batch})"
        return
    for cluster in factories(command):
        yield f"({batch} && ClusterId =?= {cluster} && ProcId =?= undefined)"
    # The ad of a whole cluster has the number of its first task, but is no job.
    batch = f"{batch} && ProcId >= 0"
    ranges = list(_ranges(sorted(set(command.procs))))
    for begin in range(0, len(ranges), 500):
        which = " || ".join(
            f"OceanidProc == {first}"
            if first == last
            else f"(OceanidProc >= {first} && OceanidProc <= {last})"
            for first, last in ranges[begin : begin + 500]
        )
        yield f"({batch} && ({which}))"


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


def _ads(data: bytes) -> list[dict[str, Any]]:
    text = data.decode(errors="replace").strip()
    if not text:
        return []
    # With nothing found some versions print nothing, others an empty list.
    found, _ = json.JSONDecoder().raw_decode(text)
    return [ad for ad in found if isinstance(ad, dict)]
