"""What a job's processes used so far, against what was asked for them, and what would have done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from oceanid.errors import OceanidError
from oceanid.models import Task
from oceanid.specs import Resources
from oceanid.states import TaskState
from oceanid.submit import SubmitDescription
from oceanid.templatetags.oceanid import mebibytes

MOST_ADDED_UP: Final = 2000
SAMPLE: Final = 200
"""Of arrays that are larger than that so many of the first ones stand for all."""
_TO_SPARE: Final = 1.25
_ALMOST: Final = 0.9
_WORTH_S: Final = 60.0
_WORTH_MEMORY_MIB: Final = 512
_WORTH_DISK_MIB: Final = 2048


@dataclass(frozen=True, slots=True)
class Used:
    """What was used, and asked for each process.

    Args:
        asked: What each process asks of a machine.
        cpu_s: Processor seconds of all processes.
        memory_mib: The most that one process held.
        disk_mib: The most that one process wrote.
        host: The machine, when there is one process only.
        hints: What to ask for the next time.
        is_sample: Whether only the first SAMPLE processes were looked at.
    """

    asked: Resources
    cpu_s: float | None = None
    memory_mib: float | None = None
    disk_mib: float | None = None
    host: str = ""
    hints: tuple[str, ...] = ()
    is_sample: bool = False


def of(spec: dict[str, Any], tasks: QuerySet[Task], count: int) -> Used | None:
    """What the processes of a specification used; None for what is no process."""
    if not spec or spec.get("workflow"):
        return None
    try:
        asked = SubmitDescription.from_json(spec).resources
    except (OceanidError, KeyError, TypeError, ValueError):
        return None  # told as a whole in “Exact specification”
    processes = tasks.filter(role="J")
    is_sample = count > MOST_ADDED_UP
    if is_sample:
        processes = processes.order_by("index")[:SAMPLE]
    done = Q(state=TaskState.COMPLETE.value)
    found = processes.aggregate(
        cpu=Sum("cpu_s"),
        memory=Max("peak_memory_mib"),
        disk=Max("disk_mib"),
        host=Max("host"),
        done_cpu=Sum("cpu_s", filter=done),
        done_memory=Max("peak_memory_mib", filter=done),
        done_disk=Max("disk_mib", filter=done),
        done_wall=Sum(F("completion_time") - F("start_time"), filter=done),
    )
    return Used(
        asked=asked,
        cpu_s=None if is_sample else found["cpu"],
        memory_mib=found["memory"],
        disk_mib=found["disk"],
        host=(found["host"] or "") if count == 1 else "",
        hints=tuple(_hints(asked, found)),
        is_sample=is_sample,
    )


def _hints(asked: Resources, found: dict[str, Any]) -> Iterator[str]:
    """Only what ended well tells how much is needed."""
    memory = _of_size(asked.memory_mib, found["done_memory"], _WORTH_MEMORY_MIB)
    if memory:
        yield _("Memory: %(hint)s") % {"hint": memory}
    disk = _of_size(asked.disk_mib, found["done_disk"], _WORTH_DISK_MIB)
    if disk:
        yield _("Disk: %(hint)s") % {"hint": disk}
    wall: timedelta | None = found["done_wall"]
    if wall is not None and wall.total_seconds() >= _WORTH_S and found["done_cpu"] is not None:
        busy = found["done_cpu"] / wall.total_seconds()
        enough = max(1, math.ceil(busy * 1.1))
        words = {"asked": asked.cpus, "busy": f"{busy:.1f}", "enough": enough}
        if asked.cpus >= 2 * enough:
            yield _(
                "CPUs: asked for %(asked)s, kept %(busy)s busy: %(enough)s would do."
            ) % words  # fmt: skip
        elif busy > 1.5 * asked.cpus:
            yield _(
                "CPUs: asked for %(asked)s, kept %(busy)s busy: ask for %(enough)s."
            ) % words  # fmt: skip


def _of_size(asked: int | None, used: float | None, worth: int) -> str:
    if asked is None or not used:
        return ""
    enough = _rounded(used * _TO_SPARE)
    words = {"asked": _plain(asked), "used": _plain(used), "enough": _plain(enough)}
    if asked >= worth and asked >= 2 * enough:
        return _("asked for %(asked)s, used %(used)s: %(enough)s would do.") % words
    if used >= _ALMOST * asked and enough > asked:
        return _("asked for %(asked)s, used %(used)s: ask for %(enough)s.") % words
    return ""


def _plain(mib: float) -> str:
    return mebibytes(mib).replace(".0 ", " ")


def _rounded(mib: float) -> int:
    """A size that a person would ask for: a power of two, or one and a half of it."""
    step = 64
    while step < mib:
        if step * 3 // 2 >= mib:
            return step * 3 // 2
        step *= 2
    return step
