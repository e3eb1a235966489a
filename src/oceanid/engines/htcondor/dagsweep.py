"""Looks at workflows in full, for what their event log did not tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from oceanid.engines.htcondor import meaning, queue
from oceanid.engines.htcondor.ends import Ends
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.manifest import Plan
from oceanid.engines.htcondor.remote import Remote
from oceanid.specs import Handle, Observation
from oceanid.states import TaskState

PATIENCE_S: Final = 60.0
"""How long after DAGMan's end the log may take to tell of it."""

Found = dict[UUID, dict[int, Observation]]


async def states(
    remote: Remote, ledger: Ledger, ends: Ends | None, handles: Sequence[Handle]
) -> list[Observation]:
    """The present state of every task of these workflows that is still known.

    While DAGMan runs, a task that has ended may be run again, so its end is no last word.
    """
    batches = {str(handle.batch): handle.batch for handle in handles}
    queued = _seen(await queue.jobs(remote, queue.of_batches(batches)), batches)
    told, gone = [], []
    for handle in handles:
        plan, found = ledger.plan(handle.batch), queued[handle.batch]
        if plan is None:
            continue
        if plan.proc in found:
            told += [_open(each) if each.state.is_final else each for each in found.values()]
        else:
            gone.append((handle, plan))
    if not gone or ends is None:
        return told
    since = min(int(handle.data.get("at", 0)) for handle, _ in gone)
    constraint = queue.of_batches(handle.batch for handle, _ in gone)
    past = _seen(await queue.history(remote, constraint, since=since), batches)
    for handle, plan in gone:
        told += _over(handle.batch, plan, past[handle.batch], ledger, ends)
    return told


def _seen(ads: Sequence[Mapping[str, Any]], batches: Mapping[str, UUID]) -> Found:
    """What ads say of each task; of several tries the first that is named, which is the last."""
    found: defaultdict[UUID, dict[int, Observation]] = defaultdict(dict)
    for ad in ads:
        batch, number = batches.get(str(ad.get("OceanidBatch"))), ad.get("OceanidProc")
        if batch is None or not isinstance(number, int) or number in found[batch]:
            continue
        seen = meaning.from_ad(ad, batch, number)
        if seen is not None:
            found[batch][number] = meaning.in_a_workflow(seen)
    return found


def _open(seen: Observation) -> Observation:
    return Observation(seen.batch, seen.proc, TaskState.TRANSFERRING, seen.at, host=seen.host)


def _over(
    batch: UUID, plan: Plan, found: Mapping[int, Observation], ledger: Ledger, ends: Ends
) -> list[Observation]:
    """The last words of all tasks of a workflow that ended a while ago, unless they are known."""
    end = found.get(plan.proc)
    now = datetime.now(UTC)
    if end is None or (now - end.at).total_seconds() < PATIENCE_S:
        return []
    told = []
    known = ledger.ends.get(batch, {})
    for number in sorted(ledger.numbers(batch) - known.keys()):
        seen, entry = found.get(number), ledger.entry(batch, number)
        if seen is None or entry is None:
            seen = Observation(
                batch, number, TaskState.ABORTED, end.at, reason_code="not-run",
                reason="The workflow ended before it did.",
            )  # fmt: skip
        else:
            seen = meaning.judged(seen, entry.wanted.success)
            if seen.state is not TaskState.ABORTED and entry.brings_back:
                ends.add(seen, entry, None)
                continue
        ledger.ended(seen)
        told.append(seen)
    return [*told, *known.values()]
