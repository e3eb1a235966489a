"""What is left of an engine's capacity, and who holds the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum

from oceanid.models import Batch
from oceanid.specs import Capacity, Resources
from oceanid.states import BatchState

LIVE = [BatchState.PREPARED.value, BatchState.SENT.value]


@dataclass(slots=True)
class Room:
    """What is left of an engine's capacity while batches are chosen."""

    capacity: Capacity
    cpus: int
    memory_mib: int
    gpus: int
    per_user: Counter[Any] = field(default_factory=Counter)

    @classmethod
    def now(cls, scheduler_id: int, capacity: Capacity) -> Room:
        """The capacity less what the live batches hold."""
        room = cls(capacity, capacity.cpus, capacity.memory_mib, capacity.gpus)
        live = Batch.objects.filter(scheduler_id=scheduler_id, state__in=LIVE)
        used = live.values_list("user_id").annotate(Sum("cpus"), Sum("memory_mib"), Sum("gpus"))
        for user_id, cpus, memory, gpus in used:
            room.take(user_id, Resources(cpus=cpus, memory_mib=memory, gpus=gpus))
        return room

    def take(self, user_id: Any, wanted: Resources) -> None:
        """Give room away."""
        self.cpus -= wanted.cpus
        self.memory_mib -= wanted.memory_mib or 0
        self.gpus -= wanted.gpus
        self.per_user[user_id] += wanted.cpus

    def fits(self, wanted: Resources) -> bool:
        """Whether there is room left for this."""
        return (
            wanted.cpus <= self.cpus
            and (wanted.memory_mib or 0) <= self.memory_mib
            and wanted.gpus <= self.gpus
        )

    def could_fit(self, wanted: Resources) -> bool:
        """Whether there would be room for this if nothing else ran."""
        return (
            wanted.cpus <= self.capacity.cpus
            and (wanted.memory_mib or 0) <= self.capacity.memory_mib
            and wanted.gpus <= self.capacity.gpus
        )
