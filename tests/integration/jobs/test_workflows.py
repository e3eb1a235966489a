"""Workflows: built in either way, checked as a graph, written in bulk."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.errors import IllegalTransition, InvalidSpecification, MissingFile, UnknownAttribute
from oceanid.jobs import (
    CondorJobDescription,
    CondorWorkflow,
    CondorWorkflowJobNode,
    CondorWorkflowJobTemplate,
    CondorWorkflowTemplate,
    Job,
    JobManager,
)
from oceanid.models import WorkflowEdge, WorkflowNode

pytestmark = pytest.mark.django_db
TRUE = {"executable": "/bin/true"}


@pytest.fixture
def workflow(jobs: JobManager, ann: User) -> CondorWorkflow:
    """A draft."""
    made: CondorWorkflow = jobs.create_job("w", ann, job_type="CONDORWORKFLOW")
    return made


def graph(workflow: Job) -> set[tuple[str, str]]:
    """The edges by name."""
    edges = WorkflowEdge.objects.filter(child__workflow_id=workflow.pk)
    return set(edges.values_list("parent__name", "child__name"))


def test_it_is_built_as_a_tethys_app_builds_it(workflow: CondorWorkflow, script: Any) -> None:
    workflow.save()
    made = {}
    for name in ("JobA", "JobB", "JobC"):
        made[name] = CondorWorkflowJobNode(
            name=name,
            workflow=workflow,
            condorpy_template_name="vanilla_transfer_files",
            remote_input_files=(str(script),),
            attributes=dict(  # noqa: C408 - as Tethys' documentation has it
                executable="run.sh", transfer_output_files=("example_output1",)
            ),
            retry=None,
            category=None,
        )
        made[name].save()
    made["JobB"].add_parent(made["JobA"])
    made["JobC"].add_parent(made["JobB"])
    made["JobC"].add_parent(made["JobB"])
    made["JobA"].add_child(made["JobC"])
    workflow.save()
    workflow.execute()
    assert graph(workflow) == {("JobA", "JobB"), ("JobB", "JobC"), ("JobA", "JobC")}
    assert [node.name for node in workflow.nodes] == ["JobA", "JobB", "JobC"]
    assert {node.name for node in made["JobC"].parents} == {"JobA", "JobB"}
    assert {node.name for node in made["JobA"].children} == {"JobB", "JobC"}
    assert {type(node) for node in made["JobC"].parents} == {CondorWorkflowJobNode}
    found = workflow.get_job("JobB")
    assert found is not None
    assert (found.status, found.retry, found.category) == ("Waiting", 0, "")
    assert found.get_attribute("UNIVERSE") == "vanilla"
    assert workflow.get_job("JobZ") is None
    assert workflow.num_jobs == 3


def test_it_is_built_in_bulk(workflow: CondorWorkflow) -> None:
    first = workflow.add_node("first", attributes=TRUE)
    second = workflow.add_node("second", parents=[first], attributes=TRUE, num_jobs=3)
    workflow.add_node("third", parents=["first", second], attributes=TRUE)
    lone = CondorWorkflowJobNode(name="lone", attributes=TRUE)
    workflow.add_node(lone)
    lone.add_parent(first)
    workflow.add_edges([("third", "lone"), ("third", "lone")])
    workflow.execute()
    assert graph(workflow) == {
        ("first", "second"), ("first", "third"), ("second", "third"), ("first", "lone"),
        ("third", "lone"),
    }  # fmt: skip
    states = dict(workflow.nodes.values_list("name", "state"))
    assert states == {"first": "RDY", "second": "WAI", "third": "WAI", "lone": "WAI"}
    assert workflow.statuses["Waiting"] == 3
    assert workflow.status == "Submitted"


def test_both_ways_can_be_mixed(workflow: CondorWorkflow) -> None:
    workflow.save()
    saved = CondorWorkflowJobNode(workflow=workflow, name="saved", attributes=TRUE)
    saved.save()
    workflow.add_node("added", parents=["saved"], attributes=TRUE)
    again = Job.objects.get(pk=workflow.pk)
    workflow.save()
    workflow.save()
    assert graph(workflow) == {("saved", "added")}
    again.add_node("later", parents=["added"], attributes=TRUE)
    again.execute()
    assert graph(workflow) == {("saved", "added"), ("added", "later")}


def test_five_thousand_nodes_are_written_by_few_statements(
    workflow: CondorWorkflow, django_assert_max_num_queries: Any
) -> None:
    top = workflow.add_node("top", attributes=TRUE)
    middle = [
        workflow.add_node(f"node {number}", parents=[top], attributes=TRUE)
        for number in range(4_998)
    ]
    workflow.add_node("bottom", parents=middle, attributes=TRUE)
    with django_assert_max_num_queries(250):
        workflow.execute()
    assert workflow.nodes.count() == 5_000
    assert workflow.nodes.get(name="bottom").waiting_on == 4_998


def test_a_circle_is_refused_by_its_names(workflow: CondorWorkflow) -> None:
    for name in ("free", "a", "b", "c", "after"):
        workflow.add_node(name, attributes=TRUE)
    workflow.add_edges([("free", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "after")])
    with pytest.raises(InvalidSpecification, match="circle") as refusal:
        workflow.execute()
    for name in ("a", "b", "c"):
        assert f"{name} →" in refusal.value.message or f"→ {name}" in refusal.value.message
    assert "free" not in refusal.value.message
    assert Job.objects.get(pk=workflow.pk).status == "Pending"
    WorkflowEdge.objects.filter(parent__name="c", child__name="a").delete()
    workflow.execute()
    assert workflow.status == "Submitted"


def test_a_node_can_not_wait_for_itself(workflow: CondorWorkflow) -> None:
    node = workflow.add_node("a", attributes=TRUE)
    with pytest.raises(InvalidSpecification, match="own parent"):
        node.add_parent(node)
    workflow.add_edges([("a", "a")])
    with pytest.raises(InvalidSpecification, match="circle"):
        workflow.execute()


def test_names_are_unique_and_edges_lead_somewhere(workflow: CondorWorkflow, jobs: Any) -> None:
    workflow.add_node("a", attributes=TRUE)
    with pytest.raises(InvalidSpecification, match="already"):
        workflow.add_node("a", attributes=TRUE)
    workflow.save()
    with pytest.raises(InvalidSpecification, match="already"):
        CondorWorkflowJobNode(workflow=workflow, name="a").save()
    again = Job.objects.get(pk=workflow.pk)
    again.add_node("a", attributes=TRUE)
    with pytest.raises(InvalidSpecification, match="already"):
        again.save()
    third = Job.objects.get(pk=workflow.pk)
    third.add_node("b", parents=["nobody"], attributes=TRUE)
    with pytest.raises(InvalidSpecification, match="nobody"):
        third.execute()
    assert workflow.nodes.count() == 1


def test_nodes_of_another_workflow_are_no_parents(
    workflow: CondorWorkflow, jobs: JobManager, ann: User
) -> None:
    other = jobs.create_job("o", ann, job_type="CONDORWORKFLOW")
    strange = other.add_node("strange", attributes=TRUE)
    mine = workflow.add_node("mine", attributes=TRUE)
    other.save()
    workflow.save()
    with pytest.raises(InvalidSpecification, match="different workflows"):
        mine.add_parent(strange)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "n" * 256},
        {"name": "n" * 10_000},
        {"name": "a", "dir": "/etc"},
        {"name": "a", "dir": "x/../../y"},
        {"name": "a", "num_jobs": 0},
        {"name": "a", "retry": -1},
        {"name": "a", "attributes": {"x": object()}},
    ],
)
def test_impossible_nodes_are_refused(workflow: CondorWorkflow, fields: dict[str, Any]) -> None:
    workflow.save()
    with pytest.raises(InvalidSpecification):
        CondorWorkflowJobNode(workflow=workflow, **fields).save()
    with pytest.raises(InvalidSpecification):
        workflow.add_node(fields.pop("name"), **fields)


def test_a_nodes_mistake_is_told_by_its_name(workflow: CondorWorkflow) -> None:
    workflow.add_node("good", attributes=TRUE)
    workflow.add_node("bad one", attributes={**TRUE, "reqest_memory": "1"})
    with pytest.raises(UnknownAttribute, match=r"bad one.*reqest_memory"):
        workflow.execute()
    node = workflow.get_job("bad one")
    assert node is not None
    node.attributes = {"executable": "/no/such"}
    node.save()
    with pytest.raises(MissingFile, match="bad one"):
        workflow.execute()
    node.attributes = TRUE
    node.save()
    workflow.execute()


def test_a_node_may_take_in_what_a_node_before_it_makes(workflow: CondorWorkflow) -> None:
    takes = TRUE | {"transfer_input_files": ["made.txt"]}
    workflow.add_node("maker", attributes=TRUE)
    workflow.add_node("taker", parents=["maker"], attributes=takes)
    workflow.execute()
    assert workflow.status == "Submitted"


def test_a_first_nodes_missing_input_is_told_by_its_name(workflow: CondorWorkflow) -> None:
    workflow.add_node("taker", attributes=TRUE | {"transfer_input_files": ["made.txt"]})
    with pytest.raises(MissingFile, match=r"“taker”.*made\.txt"):
        workflow.execute()


def test_a_missing_absolute_input_is_told_wherever_the_node_stands(
    workflow: CondorWorkflow,
) -> None:
    workflow.add_node("first", attributes=TRUE)
    workflow.add_node(
        "second", parents=["first"], attributes=TRUE | {"transfer_input_files": ["/no/such.csv"]}
    )
    with pytest.raises(MissingFile, match=r"“second”.*/no/such\.csv"):
        workflow.execute()


def test_an_empty_workflow_is_refused(workflow: CondorWorkflow) -> None:
    with pytest.raises(InvalidSpecification, match="no nodes"):
        workflow.execute()


def test_its_limits_are_its_own(workflow: CondorWorkflow, jobs: JobManager, ann: User) -> None:
    workflow.add_max_jobs_throttle("big", 2)
    workflow.config = "/etc/dag.conf"
    workflow.add_node("a", attributes=TRUE, category="big")
    workflow.execute()
    again = Job.objects.get(pk=workflow.pk)
    assert (again.max_jobs, again.config) == ({"big": 2}, "/etc/dag.conf")
    for wrong in (
        {"executable": "/bin/true"},
        {"max_jobs": {"big": -1}},
        {"max_jobs": {"big": 0}},
        {"max_jobs": {"a": "2"}},
    ):
        other = jobs.create_job("o", ann, job_type="CONDORWORKFLOW", **wrong)
        other.add_node("a", attributes=TRUE)
        with pytest.raises(InvalidSpecification):
            other.execute()


def test_nodes_stand_still_after_execute(workflow: CondorWorkflow) -> None:
    node = workflow.add_node("a", attributes=TRUE)
    other = workflow.add_node("b", attributes=TRUE)
    workflow.execute()
    node.name = "c"
    for change in (node.save, lambda: node.add_parent(other)):
        with pytest.raises(IllegalTransition):
            change()
    assert set(WorkflowNode.objects.values_list("name", flat=True)) == {"a", "b"}
    unsaved = CondorWorkflow(name="u", user=workflow.user)
    with pytest.raises(IllegalTransition, match="Save it"):
        CondorWorkflowJobNode(workflow=unsaved, name="x").save()


def test_variables_and_the_nodes_name_are_macros(workflow: CondorWorkflow) -> None:
    workflow.add_node(
        "a b",
        attributes={**TRUE, "arguments": "$(JOB) $(depth) $(Process)"},
        variables={"depth": 3},
        num_jobs=2,
    )
    workflow.add_node("a_b", attributes=TRUE)
    workflow.execute()
    one, two = workflow.nodes
    task = workflow.describe_node(one, "/w").task(1)
    assert task.arguments == ("a", "b", "3", "1")
    other = workflow.describe_node(two, "/w").task(0)
    assert task.stdout != workflow.describe_node(one, "/w").task(0).stdout != other.stdout


def test_a_templates_nodes_are_made_with_each_job(ann: User) -> None:
    program = CondorJobDescription(None, None, executable="/bin/true")
    first = CondorWorkflowJobTemplate("first", program, category="big")
    last = CondorWorkflowJobTemplate("last", program, parents=[first])
    last.add_dependency(CondorWorkflowJobTemplate("middle", program, parents=["first"]))

    class App:
        package = "floods"

        def job_templates(self) -> Any:
            return [CondorWorkflowTemplate("chain", jobs=[last], max_jobs={"big": 1})]

    for _ in range(2):
        job = JobManager(App).create_job("x", ann, template_name="chain")
        job.execute()
        assert graph(job) == {("first", "last"), ("first", "middle"), ("middle", "last")}
        assert (job.max_jobs, job.template_name) == ({"big": 1}, "chain")


def test_its_logs_are_by_node(workflow: CondorWorkflow) -> None:
    workflow.add_node("a", attributes=TRUE)
    workflow.add_node("n", attributes=TRUE, num_jobs=2, parents=["a"])
    workflow.add_node("nothing", noop=True)
    workflow.execute()
    logs = workflow.get_logs()
    assert list(logs) == ["workflow", "a", "n", "nothing"]
    assert len(logs) == 4
    assert "Pending → Submitted" in logs["workflow"]["log"]
    assert dict(logs["a"]) == {"output": "", "error": ""}
    assert list(logs["n"]) == ["0", "1"]
    assert dict(logs["nothing"]) == {}
    with pytest.raises(KeyError):
        logs["other"]
