"""Builds what an engine is given for each task from what was frozen at ``execute()``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from oceanid.dags import Dag, DagNode, Script
from oceanid.models import Job, TaskRole, WorkflowEdge, WorkflowNode
from oceanid.services import callbacks, paths
from oceanid.specs import Resources, TaskSpec
from oceanid.states import NodeState
from oceanid.submit import SubmitDescription

SCRIPT_RESOURCES = Resources(cpus=1)


@dataclass(frozen=True, slots=True)
class Wanting:
    """One thing that wants to be run: a process of a job, of a node, or a node's script.

    Args:
        job: Its job.
        node: Its node, if the job is a workflow.
        role: What it is to them.
        attempt: The job's attempt, or the node's try within it.
        index: Its number among its siblings.
    """

    job: Job
    node: WorkflowNode | None
    role: TaskRole
    attempt: int
    index: int

    @property
    def key(self) -> str:
        """Unique for ever; what the engine and the task itself know it by."""
        if self.role is TaskRole.DAG:
            return f"{self.job.uuid}.{self.attempt}.dag"
        if self.node is None:
            return f"{self.job.uuid}.{self.attempt}.{self.index}"
        return f"{self.job.uuid}.{self.attempt}.{self.node.pk}{self.role}{self.index}"


def resources(job: Job, node: WorkflowNode | None) -> Resources:
    """What each task of this job, or of this node in its present state, asks of a machine."""
    if node is not None and node.state in ("PRE", "PST"):
        return SCRIPT_RESOURCES
    description = _description(job, node)
    return description.resources


def task_spec(wanting: Wanting) -> TaskSpec:
    """What to run, with every macro replaced."""
    if wanting.role is TaskRole.DAG:
        return TaskSpec(
            executable="condor_dagman",
            initialdir=str(paths.job_dir(wanting.job)),
            transfer_executable=False,
        )
    if wanting.role is not TaskRole.JOB:
        assert wanting.node is not None
        return _script(wanting.job, wanting.node, wanting.role)
    description = _description(wanting.job, wanting.node)
    return description.task(
        wanting.index,
        attempt=wanting.attempt,
        job_id=wanting.job.pk,
        extra_environment=callbacks.environment(wanting.job),
    )


def _description(job: Job, node: WorkflowNode | None) -> SubmitDescription:
    if node is None:
        return _parsed(job.uuid, 0, job.attempt, _Frozen(job.spec))
    return _parsed(job.uuid, node.pk, job.attempt, _Frozen(node.spec))


class _Frozen:
    """A specification as an argument that does not count when the cache compares."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2048)
def _parsed(job: UUID, node_id: int, attempt: int, frozen: _Frozen) -> SubmitDescription:
    return SubmitDescription.from_json(frozen.spec)


def _script(job: Job, node: WorkflowNode, role: TaskRole) -> TaskSpec:
    """A PRE or POST script: runs in the workflow's directory itself, as DAGMan does it (HTCondor
    manual, "DAGMan: pre and post scripts")."""
    directory = paths.job_dir(job) / node.dir if node.dir else paths.job_dir(job)
    before = role is TaskRole.PRE
    executable = node.pre_script if before else node.post_script
    written = node.pre_script_args if before else node.post_script_args
    values = {
        "$JOB": node.name,
        "$RETRY": str(node.tries),
        "$MAX_RETRIES": str(node.retry),
        "$DAG_STATUS": "0",
        "$FAILED_COUNT": str(job.tasks_error),
        "$JOBID": f"{job.pk}.0",
        "$RETURN": str(node.exit_code if node.exit_code is not None else 0),
    }
    word = "pre" if before else "post"
    name = _file_name(node)
    return TaskSpec(
        executable=str(directory / executable),
        arguments=tuple(values.get(each, each) for each in shlex.split(written)),
        environment=(),
        initialdir=str(directory),
        transfer_executable=False,
        transfer_files=False,
        stdout=str(directory / "logs" / f"{name}.{word}.stdout"),
        stderr=str(directory / "logs" / f"{name}.{word}.stderr"),
        resources=SCRIPT_RESOURCES,
    )


def dag(wanting: Sequence[Wanting]) -> Dag:
    """The workflow that these, numbered from 0, are the tasks of; its own run is the last."""
    job = wanting[-1].job
    procs: dict[int, range] = {}
    for proc, each in enumerate(wanting[:-1]):
        assert each.node is not None
        first = procs.get(each.node.pk, range(proc, proc)).start
        procs[each.node.pk] = range(first, proc + 1)
    done = [NodeState.DONE.value]
    nodes = list(
        WorkflowNode.objects.filter(workflow_id=job.pk).exclude(state__in=done).order_by("id")
    )
    left = {node.pk for node in nodes}
    parents: dict[int, list[str]] = {}
    edges = WorkflowEdge.objects.filter(child__workflow_id=job.pk).order_by("id")
    for parent, child in edges.values_list("parent_id", "child_id"):
        if parent in left and child in left:
            parents.setdefault(child, []).append(str(parent))
    limits: dict[str, int] = job.attributes.get("max_jobs") or {}
    return Dag(
        nodes=tuple(
            _dag_node(job, node, procs.get(node.pk, range(0)), tuple(parents.get(node.pk, ())))
            for node in nodes
        ),
        directory=str(paths.job_dir(job)),
        proc=len(wanting) - 1,
        max_jobs=tuple(limits.items()),
    )


def _dag_node(job: Job, node: WorkflowNode, procs: range, parents: tuple[str, ...]) -> DagNode:
    return DagNode(
        name=str(node.pk),
        title=node.name,
        procs=procs,
        directory=str(directory_of(job, node)),
        parents=parents,
        before=_dag_script(job, node, TaskRole.PRE) if node.pre_script else None,
        after=_dag_script(job, node, TaskRole.POST) if node.post_script else None,
        skip_code=node.pre_skip,
        retries=node.retry,
        unless_code=node.retry_unless_exit_value,
        abort_code=node.abort_dag_on,
        abort_return=node.abort_dag_on_return_value,
        category=node.category,
        priority=node.priority,
        max_retries=max_retries(job, node) if procs else 0,
    )


def _dag_script(job: Job, node: WorkflowNode, role: TaskRole) -> Script:
    spec = _script(job, node, role)
    written = node.pre_script_args if role is TaskRole.PRE else node.post_script_args
    return Script(spec.executable, tuple(shlex.split(written)), spec.stdout, spec.stderr)


def _file_name(node: WorkflowNode) -> str:
    """The node's name as a file's; one that is too long for that is told apart by its number."""
    plain = node.name.replace("/", "_")
    return plain if len(plain.encode()) <= 200 else f"{plain[:40]}.{node.pk}"


def directory_of(job: Job, node: WorkflowNode | None) -> Path:
    """The directory that a job's or a node's tasks are relative to."""
    base = paths.job_dir(job)
    return base / node.dir if node is not None and node.dir else base


def max_retries(job: Job, node: WorkflowNode | None) -> int:
    """How often a failed process is tried again."""
    return _description(job, node).max_retries
