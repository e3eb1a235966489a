"""Fixes what a workflow's nodes will run, and where a rescue goes on."""

from __future__ import annotations

from collections import Counter
from typing import Any

from oceanid.engines.registry import engine_class
from oceanid.errors import InvalidSpecification, UnsupportedCapability
from oceanid.models import Job, Scheduler, WorkflowEdge, WorkflowNode
from oceanid.services import paths, schedulers
from oceanid.services.bulk import update_many
from oceanid.services.freeze import (
    Freezer,
    Frozen,
    check_fit,
    check_inputs,
    check_name,
    check_size,
    require,
)
from oceanid.specs import Capability
from oceanid.states import NodeState

FROZEN = ("spec", "num_jobs", "state", "waiting_on")
SCRIPTS_OPTION = "allow_scripts"
"""The option of a scheduler's record that lets PRE and POST scripts run on its submit host."""

RESET = (
    "state", "waiting_on", "tries", "backlog", "tasks_made", "tasks_ended",
    "tasks_failed", "exit_code", "reason", "start_time", "completion_time", "spec", "num_jobs",
)  # fmt: skip


def is_workflow(job: Job) -> bool:
    """Whether the job consists of nodes."""
    return hasattr(job, "describe_node")


def freeze(job: Job, freezer: Freezer) -> Frozen:
    """Write down what each node will run and how many parents each waits for.

    Raises:
        InvalidSpecification: Or a subclass, naming the node.
    """
    check_name(job)
    job.prepare_nodes()  # type: ignore[attr-defined]
    nodes = _nodes(job)
    if not nodes:
        raise InvalidSpecification("The workflow has no nodes.", hint="Add some.")
    done = {node.pk for node in nodes if node.done}
    waiting, children = _waiting(job, done), _children(job)
    rows = []
    for node in nodes:
        spec, count = _described(job, node, freezer, children)
        rows.append((spec, count, _start(node.pk, done, waiting), waiting[node.pk], node.pk))
    update_many(WorkflowNode, FROZEN, rows)
    return _frozen(job, freezer, len(nodes), len(done))


def rescue(job: Job, freezer: Freezer) -> Frozen:
    """Make everything that is not done ready to run again; what is done stays done."""
    job.prepare_nodes()  # type: ignore[attr-defined] # it may have been stopped as a draft
    nodes = _nodes(job)
    done = {node.pk for node in nodes if node.state == NodeState.DONE}
    if len(done) == len(nodes):  # it succeeded: run all of it again
        done = {node.pk for node in nodes if node.done}
    waiting, children = _waiting(job, done), _children(job)
    rows: list[tuple[Any, ...]] = []
    for node in nodes:
        if node.pk in done:
            continue
        spec, count = _described(job, node, freezer, children)
        state = _start(node.pk, done, waiting)
        rows.append(
            (state, waiting[node.pk], 0, 0, 0, 0, 0, None, "", None, None,
             spec, count, node.pk)
        )  # fmt: skip
    update_many(WorkflowNode, RESET, rows)
    return _frozen(job, freezer, len(nodes), len(done))


def _nodes(job: Job) -> list[WorkflowNode]:
    return list(WorkflowNode.objects.filter(workflow_id=job.pk).order_by("id"))


def _frozen(job: Job, freezer: Freezer, total: int, done: int) -> Frozen:
    check_inputs(job.remote_input_files)
    scheduler = freezer.scheduler(job)
    spec: dict[str, Any] = {"workflow": True}
    if Capability.DAG in engine_class(scheduler.engine).capabilities:
        spec["dag"] = True
    return Frozen(spec, scheduler, total, needs_preparation=True, done=done)


def _check_scripts(node: WorkflowNode, scheduler: Scheduler) -> None:
    """Refuse scripts that would run on a submit host whose record does not allow it."""
    if not (node.pre_script or node.post_script):
        return
    if Capability.DAG not in engine_class(scheduler.engine).capabilities:
        return
    if not schedulers.options_of(scheduler).config.get(SCRIPTS_OPTION):
        raise UnsupportedCapability(
            "PRE and POST scripts are not allowed on the scheduler “{name}”, where they "
            "would run on the submit host itself.",
            hint="Leave them out, or ask an administrator to allow them in the scheduler's record.",
            code="scripts-not-allowed",
            name=scheduler.name,
        )


def _waiting(job: Job, done: set[int]) -> Counter[int]:
    edges = WorkflowEdge.objects.filter(child__workflow_id=job.pk)
    waiting: Counter[int] = Counter()
    for parent, child in edges.values_list("parent_id", "child_id"):
        if parent not in done:
            waiting[child] += 1
    return waiting


def _start(pk: int, done: set[int], waiting: Counter[int]) -> str:
    if pk in done:
        return NodeState.DONE.value
    return (NodeState.WAITING if waiting[pk] else NodeState.READY).value


def _children(job: Job) -> set[int]:
    edges = WorkflowEdge.objects.filter(child__workflow_id=job.pk)
    return set(edges.values_list("child_id", flat=True))


def _described(
    job: Job, node: WorkflowNode, freezer: Freezer, children: set[int]
) -> tuple[dict[str, Any], int]:
    if node.noop:
        _check_scripts(node, freezer.scheduler(job))
        return {}, 1
    directory = paths.job_dir(job) / node.dir if node.dir else paths.job_dir(job)
    try:
        description = job.describe_node(node, str(directory))  # type: ignore[attr-defined]
        check_size(description.count)
        scheduler = freezer.scheduler(job)
        _check_scripts(node, scheduler)
        require(scheduler, description.required_capabilities())
        check_fit(scheduler, description.resources)
        check_inputs(node.remote_input_files)
        # What is missing in the workflow's directory may be made by a node before this one, or
        # by its own PRE script.
        may_be_made = bool(node.pre_script) or node.pk in children
        description.check_files(local=scheduler.engine == "local", may_be_made=may_be_made)
    except InvalidSpecification as problem:
        raise type(problem)(
            f"Node “{node.name}”: {problem.message}", hint=problem.hint, code=problem.slug
        ) from problem
    return description.to_json(), description.count
