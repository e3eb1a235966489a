"""One node of a workflow: its tasks and their output."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from oceanid.models import WorkflowNode
from oceanid.services import hearing
from oceanid.web import usage, workflow
from oceanid.web.job import found, gone, output_of, task_page
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

NEIGHBOURS_SHOWN = 50


@require_safe
@page
def node_page(request: HttpRequest, job_id: int, node_id: int) -> HttpResponse:
    """The page of a node; or, for htmx, those of its parts that change while it runs."""
    is_part = is_fragment(request)
    try:
        job = found(request, job_id)
        node = get_object_or_404(WorkflowNode, workflow=job, pk=node_id)
    except Http404:
        if is_part:
            return gone(request)
        raise
    tasks = workflow.tasks_of(job, node_id)
    if is_part and request.GET.get("part") == "output":
        context = {"job": job, "node": node, **output_of(request, job, tasks)}
        return render(request, "oceanid/parts/output.html", context)
    context = {
        "job": job,
        "node": node,
        "parents": node.parent_nodes.order_by("id")[:NEIGHBOURS_SHOWN],
        "usage": usage.of(node.spec, tasks, node.num_jobs),
        "children": node.children_nodes.order_by("id")[:NEIGHBOURS_SHOWN],
        "here": request.get_full_path(),
        **task_page(tasks, request),
    }
    if is_part:
        return render(request, "oceanid/parts/node_live.html", context)
    context |= output_of(request, job, tasks)
    context["last_event"] = hearing.newest()
    return render(request, "oceanid/node.html", context)
