"""What an event of the log, or a job's status in the queue, says about a task."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from oceanid.engines.htcondor import eventlog
from oceanid.engines.htcondor.eventlog import Kind, LogEvent
from oceanid.engines.htcondor.holds import LATE_REASON, PAUSE_REASON, WALL_TIME, Why, why_held
from oceanid.specs import Observation, Usage
from oceanid.states import TaskState

ATTRIBUTES: Final = (
    "OceanidBatch", "OceanidProc", "ClusterId", "ProcId", "JobStatus", "EnteredCurrentStatus",
    "HoldReason", "HoldReasonCode", "HoldReasonSubCode", "ExitCode", "ExitBySignal", "ExitSignal",
    "RemoteHost", "LastRemoteHost", "RemoveReason", "CompletionDate", "RemoteUserCpu",
    "RemoteSysCpu", "MemoryUsage", "DiskUsage", "TransferringOutput", "ServerTime",
    "AllowedExecuteDuration", "JobCurrentStartExecutingDate",
)  # fmt: skip
"""What is asked of the queue and the history."""

LATE_S: Final = 10
"""How much longer than its wall time a job may run: HTCondor looks once in a while only."""


def from_event(event: LogEvent, batch: UUID, proc: int) -> Observation | None:
    """What an event says about a task; None when it says nothing of its state.

    Ends come without the verdict on the exit code: see :func:`judged`.
    """

    def seen(state: TaskState, why: Why | None = None, **more: Any) -> Observation:
        code, reason, hint = why or Why("", "", "")
        return Observation(
            batch=batch, proc=proc, state=state, at=event.at,
            reason_code=code, reason=reason, hint=hint, **more,
        )  # fmt: skip

    match event.kind:
        case Kind.EXECUTE | Kind.NODE_EXECUTE | Kind.RECONNECTED:
            return seen(TaskState.RUNNING, host=eventlog.machine(event))
        case Kind.IMAGE_SIZE:
            memory = eventlog.memory_mib(event)
            used = Usage(peak_memory_mib=memory)
            return seen(TaskState.RUNNING, usage=used, moves=False) if memory else None
        case Kind.UNSUSPENDED:
            return seen(TaskState.RUNNING)
        case Kind.SUSPENDED:
            return seen(TaskState.PAUSED, _SUSPENDED)
        case Kind.EVICTED:
            return seen(TaskState.SUBMITTED, _told("evicted", "The machine gave it back", event))
        case Kind.RECONNECT_FAILED:
            return seen(TaskState.SUBMITTED, _told("lost-machine", "Its machine was lost", event))
        case Kind.SHADOW_EXCEPTION:
            return seen(TaskState.SUBMITTED, _told("exception", "Its run broke off", event))
        case Kind.RELEASED:
            return seen(TaskState.SUBMITTED)
        case Kind.HELD:
            return _held(seen(TaskState.HELD), *eventlog.hold(event))
        case Kind.ABORTED:
            return seen(TaskState.ABORTED, Why("removed", _removed(eventlog.reason(event)), ""))
        case Kind.FILE_TRANSFER if "Started transferring output" in event.head:
            return seen(TaskState.TRANSFERRING)
        case Kind.TERMINATED | Kind.NODE_TERMINATED:
            end = eventlog.ending(event)
            if end.exit_code is None and end.exit_signal is None:
                return None
            return seen(
                TaskState.COMPLETE,
                exit_code=end.exit_code,
                exit_signal=end.exit_signal,
                usage=Usage(end.cpu_s, end.memory_mib, end.disk_mib),
            )
    return None


def from_ad(ad: Mapping[str, Any], batch: UUID, proc: int) -> Observation | None:
    """What a job's ad, from the queue or the history, says about a task; all of JobStatus."""
    status = _whole(ad.get("JobStatus"))
    since = _whole(ad.get("EnteredCurrentStatus")) or _whole(ad.get("CompletionDate")) or 0
    base = Observation(
        batch=batch,
        proc=proc,
        state=TaskState.SUBMITTED,
        at=datetime.fromtimestamp(since, UTC),
        host=_machine(ad),
        usage=_usage(ad),
    )
    match status:
        case 1:
            return replace(base, host="")
        case 2 if ad.get("TransferringOutput") is True:
            return replace(base, state=TaskState.TRANSFERRING)
        case 2:
            return replace(base, state=TaskState.RUNNING)
        case 3:
            why = _removed(str(ad.get("RemoveReason") or ""))
            return replace(base, state=TaskState.ABORTED, reason_code="removed", reason=why)
        case 4:
            by_signal = ad.get("ExitBySignal") is True
            return replace(
                base,
                state=TaskState.COMPLETE,
                exit_code=None if by_signal else _whole(ad.get("ExitCode")) or 0,
                exit_signal=_whole(ad.get("ExitSignal")) if by_signal else None,
            )
        case 5:
            return _held(
                replace(base, state=TaskState.HELD),
                str(ad.get("HoldReason") or ""),
                _whole(ad.get("HoldReasonCode")) or 0,
                _whole(ad.get("HoldReasonSubCode")) or 0,
            )
        case 6:
            return replace(base, state=TaskState.TRANSFERRING)
        case 7:
            code, reason, hint = _SUSPENDED
            return replace(base, state=TaskState.PAUSED, reason_code=code, reason=reason, hint=hint)
    return None


