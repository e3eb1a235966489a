"""One workflow: its graph, the same as a table, and its nodes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

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


def of(job: Job, request: HttpRequest) -> dict[str, Any]:
    """What a workflow's page shows of its nodes: four queries."""
    nodes = WorkflowNode.objects.filter(workflow=job)
    columns = ("id", "name", "state", "category", "num_jobs", "tasks_ended")
    rows = list(nodes.order_by("id").values_list(*columns)[:MOST_DRAWN])
    edges = WorkflowEdge.objects.filter(parent__workflow=job).values_list("parent_id", "child_id")
    vertices = [
        graph.Vertex(
            id=pk,
            name=name,
            state=state,
            detail=f"{ended} / {number}" if number > 1 else "",
            group=category,
        )
        for pk, name, state, category, number, ended in rows
    ]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[2]] = counts.get(row[2], 0) + 1
    state = request.GET.get("nstate", "")
    table = nodes.filter(state=state) if state in set(NodeState) else nodes
    place = Place(
        after=request.GET.get("nafter", ""),
        before=request.GET.get("nbefore", ""),
        last=request.GET.get("nat") == "last",
    )
    return {
        "drawing": graph.drawn(vertices, edges) if vertices else None,
        "is_cut": len(rows) == MOST_DRAWN,
        "node_counts": [(each, counts[each.value]) for each in NodeState if each.value in counts],
        "nodes": keyset.page(
            table.defer("spec", "attributes", "variables", "remote_input_files"),
            order=Order("id"),
            place=place,
            size=NODES_SHOWN,
        ),
        "nstate": state,
        "node_address": reverse("oceanid:node", args=[job.pk, 0])[: -len("0/")],
    }
