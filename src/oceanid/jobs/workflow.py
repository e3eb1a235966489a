"""Building a workflow: nodes and edges are collected and written in bulk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Count, QuerySet

from oceanid.errors import InvalidSpecification
from oceanid.jobs import describe
from oceanid.jobs.graph import find_cycle
from oceanid.jobs.nodes import CondorWorkflowJobNode, lock_draft
from oceanid.models import WorkflowEdge, WorkflowNode
from oceanid.states import NodeState, Wanted

if TYPE_CHECKING:
    from oceanid.jobs.actions import JobActions
    from oceanid.submit import SubmitDescription

    _Base = JobActions
else:
    _Base = models.Model

ROWS_AT_ONCE = 500
SHOWN = 12
Edge = tuple[WorkflowNode | str, WorkflowNode | str]


class WorkflowActions(_Base):
    """What a workflow can do beyond what every job can.

    Nodes come by :meth:`add_node`, cheap for thousands, or one by one as
    ``CondorWorkflowJobNode(workflow=…, …).save()``; both ways can be mixed.
    """

    EXTRA: ClassVar[frozenset[str]] = frozenset({"max_jobs", "config"})

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._new_nodes: list[CondorWorkflowJobNode] = []
        self._new_edges: list[Edge] = []
        self._names: set[str] = set()
        if not args:
            for name in ("max_jobs", "config"):
                value = kwargs.pop(name, None)
                if value:
                    kwargs["attributes"] = {**(kwargs.get("attributes") or {}), name: value}
        super().__init__(*args, **kwargs)

    @property
    def max_jobs(self) -> dict[str, int]:
        """How many nodes of each category may run at once."""
        return dict(self.attributes.get("max_jobs") or {})

    @max_jobs.setter
    def max_jobs(self, limits: dict[str, int]) -> None:
        self.attributes = {**self.attributes, "max_jobs": dict(limits)}

    @property
    def config(self) -> str:
        """The path of a DAGMan configuration file; engines without DAGMan ignore it."""
        return str(self.attributes.get("config") or "")

    @config.setter
    def config(self, path: str) -> None:
        self.attributes = {**self.attributes, "config": str(path)}

    def add_max_jobs_throttle(self, category: str, max_jobs: int) -> None:
        """Let at most ``max_jobs`` nodes of a category run at once."""
        self.max_jobs = {**self.max_jobs, category: max_jobs}

    @property
    def nodes(self) -> QuerySet[CondorWorkflowJobNode]:
        """The nodes that were saved, in the order in which they were made."""
        return CondorWorkflowJobNode.objects.filter(workflow_id=self.pk).order_by("id")

    def get_job(self, job_name: str) -> CondorWorkflowJobNode | None:
        """The saved node of this name, or None."""
        return self.nodes.filter(name=job_name).first()

    @property
    def statuses(self) -> dict[str, int]:
        """How many of its nodes are in which state, by DAGMan's words."""
        found = WorkflowNode.objects.filter(workflow_id=self.pk).order_by()
        counts = dict(found.values_list("state").annotate(Count("id")))
        return {state.word: counts.get(state.value, 0) for state in NodeState}

    def add_node(
        self, name: str | CondorWorkflowJobNode, *, parents: Iterable[WorkflowNode | str] = (),
        **fields: Any,
    ) -> CondorWorkflowJobNode:  # fmt: skip
        """Add a node; it is written with the others when the workflow is saved or executed.

        Args:
            name: Its name, unique in the workflow; or an unsaved node.
            parents: Nodes, or their names, that must be done before it.
            fields: As :class:`CondorWorkflowJobNode` takes them.

        Raises:
            InvalidSpecification: The name is taken or can't be used.
        """
        if isinstance(name, CondorWorkflowJobNode):
            node = name
            node.workflow = self
        else:
            node = CondorWorkflowJobNode(workflow=self, name=name, **fields)
        node.validate()
        if node.name in self._names:
            raise InvalidSpecification(
                "The workflow has a node “{name}” already.",
                hint="Name it otherwise.",
                name=node.name[:60],
            )
        self._names.add(node.name)
        self._new_nodes.append(node)
        self.add_edges((parent, node) for parent in parents)
        return node

    def add_edges(self, edges: Iterable[Edge]) -> None:
        """Let each child start only when its parent is done.

        Args:
            edges: (parent, child) pairs of nodes or of their names.
        """
        self._new_edges.extend(edges)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As every job's; the nodes and edges that were added are written too.

        Raises:
            InvalidSpecification: A node's name is there twice, or an edge leads nowhere.
            IllegalTransition: It was executed already.
        """
        if args or any(kwargs.values()) or not (self._new_nodes or self._new_edges):
            super().save(*args, **kwargs)
            return
        self._check_added()
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._write_added()

    def prepare_nodes(self) -> None:
        """Write what was added and refuse a graph that can't be run; called by ``execute()``.

        Raises:
            InvalidSpecification: The nodes wait for each other in a circle; names them.
        """
        if self._new_nodes or self._new_edges:
            self._check_added()
            self._write_added()
        self._check_limits()
        names = dict(WorkflowNode.objects.filter(workflow_id=self.pk).values_list("id", "name"))
        edges = WorkflowEdge.objects.filter(child__workflow_id=self.pk)
        cycle = find_cycle(names, list(edges.values_list("parent_id", "child_id")))
        if cycle:
            told = [names[pk][:60] for pk in cycle[:SHOWN]]
            more = ["…"] if len(cycle) > SHOWN else []
            raise InvalidSpecification(
                "The workflow's nodes wait for each other in a circle: {nodes}.",
                hint="Take one of these edges out.",
                nodes=" → ".join([*told, *more, names[cycle[0]][:60]]),
            )

    def describe_node(self, node: WorkflowNode, directory: str) -> SubmitDescription:
        """What a node runs.

        Args:
            node: The node.
            directory: The directory that its files are relative to, absolute.
        """
        return describe.of_node(self, node, directory)

    def _make_ready(self) -> None:
        """Save the draft in a transaction of its own, so that a refused ``execute()`` leaves
        one that can be corrected."""
        super()._make_ready()
        if self.wanted == Wanted.DRAFT.value:
            self.save()

    def _check_added(self) -> None:
        saved: set[str] = set()
        if not self._state.adding:
            saved = set(self.nodes.values_list("name", flat=True))
        taken = sorted(node.name for node in self._new_nodes if node.name in saved)
        if taken:
            raise InvalidSpecification(
                "The workflow has a node “{taken}” already.",
                hint="Name it otherwise.",
                taken=taken[0][:60],
            )
        known = saved | self._names
        added = {id(node) for node in self._new_nodes}
        for end in (end for edge in self._new_edges for end in edge):
            name = end if isinstance(end, str) else end.name
            strange = not isinstance(end, str) and end._state.adding and id(end) not in added
            if strange or name not in known:
                raise InvalidSpecification(
                    "An edge names “{name}”, which is no node of this workflow.",
                    hint="Add the node first.",
                    name=name[:60],
                )

    def _write_added(self) -> None:
        lock_draft(self)
        nodes, edges = self._new_nodes, self._new_edges
        for node in nodes:
            node.validate()
            node.workflow = self
        CondorWorkflowJobNode.objects.bulk_create(nodes, batch_size=ROWS_AT_ONCE)
        by_name = dict(WorkflowNode.objects.filter(workflow_id=self.pk).values_list("name", "id"))
        pairs = {
            (by_name[_name_of(parent)], by_name[_name_of(child)]): None for parent, child in edges
        }
        rows = [WorkflowEdge(parent_id=parent, child_id=child) for parent, child in pairs]
        WorkflowEdge.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE, ignore_conflicts=True)
        self._new_nodes, self._new_edges = [], []

    def _check_limits(self) -> None:
        unknown = sorted(set(self.attributes) - {"max_jobs", "config"})
        if unknown:
            raise InvalidSpecification(
                "A workflow has no attribute “{unknown}”.",
                hint="Submit commands belong to its nodes; it has max_jobs and config itself.",
                unknown=unknown[0][:60],
            )
        for category, limit in self.max_jobs.items():
            if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
                raise InvalidSpecification(
                    "max_jobs of “{category}” must be a whole number, not {limit!r:.40}.",
                    hint="At least 1, or its nodes would never run; leave it out for no limit.",
                    category=category[:60],
                    limit=limit,
                )


def _name_of(end: WorkflowNode | str) -> str:
    return end if isinstance(end, str) else end.name
