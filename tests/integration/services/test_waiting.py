"""Why a job waits, and what it has used so far, are told of it without moving it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from oceanid.models import Job, JobEvent
from oceanid.services import observe
from oceanid.specs import Observation, Usage
from oceanid.states import TaskState
from tests.property.house import House
from tests.property.scripted import COMPLETE, RUNNING

Make = Callable[..., Any]
AT = datetime(2030, 1, 1, tzinfo=UTC)
BUSY = {"reason_code": "idle-busy", "reason": "All are busy.", "hint": "Wait."}
LARGE = {"reason_code": "idle-too-large", "reason": "It asks for too much.", "hint": "Ask less."}


def hear(house: House, state: TaskState, *, moves: bool = False, **told: Any) -> None:
    """All that is at the engine is told of."""
    seen = [
        Observation(each.batch, each.proc, state, AT, moves=moves, **told)
        for each in house.world.alive()
    ]
    observe.apply(house.supervisor.hold, house.scheduler.pk, seen, None)


def waiting(house: House, job: Any) -> Any:
    """A job that its engine keeps in its queue."""
    job.execute()
    house.work()
    return job


def why(job: Job) -> tuple[str, str, str]:
    """What is told of a job now."""
    now = Job.objects.get(pk=job.pk)
    return now.reason_code, now.status_message, now.hint


def move(house: House, after: TaskState) -> None:
    """Something happens to all that is at the engine, and it is heard."""
    for process in house.world.alive():
        house.world.move(process, after, exit_code=0)
    house.deliver(100)


def test_a_waiting_job_and_its_tasks_say_why_and_are_told_once(house: House, job: Make) -> None:
    made = waiting(house, job(num_jobs=2))
    for _ in range(3):
        hear(house, TaskState.SUBMITTED, **BUSY)
    assert (made.status, why(made)) == ("Submitted", ("idle-busy", "All are busy.", "Wait."))
    assert {(task.reason_code, task.hint) for task in made.tasks.all()} == {("idle-busy", "Wait.")}
    assert list(made.events.filter(kind="note").values_list("message", flat=True)) == [
        "All are busy."
    ]
    hear(house, TaskState.SUBMITTED, **LARGE)
    assert why(made)[0] == "idle-too-large"


def test_why_it_waited_goes_away_when_it_runs_and_when_it_is_held(house: House, job: Make) -> None:
    made = waiting(house, job())
    hear(house, TaskState.SUBMITTED, **BUSY)
    move(house, RUNNING)
    assert why(made) == ("", "", "")
    assert made.tasks.get().reason == ""
    hear(house, TaskState.SUBMITTED, moves=True)
    hear(house, TaskState.SUBMITTED, **BUSY)
    assert why(made)[0] == "idle-busy"
    hear(house, TaskState.HELD, moves=True, reason_code="input", reason="No input.", hint="Look.")
    assert why(made) == ("input", "No input.", "Look.")


def test_a_late_word_on_why_it_waits_does_not_move_a_running_task(house: House, job: Make) -> None:
    made = waiting(house, job())
    move(house, RUNNING)
    hear(house, TaskState.SUBMITTED, **BUSY)
    assert (made.tasks.get().state, why(made)) == ("RUN", ("", "", ""))


def test_an_array_of_which_some_run_tells_it_of_the_waiting_tasks_only(
    house: House, job: Make
) -> None:
    made = waiting(house, job(num_jobs=3))
    first, *others = house.world.alive()
    house.world.move(first, RUNNING)
    house.deliver(100)
    hear(house, TaskState.SUBMITTED, **BUSY)
    assert why(made) == ("", "", "")
    assert made.tasks.filter(reason_code="idle-busy").count() == len(others)


def test_usage_is_kept_while_it_runs_without_an_event(house: House, job: Make) -> None:
    made = waiting(house, job())
    move(house, RUNNING)
    events = JobEvent.objects.count()
    hear(house, RUNNING, usage=Usage(peak_memory_mib=80.0))
    hear(house, RUNNING, moves=True, usage=Usage(cpu_s=12.0, disk_mib=3.0))
    task = made.tasks.get()
    assert (task.cpu_s, task.peak_memory_mib, task.disk_mib) == (12.0, 80.0, 3.0)
    assert JobEvent.objects.count() == events
    move(house, COMPLETE)
    hear(house, COMPLETE, usage=Usage(cpu_s=99.0))
    assert made.tasks.get().cpu_s == 1.0


def test_a_workflow_tells_of_its_waiting_tasks_and_goes_on(house: House, job: Make) -> None:
    flow = job(job_type="CONDORWORKFLOW")
    flow.add_node("one", attributes={"executable": "/bin/true"})
    waiting(house, flow)
    hear(house, TaskState.SUBMITTED, **BUSY)
    node = flow.nodes[0]
    assert node.tasks.get().reason_code == "idle-busy"
    move(house, RUNNING)
    assert node.tasks.get().reason == ""
    move(house, COMPLETE)
    house.work()
    assert Job.objects.get(pk=flow.pk).status == "Complete"


def test_that_it_was_removed_is_told_unless_it_was_asked_for(house: House, job: Make) -> None:
    removed = {"reason_code": "removed", "reason": "It was removed: by root.", "hint": ""}
    made = waiting(house, job())
    hear(house, TaskState.ABORTED, moves=True, **removed)
    made.refresh_from_db()
    assert (made.status, why(made)[1]) == ("Aborted", "It was removed: by root.")
    assert made.events.filter(kind="state").latest("id").message == "It was removed: by root."
    stopped = waiting(house, job())
    stopped.stop()
    hear(house, TaskState.ABORTED, moves=True, **removed)
    stopped.refresh_from_db()
    assert (stopped.status, why(stopped)) == ("Aborted", ("", "", ""))
