"""Workflows as they are given to engines that run them as a whole, and what is told of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from oceanid.states import NodeState


@dataclass(frozen=True, slots=True)
class Script:
    """A program that runs before or after a node, where its workflow's files are.

    Args:
        executable: Its absolute path on this machine.
        arguments: What it gets; a word that is one of DAGMan's macros (``$RETRY``, ``$RETURN`` …)
            is replaced when it runs (HTCondor manual, "DAGMan: PRE and POST scripts").
        stdout, stderr: Absolute paths on this machine.
    """

    executable: str
    arguments: tuple[str, ...]
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class DagNode:
    """One node of a workflow that its engine runs as a whole.

    Args:
        name: What observations call it by; letters, digits and ``_`` only.
        title: What a person calls it, and what ``$JOB`` is.
        procs: The numbers of its tasks in the batch, one after the other; none for a node that
            runs nothing (``noop``).
        directory: The directory on this machine that its scripts run in.
        parents: The names of the nodes that must be done before it.
        before, after: Its PRE and POST scripts.
        skip_code: The exit code of ``before`` that says that the rest can be skipped.
        retries: How often it is tried again.
        unless_code: The exit code after which it is not tried again.
        abort_code: The exit code that ends the whole workflow.
        abort_return: What the workflow returns then; None for that exit code.
        category: Nodes of one category are limited together.
        priority: Larger goes first.
        max_retries: How often each of its processes is tried again by itself.
    """

    name: str
    title: str
    procs: range
    directory: str
    parents: tuple[str, ...] = ()
    before: Script | None = None
    after: Script | None = None
    skip_code: int | None = None
    retries: int = 0
    unless_code: int | None = None
    abort_code: int | None = None
    abort_return: int | None = None
    category: str = ""
    priority: int = 0
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class Dag:
    """A workflow that its engine runs as a whole (``Capability.DAG``).

    Args:
        nodes: What is to be run of it; nodes that are done already are left out.
        directory: The workflow's directory on this machine.
        proc: The number of the task that stands for the run of the workflow itself. It ends when
            everything of the workflow has.
        max_jobs: How many nodes of a category may run at once.
    """

    nodes: tuple[DagNode, ...]
    directory: str
    proc: int
    max_jobs: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """What an engine saw of a node of a workflow that it runs as a whole.

    Args:
        batch: The batch that the workflow is.
        node: The node's name in its :class:`Dag`.
        state: The state it is in; READY means that it failed and is tried again.
        at: When it came into this state, by the engine's clock, in UTC.
        tries: How often it had failed before.
        exit_code: What it, or its script, ended with.
        reason: Why it failed, in plain words.
    """

    batch: UUID
    node: str
    state: NodeState
    at: datetime
    tries: int = 0
    exit_code: int | None = None
    reason: str = ""
