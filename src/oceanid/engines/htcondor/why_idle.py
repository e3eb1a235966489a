"""Why a job stays idle, in plain words, from what the scheduler's own analysis says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from oceanid.engines.htcondor.holds import Why
from oceanid.specs import IDLE

_CONDITION = re.compile(r"\[\d+\]\s+(\d+)\s+([^\s\[].*)")
_OWN_REFUSAL = re.compile(r"(\d+)(?: slots?)? rejects? your job because of their own requirements")
_REJECTED = re.compile(r"(\d+)(?: slots?)? (?:are|is) rejected by your job's requirements")
_CONSIDERED = re.compile(r"Of (\d+) (?:machines|slots)")
_MOST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Room:
    """What a machine has, or has free: processors, memory, disk and graphics processors."""

    cpus: float = 0
    memory_mib: float = 0
    disk_kib: float = 0
    gpus: float = 0

    def holds(self, other: Room) -> bool:
        """Whether the other fits into it."""
        return (
            other.cpus <= self.cpus
            and other.memory_mib <= self.memory_mib
            and other.disk_kib <= self.disk_kib
            and other.gpus <= self.gpus
        )


@dataclass(frozen=True, slots=True)
class Slots:
    """The pool's machines.

    Args:
        count: How many slots there are, those that were carved out of others not counted.
        largest: The most of each that any of them has.
        free: What is free now, in kinds.
    """

    count: int = 0
    largest: Room = field(default_factory=Room)
    free: tuple[Room, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """What ``condor_q -better-analyze`` says of one job.

    Args:
        considered: The slots that it looked at.
        conditions: Each condition of the job's requirements, and how many slots meet it.
        rejected: How many slots the job's requirements reject.
        refusing: How many slots reject the job by requirements of their own.
    """

    considered: int | None = None
    conditions: tuple[tuple[str, int], ...] = ()
    rejected: int | None = None
    refusing: int = 0

    @classmethod
    def of(cls, text: str) -> Analysis:
        """Read the words of any version; what can't be read is left out."""
        conditions = [
            (" ".join(match[2].split()), int(match[1]))
            for line in text.splitlines()
            if (match := _CONDITION.match(line.strip()))
        ]
        numbers = [each.search(text) for each in (_CONSIDERED, _REJECTED, _OWN_REFUSAL)]
        considered, rejected, refusing = (int(each[1]) if each else None for each in numbers)
        return cls(considered, tuple(conditions), rejected, refusing or 0)


def why_idle(asked: Room, slots: Slots, analysis: Analysis, refusal: str) -> Why:
    """Why a job waits.

    Args:
        asked: What it asks of a machine.
        slots: The pool's machines, all of them idle as the analysis saw them.
        analysis: The scheduler's own.
        refusal: What the negotiator said when it last refused the job ("" when it did not).
    """
    if not slots.count:
        return _why("no-machines", "The pool has no machines that run jobs.",
                    "Wait until workers are there, or ask the pool's administrator.")  # fmt: skip
    return (
        _too_large(asked, slots.largest)
        or _unmet(analysis)
        or _refused(analysis)
        or _limited(refusal)
        or _busy(asked, slots)
    )


def _why(code: str, reason: str, hint: str) -> Why:
    return Why(IDLE + code, reason, hint)


def _too_large(asked: Room, largest: Room) -> Why | None:
    if asked.gpus and not largest.gpus:
        return _why("no-gpu", "It asks for a GPU, and no machine of the pool has one.",
                    "Take request_gpus off, or choose a pool that has GPUs.")  # fmt: skip
    for command, what, has, wants in (
        ("request_cpus", "CPUs", largest.cpus, asked.cpus),
        ("request_memory", "MiB of memory", largest.memory_mib, asked.memory_mib),
        ("request_disk", "MiB of disk", largest.disk_kib / 1024, asked.disk_kib / 1024),
        ("request_gpus", "GPUs", largest.gpus, asked.gpus),
    ):
        if wants > has:
            return _why(
                "too-large",
                f"It asks for {wants:,.0f} {what}; the largest machine of the pool has {has:,.0f}.",
                f"Stop it, ask for less with {command}, and resubmit it; or choose a larger pool.",
            )
    return None


