"""What is wanted while something else is going on is neither lost nor done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oceanid.errors import IllegalTransition, InvalidSpecification, NotFound
from oceanid.jobs import JobManager
from oceanid.models import Job, JobEvent, WorkflowNode
from oceanid.services import intents, results
from oceanid.services import jobs as services
from oceanid.states import TaskState
from tests.integration.supervisor.house import in_order
from tests.property.house import House
from tests.property.scripted import COMPLETE, ERROR, RUNNING, Fate

Make = Callable[..., Any]


def now(job: Job) -> Job:
    """A job as it is now."""
    return Job.objects.get(pk=job.pk)


def running(house: House, job: Any) -> Any:
    """A job whose first tasks run."""
    job.execute()
    house.work()
    move(house, RUNNING)
    return job


def move(house: House, after: TaskState) -> None:
    """Something happens to all that is at the engine, and it is heard."""
    for process in house.world.alive():
        house.world.move(process, after, exit_code=int(after is ERROR))
    house.deliver(100)


@pytest.mark.parametrize("wish", ["stop", "delete"])
def test_a_wish_between_the_look_at_a_job_and_its_end_is_kept(
    house: House, job: Make, wish: str
) -> None:
    made = running(house, job())
    made.pause()
    (seen,) = intents.due(house.scheduler.pk)
    getattr(now(made), wish)()
    intents.reckon(house.supervisor.hold, seen, again_s=1)
    assert [each.pk for each in intents.due(house.scheduler.pk)] == [made.pk]


@pytest.mark.parametrize("fails", [False, True])
def test_a_deletion_while_the_results_function_runs_is_kept(
    house: House, job: Make, fails: bool
) -> None:
    made = running(house, job(process_results_function="operator.truth"))
    move(house, COMPLETE)
    (reading,) = results.due()
    made.delete()
    if fails:
        results.fail(house.results, reading, "Boom", most_tries=1)
    else:
        results.finish(house.results, reading, 1)
    house.work()
    assert not Job.objects.filter(pk=made.pk).exists()


def test_a_draft_that_is_executed_while_it_is_stopped_is_stopped(house: House, job: Make) -> None:
    made = job()
    made.save()
    slow, quick = now(made), now(made)
    original = type(slow).refresh_from_db

    def first_look(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if quick.state == "PEN":
            quick.execute()  # type: ignore[attr-defined]

    slow.refresh_from_db = first_look.__get__(slow)  # type: ignore[method-assign]
    services.stop(slow)
    house.work()
    assert now(made).status == "Aborted"
    in_order()


def test_a_job_that_the_scheduler_holds_is_released_by_resume(house: House, job: Make) -> None:
    made = running(house, job())
    move(house, TaskState.HELD)
    assert now(made).status == "Held"
    made.resume()
    house.work()
    house.deliver(10)
    assert now(made).status == "Running"


def test_a_pause_reaches_tasks_whose_submission_was_not_answered_yet(
    house: House, job: Make
) -> None:
    made = job()
    made.execute()
    house.world.fates.append(Fate.HANGS)
    house.work()
    made.pause()
    house.work()
    house.crash()
    house.wait()
    house.work()
    house.wait()
    house.work()
    house.deliver(10)
    assert [process.state for process in house.world.alive()] == [TaskState.PAUSED]
    assert now(made).status == "Paused"


def test_a_paused_jobs_failed_task_gets_its_other_try(house: House, job: Make) -> None:
    made = running(house, job(max_retries=1))
    made.pause()
    move(house, ERROR)
    assert (now(made).tasks_error, now(made).backlog) == (0, 1)


def test_a_workflow_whose_nodes_all_run_is_paused_and_goes_on(house: House, job: Make) -> None:
    flow = job(job_type="CONDORWORKFLOW")
    flow.add_node("a", attributes={"executable": "/bin/true"})
    flow.add_node("b", attributes={"executable": "/bin/true"}, parents=["a"])
    flow.execute()
    house.work()
    house.work()
    move(house, RUNNING)
    flow.pause()
    house.work()
    house.deliver(10)
    assert now(flow).status == "Paused"
    flow.resume()
    house.work()
    house.deliver(10)
    assert [process.state for process in house.world.alive()] == [RUNNING]
    assert now(flow).status == "Running"
    house.come_to_rest()
    assert now(flow).status == "Complete"


def test_a_workflow_whose_files_are_lost_fails_with_its_nodes(
    house: House, job: Make, tmp_path: Any
) -> None:
    given = tmp_path / "given"
    given.touch()
    flow = job(job_type="CONDORWORKFLOW", remote_input_files=[str(given)])
    flow.add_node("a", attributes={"executable": "/bin/true"})
    flow.add_node("b", attributes={"executable": "/bin/true"}, parents=["a"])
    flow.execute()
    given.unlink()
    house.work()
    assert now(flow).status == "Error"
    assert sorted(WorkflowNode.objects.values_list("state", flat=True)) == ["FAI", "FUT"]
    in_order()
    given.touch()
    flow.resubmit()
    house.come_to_rest()
    assert now(flow).status == "Complete"


@pytest.mark.parametrize(("code", "returns", "status"), [(3, 0, "Complete"), (0, 1, "Error")])
def test_what_abort_dag_on_returns_is_how_the_workflow_ends(
    house: House, job: Make, code: int, returns: int, status: str
) -> None:
    for other in (True, False):
        flow = job(job_type="CONDORWORKFLOW")
        flow.add_node("a", attributes={"executable": "/bin/true"}, abort_dag_on=code,
                      abort_dag_on_return_value=returns)  # fmt: skip
        if other:
            flow.add_node("b", attributes={"executable": "/bin/true"}, parents=["a"])
        flow.execute()
        house.work()
        house.work()
        for process in house.world.alive():
            house.world.move(process, RUNNING)
            house.world.move(process, ERROR if code else COMPLETE, exit_code=code)
        house.deliver(10)
        house.work()
        assert now(flow).status == status


def test_a_node_that_fits_nowhere_is_refused_at_execute(house: House, job: Make) -> None:
    house.scheduler.cpus, house.scheduler.memory_mib = 2, 1000
    house.scheduler.save()
    flow = job(job_type="CONDORWORKFLOW")
    flow.add_node("vast", attributes={"executable": "/bin/true", "request_cpus": 3})
    with pytest.raises(InvalidSpecification, match="vast"):
        flow.execute()


@pytest.mark.parametrize("verb", ["stop", "pause", "resume", "resubmit", "retry_results"])
def test_what_is_wanted_of_a_deleted_job_is_refused_in_words(
    house: House, job: Make, verb: str
) -> None:
    made = job()
    made.save()
    old = now(made)
    made.delete()
    with pytest.raises((NotFound, IllegalTransition)):
        getattr(old, verb)()
    with pytest.raises(NotFound):
        old.execute()  # type: ignore[attr-defined]


def test_all_jobs_are_executed_or_none(house: House, job: Make) -> None:
    good, bad = job(name="good"), job(name="bad", request_cpus=99)
    house.scheduler.cpus, house.scheduler.memory_mib = 2, 1000
    house.scheduler.save()
    draft = job(name="draft")
    draft.save()
    with pytest.raises(InvalidSpecification):
        JobManager("floods").execute_many([good, draft, bad])
    assert list(Job.objects.values_list("name", "state")) == [("draft", "PEN")]
    assert not JobEvent.objects.exists()
    JobManager("floods").execute_many([good, draft])
    assert {(e.before, e.after) for e in JobEvent.objects.all()} == {("PEN", "SUB")}
    assert JobEvent.objects.count() == 2
