"""Workflows that their engine runs as a whole, over a scripted engine: what is told moves them,
what is old does not, and they end when everything has come home."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from oceanid.dags import NodeObservation
from oceanid.errors import EngineUnavailable
from oceanid.jobs import CondorWorkflow, JobManager
from oceanid.models import Batch, Job, JobEvent, Task, TaskRole, WorkflowNode
from oceanid.services import dispatch, observe
from oceanid.specs import Capability
from oceanid.states import NodeState, TaskState
from tests.integration.supervisor.house import in_order, told
from tests.property.house import House
from tests.property.scripted import COMPLETE, ERROR, RUNNING, Fate, Process, ScriptedEngine

AT = datetime(2030, 1, 1, tzinfo=UTC)
TRUE = {"executable": "/bin/true"}


@pytest.fixture(autouse=True)
def _dags(monkeypatch: pytest.MonkeyPatch) -> None:
    can = {Capability.DAG, Capability.QUEUE, *ScriptedEngine.capabilities}
    monkeypatch.setattr(ScriptedEngine, "capabilities", frozenset(can))


class Flow:
    """A workflow at the engine, and how it is told of."""

    def __init__(self, house: House) -> None:
        self.house = house
        made = JobManager("floods").create_job(
            "flow", house.users[0], job_type="CONDORWORKFLOW", scheduler=house.scheduler
        )
        assert isinstance(made, CondorWorkflow)
        self.job = made
        self.at = AT

    def submit(self) -> None:
        """Execute it, and let the supervisor submit it."""
        self.job.execute()
        self.work()

    def work(self) -> None:
        """Two rounds: what one prepares, the next submits."""
        for _ in range(2):
            self.house.wait()
            self.house.work()

    @property
    def batch(self) -> UUID:
        """The batch that it is."""
        return Batch.objects.exclude(state="DED").latest("created_at").pk

    def node(self, name: str) -> WorkflowNode:
        """A node as it is now."""
        return WorkflowNode.objects.get(workflow_id=self.job.pk, name=name)

    def tell(self, name: str, state: NodeState, tries: int = 0, **more: Any) -> NodeObservation:
        """The engine tells of a node."""
        self.at += timedelta(seconds=1)
        seen = NodeObservation(self.batch, str(self.node(name).pk), state, self.at, tries, **more)
        self.hear(seen)
        return seen

    def hear(self, *seen: NodeObservation) -> None:
        """The supervisor hears of nodes."""
        house = self.house
        observe.apply(house.supervisor.hold, house.scheduler.pk, (), None, seen)

    def process(self, name: str = "", index: int = 0) -> Process:
        """A node's process in the world; DAGMan's own without a name."""
        if name:
            task = Task.objects.get(
                node=self.node(name), index=index, attempt=self.node(name).attempt
            )
        else:
            task = Task.objects.get(job=self.job.pk, role=TaskRole.DAG, batch=self.batch)
        return self.house.world.processes[self.batch, task.proc or 0]

    def end(self, *processes: Process, state: TaskState = COMPLETE, **more: Any) -> None:
        """Processes end, and it is heard."""
        for process in processes:
            self.house.world.move(process, state, **more)
        self.house.deliver(10_000)

    def now(self) -> Job:
        """The job as it is now."""
        return Job.objects.get(pk=self.job.pk)

    def moves(self, name: str) -> list[str]:
        """The states that a node was in."""
        seen = JobEvent.objects.filter(node_id=self.node(name).pk, kind="node").order_by("id")
        return list(seen.values_list("after", flat=True))


@pytest.fixture
def flow(house: House) -> Flow:
    """A → B (two processes) → C."""
    made = Flow(house)
    made.job.add_node("A", attributes=TRUE, retry=2)
    made.job.add_node("B", parents=["A"], attributes=TRUE, num_jobs=2)
    made.job.add_node("C", parents=["B"], attributes=TRUE)
    return made


def test_it_is_one_batch_with_a_task_for_the_run_itself(flow: Flow) -> None:
    flow.submit()
    batch = Batch.objects.get()
    assert (batch.size, batch.state) == (5, "SNT")
    spec = dispatch.load(batch.pk)
    assert spec.dag is not None
    assert [(node.title, node.procs, node.parents, node.retries) for node in spec.dag.nodes] == [
        ("A", range(1), (), 2),
        ("B", range(1, 3), (spec.dag.nodes[0].name,), 0),
        ("C", range(3, 4), (spec.dag.nodes[1].name,), 0),
    ]
    assert spec.dag.proc == 4
    assert len({item.key for item in spec.items}) == 5


def test_it_ends_when_its_run_and_every_output_has(flow: Flow) -> None:
    flow.submit()
    flow.tell("A", NodeState.RUNNING)
    assert flow.now().status == "Running"
    flow.tell("A", NodeState.DONE, exit_code=0)
    assert flow.node("B").state == NodeState.READY
    for name in "BC":
        flow.tell(name, NodeState.RUNNING)
        flow.tell(name, NodeState.DONE, exit_code=0)
    assert flow.now().status == "Running", "no output has come"
    tasks = [flow.process("A"), flow.process("B"), flow.process("B", 1), flow.process("C")]
    flow.end(*tasks)
    assert flow.now().status == "Running", "DAGMan has not ended"
    flow.end(flow.process())
    assert flow.now().status == "Complete", told(flow.now())
    assert flow.moves("B") == ["RDY", "RUN", "DON"]
    in_order()


def test_what_is_old_changes_nothing_in_whatever_order_it_comes_again(flow: Flow) -> None:
    flow.submit()
    seen = [
        flow.tell("A", NodeState.PRERUN),
        flow.tell("A", NodeState.RUNNING),
        flow.tell("A", NodeState.READY, 1, reason="exit code 1", exit_code=1),
        flow.tell("A", NodeState.RUNNING, 1),
        flow.tell("A", NodeState.DONE, 1, exit_code=0),
        flow.tell("B", NodeState.RUNNING),
    ]
    assert flow.moves("A") == ["PRE", "RUN", "RDY", "RUN", "DON"]
    assert flow.node("A").tries == 1
    assert Task.objects.get(node=flow.node("A")).tries == 1
    before = flow.house.everything()
    flow.hear(*seen)
    flow.hear(*reversed(seen))
    for each in seen:
        flow.hear(each)
    assert flow.house.everything() == before


def test_states_that_were_not_told_are_passed_through(flow: Flow) -> None:
    flow.submit()
    flow.tell("C", NodeState.DONE, exit_code=0)
    flow.tell("B", NodeState.RUNNING)
    flow.tell("A", NodeState.DONE, exit_code=0)
    flow.tell("B", NodeState.DONE, exit_code=0)
    assert flow.moves("C") == ["RDY", "DON"]
    assert flow.moves("B") == ["RDY", "RUN", "DON"]
    in_order()


def test_a_failed_node_makes_the_rest_futile_and_the_rest_alone_runs_again(flow: Flow) -> None:
    flow.submit()
    flow.tell("A", NodeState.DONE, exit_code=0)
    first = flow.tell("B", NodeState.FAILED, exit_code=3, reason="exit code 3")
    assert flow.node("C").state == NodeState.FUTILE
    flow.end(flow.process("A"))
    flow.end(flow.process("B"), state=ERROR, exit_code=3)
    flow.end(flow.process("B", 1), flow.process("C"), state=TaskState.ABORTED)
    flow.end(flow.process(), state=ERROR, exit_code=1)
    now = flow.now()
    assert (now.status, now.reason_code) == ("Error", "node-failed")
    assert "B" in now.status_message and "3" in now.status_message
    flow.job.resubmit()
    flow.work()
    spec = dispatch.load(flow.batch)
    assert spec.dag is not None
    assert [(node.title, node.parents) for node in spec.dag.nodes] == [
        ("B", ()), ("C", (str(flow.node("B").pk),))
    ]  # fmt: skip
    before = flow.node("B").state
    flow.hear(first)
    assert flow.node("B").state == before, "it was told of the attempt before"
    for name in "BC":
        flow.tell(name, NodeState.DONE, exit_code=0)
    flow.end(*flow.house.world.alive())
    assert flow.now().status == "Complete", told(flow.now())
    in_order()


@pytest.mark.parametrize(
    ("state", "more", "code", "left"),
    [
        (ERROR, {"exit_code": 1}, "dagman-failed", ("FAI", "FUT")),
        (TaskState.ABORTED, {}, "dagman-removed", ("ABT", "ABT")),
    ],
)
def test_a_run_that_ends_too_early_says_so(
    flow: Flow, state: TaskState, more: dict[str, Any], code: str, left: tuple[str, str]
) -> None:
    flow.submit()
    flow.tell("A", NodeState.RUNNING)
    flow.end(flow.process("A"), flow.process("B"), flow.process("B", 1), flow.process("C"),
             state=TaskState.ABORTED)  # fmt: skip
    flow.end(flow.process(), state=state, **more)
    now = flow.now()
    assert now.reason_code == code, told(now)
    assert "DAGMan" in now.status_message
    assert (flow.node("A").state, flow.node("C").state) == left
    assert now.job_state.is_final
    in_order()


def test_a_run_that_succeeded_was_done_though_a_word_of_it_was_lost(flow: Flow) -> None:
    flow.submit()
    flow.tell("A", NodeState.RUNNING)
    flow.end(*flow.house.world.alive())
    assert flow.now().status == "Complete", told(flow.now())
    assert [flow.node(name).state for name in "ABC"] == ["DON"] * 3
    in_order()


def test_a_held_run_is_told_and_goes_on(flow: Flow) -> None:
    flow.submit()
    flow.house.world.move(flow.process(), TaskState.HELD)
    flow.house.deliver(10)
    now = flow.now()
    assert (now.status, now.reason_code) == ("Held", "dagman-held")
    assert "DAGMan" in now.status_message
    flow.house.world.move(flow.process(), RUNNING)
    flow.house.deliver(10)
    assert flow.now().tasks_held == 0


def test_a_stop_ends_what_was_not_submitted_and_what_was(flow: Flow) -> None:
    flow.house.world.fates = [Fate.DOWN] * 20
    flow.submit()
    flow.job.stop()
    flow.house.world.fates.clear()
    for _ in range(4):
        flow.work()
    assert flow.now().status == "Aborted", told(flow.now())
    assert not flow.house.world.starts
    in_order()


def test_a_submission_that_never_was_is_made_again_with_the_same_tasks(flow: Flow) -> None:
    flow.house.world.fates = [Fate.DOWN]
    flow.submit()
    for _ in range(3):
        flow.work()
    assert Batch.objects.filter(state="SNT").count() == 1
    assert Task.objects.count() == 5
    assert set(Task.objects.values_list("batch_id", flat=True)) == {flow.batch}
    flow.tell("A", NodeState.RUNNING)
    assert flow.now().status == "Running"
    in_order()
    assert EngineUnavailable.is_transient


def test_what_the_engine_refuses_fails_with_its_words(flow: Flow) -> None:
    flow.house.world.fates = [Fate.REFUSED]
    flow.submit()
    for _ in range(3):
        flow.work()
    now = flow.now()
    assert (now.status, now.status_message, now.hint) == (
        "Error", "The script refuses.", "Ask for something else."
    )  # fmt: skip
    assert [flow.node(name).state for name in "ABC"] == ["FAI", "FUT", "FUT"]
    in_order()


def test_abort_dag_on_decides_what_the_workflow_is(house: House) -> None:
    flow = Flow(house)
    flow.job.add_node("A", attributes=TRUE, abort_dag_on=3, abort_dag_on_return_value=0)
    flow.job.add_node("B", attributes=TRUE)
    flow.submit()
    flow.tell("A", NodeState.FAILED, exit_code=3, reason="exit code 3")
    flow.end(*house.world.alive()[:-1], state=TaskState.ABORTED)
    flow.end(flow.process(), state=ERROR, exit_code=0)
    assert flow.now().status == "Complete", told(flow.now())
    assert flow.node("B").state == NodeState.ABORTED


def test_nothing_is_submitted_of_a_workflow_that_is_done(house: House) -> None:
    flow = Flow(house)
    flow.job.add_node("A", attributes=TRUE, done=True)
    flow.submit()
    assert flow.now().status == "Complete"
    assert not Batch.objects.exists()


def test_its_pages_show_its_nodes_and_no_stranger_among_them(flow: Flow, client: Client) -> None:
    client.force_login(flow.house.users[0])
    flow.submit()
    flow.tell("A", NodeState.RUNNING)
    flow.house.world.move(flow.process("A"), RUNNING)
    flow.house.world.move(flow.process(), RUNNING)
    flow.house.deliver(10)
    here = f"/compute/jobs/{flow.job.pk}/"
    page = client.get(here)
    assert page.status_code == 200
    text = page.content.decode()
    assert "Running" in text
    node = client.get(f"{here}nodes/{flow.node('B').pk}/")
    assert node.status_code == 200
    assert client.get(f"{here}tasks/0/stdout/?role=D").status_code == 404
