"""When tasks that run will have run for too long."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import heappop, heappush
from time import monotonic
from uuid import UUID

from oceanid.engines.htcondor import meaning
from oceanid.engines.htcondor.manifest import Entry
from oceanid.specs import Observation
from oceanid.states import TaskState

Task = tuple[UUID, int]


class Clocks:
    """When tasks that run will have run for too long."""

    def __init__(self) -> None:
        self._until: dict[Task, float] = {}
        self._due: list[tuple[float, Task]] = []

    def see(self, seen: Observation, entry: Entry | None) -> None:
        """Take note of what was seen of a task."""
        task = (seen.batch, seen.proc)
        if seen.state is not TaskState.RUNNING:
            self._until.pop(task, None)
        elif entry is not None and entry.wanted.wall_time_s is not None:
            ago = max(0.0, (datetime.now(UTC) - seen.at).total_seconds())
            until = monotonic() + entry.wanted.wall_time_s + meaning.LATE_S - min(ago, 60.0)
            self._until[task] = until
            heappush(self._due, (until, task))

    def late(self) -> list[Task]:
        """The tasks whose time is over; each is told once."""
        now = monotonic()
        late = []
        while self._due and self._due[0][0] <= now:
            until, task = heappop(self._due)
            if self._until.get(task) == until:
                del self._until[task]
                late.append(task)
        return late
