"""What a sweep finds never undoes what the watch told while it looked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oceanid.models import Task
from oceanid.specs import Handle, ObservationBatch
from oceanid.states import TaskState
from tests.property.house import House
from tests.property.scripted import RUNNING, WAITING, Process, ScriptedEngine


class _Moving(ScriptedEngine):
    """Something happens, and is told, between its look at the queue and its answer."""

    house: House
    moves: Process

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        found = await super().reconcile(handles)
        self.world.move(self.moves, RUNNING)
        told = self.told({"read": len(self.world.log) - 1}, 1)
        await self.house.supervisor.driver.apply(told)
        return found


def test_a_sweep_that_looked_before_a_job_began_does_not_say_that_it_waits(
    house: House, job: Callable[..., Any]
) -> None:
    job(num_jobs=3).execute()
    house.work()
    first, second, third = house.world.processes.values()
    for process in (first, second, third):
        house.world.move(process, WAITING)
    house.deliver(100)
    house.world.move(second, RUNNING)
    engine = house.supervisor.engine
    moving = _Moving(engine.scheduler, engine.world)
    moving.house, moving.moves = house, first
    house.supervisor.engine = moving
    house.sweep()

    def state(process: Process) -> str:
        return Task.objects.get(batch_id=process.batch, proc=process.proc).state

    assert state(first) == TaskState.RUNNING, "the watch told of it after the look"
    assert state(second) == TaskState.RUNNING, "what nobody told of is still repaired"
    assert state(third) == TaskState.SUBMITTED
    house.world.move(first, WAITING)
    house.supervisor.engine = engine
    house.sweep()
    assert state(first) == TaskState.SUBMITTED, "the next sweep is right about it again"
