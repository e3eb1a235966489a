"""One node of a workflow: its tasks and their output."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from oceanid.models import WorkflowNode
from oceanid.web import usage, workflow
from oceanid.web.job import found, output_of, task_page
from oceanid.web.pages import page

NEIGHBOURS_SHOWN = 50


@require_safe
@page
def node_page(request: HttpRequest, job_id: int, node_id: int) -> HttpResponse:
    """The page of a node."""
    job = found(request, job_id)
    node = get_object_or_404(WorkflowNode, workflow=job, pk=node_id)
    tasks = workflow.tasks_of(job, node_id)
    wanted = request.GET.get("task", "")
    index = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else None
    context = {
        "job": job,
        "node": node,
        "parents": node.parent_nodes.order_by("id")[:NEIGHBOURS_SHOWN],
        "usage": usage.of(node.spec, tasks, node.num_jobs),
        "children": node.children_nodes.order_by("id")[:NEIGHBOURS_SHOWN],
        **task_page(tasks, request),
        **output_of(job, tasks, index),
    }
    return render(request, "oceanid/node.html", context)
