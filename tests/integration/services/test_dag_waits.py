"""Why the jobs of a workflow's nodes wait is told of the node, and of the workflow while nothing
of it runs."""

from __future__ import annotations

from typing import Any

import pytest

from oceanid.models import Job, JobEvent
from oceanid.services import observe
from oceanid.specs import Observation
from oceanid.states import NodeState, TaskState
from tests.integration.services.test_dag_runs import AT, Flow, _dags, flow  # noqa: F401
from tests.property.scripted import RUNNING

BUSY = {"reason_code": "idle-busy", "reason": "All are busy.", "hint": "Wait."}


def wait(flow: Flow, name: str, index: int = 0, **why: Any) -> None:  # noqa: F811
    """The engine tells why a node's process waits."""
    process = flow.process(name, index)
    seen = Observation(
        process.batch, process.proc, TaskState.SUBMITTED, AT, moves=False, **(BUSY | why)
    )
    house = flow.house
    observe.apply(house.supervisor.hold, house.scheduler.pk, [seen], None)


def why(job: Job) -> tuple[str, str, str]:
    """What is told of a workflow now."""
    return job.reason_code, job.status_message, job.hint


@pytest.fixture
def waits(flow: Flow) -> Flow:  # noqa: F811
    """Its first node waits."""
    flow.submit()
    flow.tell("A", NodeState.RUNNING)
    wait(flow, "A")
    return flow


def test_a_node_that_waits_says_why_and_so_does_its_workflow(waits: Flow) -> None:
    assert waits.node("A").reason == "All are busy."
    assert why(waits.now()) == ("idle-busy", "Node “A” waits: All are busy.", "Wait.")
    assert waits.now().status == "Running"
    wait(waits, "A")
    notes = JobEvent.objects.filter(job_id=waits.job.pk, kind="note")
    assert notes.count() == 1, "it is told once"
    wait(waits, "A", reason="Too large.", reason_code="idle-too-large")
    assert waits.node("A").reason == "Too large."
    assert "Too large" in waits.now().status_message


def test_what_is_told_of_waiting_goes_when_it_runs(waits: Flow) -> None:
    waits.end(waits.process("A"), state=RUNNING)
    assert waits.node("A").reason == ""
    assert why(waits.now()) == ("", "", "")


def test_while_anything_runs_the_workflow_says_nothing_and_a_node_only_of_itself(
    waits: Flow,
) -> None:
    waits.tell("A", NodeState.DONE, exit_code=0)
    waits.end(waits.process("A"))
    assert why(waits.now()) == ("", "", "")
    waits.tell("B", NodeState.RUNNING)
    waits.end(waits.process("B", 1), state=RUNNING)
    wait(waits, "B")
    assert waits.node("B").reason == ""
    assert why(waits.now()) == ("", "", "")
    waits.end(waits.process("B", 1))
    assert "“B” waits: All are busy." in waits.now().status_message, "nothing runs any more"


def test_a_failure_that_was_told_stays(waits: Flow) -> None:
    waits.tell("A", NodeState.FAILED, exit_code=3, reason="exit code 3")
    before = why(waits.now())
    assert before[0] == "node-failed"
    wait(waits, "A")
    assert why(waits.now()) == before