def _unmet(analysis: Analysis) -> Why | None:
    """A condition of the job's own that no machine meets."""
    for text, matched in analysis.conditions:
        if matched == 0:
            return _condition(text[:_MOST_TEXT])
    rejects_all = analysis.rejected is not None and analysis.rejected == analysis.considered
    if rejects_all and analysis.considered:
        each = "; ".join(text for text, _ in analysis.conditions)
        return _why(
            "requirements",
            "Each of its conditions is met by some machine, but no machine meets all of them"
            + (f": {each[:_MOST_TEXT]}" if each else "."),
            "Stop it, ask for less at once (requirements and request_…), and resubmit it.",
        )
    return None


def _condition(text: str) -> Why:
    lowered = text.lower()
    if "gpu" in lowered:
        return _why("no-gpu", f"No machine has such GPUs: {text}",
                    "Ask for fewer or other GPUs and resubmit it.")  # fmt: skip
    if "filesystemdomain" in lowered:
        return _why("file-system", "No machine shares the submit host's file system.",
                    "Let should_transfer_files be YES and resubmit it.")  # fmt: skip
    if "hasdocker" in lowered or "hassingularity" in lowered or "container" in lowered:
        return _why("no-container", f"No machine can run its container: {text}",
                    "Choose a pool whose machines have a container runtime.")  # fmt: skip
    return _why("requirements", f"No machine meets this condition: {text}",
                "Stop it, correct requirements, and resubmit it.")  # fmt: skip


def _refused(analysis: Analysis) -> Why | None:
    fit = (analysis.considered or 0) - (analysis.rejected or 0)
    if analysis.conditions and fit and analysis.refusing >= fit:
        return _why("refused", "The machines that could run it do not take it (START).",
                    "Ask the pool's administrator which jobs they take, and when.")  # fmt: skip
    return None


def _limited(refusal: str) -> Why | None:
    said = refusal.lower()
    if "concurrency limit" in said:
        return _why("limit", f"A limit of the pool is used up: {refusal[:_MOST_TEXT]}.",
                    "It starts when jobs of the same concurrency_limits end.")  # fmt: skip
    if "submitter limit" in said or "quota" in said or "share" in said:
        return _why("share", f"The account has its share of the pool: {refusal[:_MOST_TEXT]}.",
                    "It starts when other jobs of the account end.")  # fmt: skip
    if "priority" in said or "preempt" in said:
        return _why("priority", "Other users' jobs come first on the machines that could run it.",
                    "It starts when their jobs end.")  # fmt: skip
    return None


def _busy(asked: Room, slots: Slots) -> Why:
    if any(free.holds(asked) for free in slots.free):
        return _why("not-yet", "Machines are free that could run it; its turn has not come yet.",
                    "If it stays so, does the pool's negotiator run?")  # fmt: skip
    return _why("busy", "All machines that could run it are busy.",
                "It starts when one of them is free.")  # fmt: skip


def number(text: str) -> float:
    """A number that HTCondor printed; 0 when it is none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def slots_of(rows: Sequence[Sequence[str]]) -> Slots:
    """The pool's machines from rows of count, totals (CPUs, MiB, KiB, GPUs) and what is free."""
    count = 0
    totals: list[Room] = []
    free: list[Room] = []
    for row in rows:
        count += int(number(row[0]))
        totals.append(Room(*map(number, row[1:5])))
        free.append(Room(*map(number, row[5:9])))
    largest = Room(
        cpus=max((each.cpus for each in totals), default=0),
        memory_mib=max((each.memory_mib for each in totals), default=0),
        disk_kib=max((each.disk_kib for each in totals), default=0),
        gpus=max((each.gpus for each in totals), default=0),
    )
    return Slots(count, largest, tuple(free))
