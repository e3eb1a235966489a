"""One workflow: its graph, the same as a table, and its nodes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from oceanid.models import Job, Task, WorkflowEdge, WorkflowNode
from oceanid.services import keyset
from oceanid.services.keyset import Order, Place
from oceanid.states import NodeState
from oceanid.web import graph

NODES_SHOWN = 25
MOST_DRAWN = 20_000


def is_workflow(job: Job) -> bool:
    """Whether a job is made of nodes."""
    return job.type == "CONDORWORKFLOW" or hasattr(job, "describe_node")


def tasks_of(job: Job, node_id: int) -> QuerySet[Task]:
    """The tasks of one node of a job."""
    return Task.objects.filter(job=job, node_id=node_id).select_related("node")


def calm_s(job: Job) -> int:
    """How many seconds a page of it waits at least before it is drawn anew: laying out 5,000 nodes
    takes a fifth of a second."""
    return 1 if job.num_jobs <= graph.MOST_NODES else 5 if job.num_jobs <= 5000 else 20


def of(job: Job, request: HttpRequest) -> dict[str, Any]:
    """What a workflow's page shows of its nodes: four queries."""
    now = timezone.now()
    nodes = WorkflowNode.objects.filter(workflow=job)
    columns = (
        "id", "name", "state", "category", "num_jobs", "tasks_ended",
        "start_time", "completion_time",
    )  # fmt: skip
    rows = list(nodes.order_by("id").values_list(*columns)[:MOST_DRAWN])
    edges = WorkflowEdge.objects.filter(parent__workflow=job).values_list("parent_id", "child_id")
    vertices = [
        graph.Vertex(
            id=pk,
            name=name,
            state=state,
            detail=f"{ended} / {number}" if number > 1 else "",
            group=category,
            seconds=((end or now) - start).total_seconds() if start else None,
        )
        for pk, name, state, category, number, ended, start, end in rows
    ]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[2]] = counts.get(row[2], 0) + 1
    state = request.GET.get("nstate", "")
    state = state if state in set(NodeState) else ""
    category = request.GET.get("ncat", "").replace("\0", "")[:255]
    table = nodes.filter(state=state) if state else nodes
    table = table.filter(category=category) if category else table
    place = Place(
        after=request.GET.get("nafter", ""),
        before=request.GET.get("nbefore", ""),
        last=request.GET.get("nat") == "last",
    )
    drawing = graph.drawn(vertices, edges) if vertices else None
    critical = drawing.critical if drawing else None
    return {
        "drawing": drawing,
        "critical_ids": {each.id for each in critical.nodes} if critical else set(),
        "is_cut": len(rows) == MOST_DRAWN,
        "node_counts": [(each, counts[each.value]) for each in NodeState if each.value in counts],
        "nodes": keyset.page(
            table.defer("spec", "attributes", "variables", "remote_input_files"),
            order=Order("id"),
            place=place,
            size=NODES_SHOWN,
        ),
        "nstate": state,
        "ncat": category,
        "node_address": reverse("oceanid:node", args=[job.pk, 0])[: -len("0/")],
    }