def judged(seen: Observation, success: int) -> Observation:
    """An end with the verdict on its exit code."""
    if seen.state is not TaskState.COMPLETE:
        return seen
    if seen.exit_signal is not None:
        try:
            name = signal.Signals(seen.exit_signal).name
        except ValueError:
            name = f"signal {seen.exit_signal}"
        hint = "The machine may have run out of memory." if seen.exit_signal == 9 else ""
        return replace(
            seen, state=TaskState.ERROR, reason_code="signal", reason=f"killed by {name}", hint=hint
        )
    if seen.exit_code != success:
        told = f"exit code {seen.exit_code}"
        return replace(seen, state=TaskState.ERROR, reason_code="exit-code", reason=told)
    return seen


def in_a_workflow(seen: Observation) -> Observation:
    """A hold of a task of a workflow: there an input that is missing was never made, and nobody
    can put it where it is looked for."""
    if seen.reason_code != "input-transfer" or "No such file" not in seen.reason:
        return seen
    return replace(
        seen,
        reason_code="missing-input",
        hint="No node before it made that file. Name it in transfer_output_files of the one that "
        "does, or put it into the workflow's directory; then stop the workflow and resubmit it.",
    )


def is_past_wall_time(seen: Observation) -> bool:
    """Whether HTCondor holds it for its wall time: it has failed, and is to be removed."""
    return seen.state is TaskState.ERROR and seen.reason_code in ("wall-time", "job-duration")


def is_late(ad: Mapping[str, Any]) -> bool:
    """Whether a job runs although its wall time was over a while ago."""
    numbers = [
        _whole(ad.get(name))
        for name in ("ServerTime", "JobCurrentStartExecutingDate", "AllowedExecuteDuration")
    ]
    now, began, allowed = numbers
    if now is None or began is None or allowed is None or ad.get("JobStatus") != 2:
        return False
    return now - began > allowed + LATE_S


_SUSPENDED = Why(
    "suspended", "The machine that it runs on suspended it.", "It goes on when the machine is free."
)


def _held(base: Observation, text: str, code: int, subcode: int) -> Observation:
    if code == 1 and PAUSE_REASON in text:
        return replace(base, state=TaskState.PAUSED)
    if code == 1 and LATE_REASON in text:
        text, code = "", 47
    slug, reason, hint = why_held(text, code, subcode)
    state = TaskState.ERROR if code in WALL_TIME else TaskState.HELD
    return replace(base, state=state, reason_code=slug, reason=reason, hint=hint)


def _told(slug: str, words: str, event: LogEvent) -> Why:
    text = eventlog.reason(event)
    return Why(slug, f"{words}: {text[:500]}" if text else f"{words}.", "")


def _removed(text: str) -> str:
    return f"It was removed from the queue: {text[:500]}" if text else "It was removed."


def _machine(ad: Mapping[str, Any]) -> str:
    slot = str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "")
    return slot.rpartition("@")[2]


def _usage(ad: Mapping[str, Any]) -> Usage | None:
    user, system = ad.get("RemoteUserCpu"), ad.get("RemoteSysCpu")
    memory, disk = ad.get("MemoryUsage"), ad.get("DiskUsage")
    if not isinstance(user, int | float) and not isinstance(memory, int | float):
        return None
    cpu = sum(float(each) for each in (user, system) if isinstance(each, int | float))
    return Usage(
        cpu_s=cpu,
        peak_memory_mib=float(memory) if isinstance(memory, int | float) else None,
        disk_mib=float(disk) / 1024 if isinstance(disk, int | float) else None,
    )


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None
