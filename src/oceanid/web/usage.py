"""What a job's processes used so far, against what was asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet, Sum

from oceanid.errors import OceanidError
from oceanid.models import Task
from oceanid.specs import Resources
from oceanid.submit import SubmitDescription

MOST_ADDED_UP = 2000
"""Of larger arrays each process tells its own only."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used, and asked for each process.

    Args:
        asked: What each process asks of a machine.
        cpu_s: Processor seconds of all processes.
        memory_mib: The most that one process held.
        disk_mib: The most that one process wrote.
        host: The machine, when there is one process only.
    """

    asked: Resources
    cpu_s: float | None = None
    memory_mib: float | None = None
    disk_mib: float | None = None
    host: str = ""


def of(spec: dict[str, Any], tasks: QuerySet[Task], count: int) -> Used | None:
    """What the processes of a specification used; None for what is no process."""
    if not spec or spec.get("workflow"):
        return None
    try:
        asked = SubmitDescription.from_json(spec).resources
    except (OceanidError, KeyError, TypeError, ValueError):
        return None  # told as a whole in “Exact specification”
    if count > MOST_ADDED_UP:
        return Used(asked)
    found = tasks.filter(role="J").aggregate(
        cpu=Sum("cpu_s"),
        memory=Max("peak_memory_mib"),
        disk=Max("disk_mib"),
        host=Max("host"),
    )
    host = found["host"] or ""
    return Used(asked, found["cpu"], found["memory"], found["disk"], host if count == 1 else "")
