"""The app's pages: choose and start a calibration, watch it run, look at what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from hymod import calibrations, plots
from hymod.calibration.hymod_model import RANGES
from hymod.forms import CalibrationForm
from oceanid.errors import OceanidError
from oceanid.jobs import CondorWorkflow, CondorWorkflowJobNode
from oceanid.states import NodeState

ABOUT = {
    "cmax": "the most water that the soil holds, mm",
    "bexp": "how unequal the soil is",
    "alpha": "the part of the runoff that is quick",
    "ks": "outflow of the slow reservoir, per day",
    "kq": "outflow of each quick reservoir, per day",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the workflow, and how many of its processes have ended."""

    node: CondorWorkflowJobNode
    ended: int


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """The form, and the table of the person's calibrations that `apps.py` describes."""
    form = CalibrationForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            job = calibrations.start(request.user, **form.cleaned_data)
        except OceanidError as problem:
            form.add_error(None, str(problem))
        else:
            return redirect("hymod:calibration", job.pk)
    return render(request, "hymod/index.html", {"form": form})


@login_required
@require_safe
def calibration(request: HttpRequest, job_id: int) -> HttpResponse:
    """One calibration; a live page asks for its changing part alone (the HX-Request header)."""
    job = find(request, job_id)
    steps = [Step(node, _ended(node)) for node in job.nodes]
    context: dict[str, Any] = {"job": job, "steps": steps, "is_over": job.job_state.is_final}
    pictures = job.extended_properties.get("plots")
    if job.result and pictures:
        ranking = pictures["ranking"]
        context |= {
            "hydrograph": plots.hydrograph(pictures["simulation"]),
            "dotties": [
                plots.dotty(name, about=ABOUT[name], ends=ends, ranking=ranking)
                for name, ends in RANGES.items()
            ],
            "best": [{name: values[i] for name, values in ranking.items()} for i in range(10)],
        }
    is_part = request.headers.get("HX-Request") == "true"
    template = "hymod/parts/calibration.html" if is_part else "hymod/calibration.html"
    return render(request, template, context)


@login_required
@require_POST
def stop(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask for a calibration to end."""
    find(request, job_id).stop(actor=request.user)
    return redirect("hymod:calibration", job_id)


def find(request: HttpRequest, job_id: int) -> CondorWorkflow:
    """The calibration, if this person may see it."""
    job = calibrations.jobs.get_job(job_id, user=request.user)
    if job is None:
        raise Http404
    return job  # type: ignore[no-any-return]


def _ended(node: CondorWorkflowJobNode) -> int:
    return node.num_jobs if node.state == NodeState.DONE else node.tasks_ended
