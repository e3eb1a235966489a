"""What a person may ask of a job from a page; each is a POST that calls a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from oceanid.errors import OceanidError
from oceanid.models import Job
from oceanid.services import jobs as services
from oceanid.services import policy
from oceanid.states import JOB_ACTIVE, JobState, Wanted
from oceanid.web.pages import page


@dataclass(frozen=True, slots=True)
class Action:
    """A button of a job.

    Args:
        verb: What stands in the address.
        label: What stands on the button.
        said: What is told once it was asked for.
        kind: How the button looks: ``primary``, ``danger`` or "".
    """

    verb: str
    label: Any
    said: Any
    kind: str = ""


ACTIONS = {
    each.verb: each
    for each in (
        Action("execute", _("Run"), _("The job will run."), "primary"),
        Action("resume", _("Resume"), _("The job will go on."), "primary"),
        Action("pause", _("Pause"), _("The job will pause.")),
        Action("stop", _("Stop"), _("The job will be stopped.")),
        Action("retry_results", _("Try results again"), _("Its results will be tried again.")),
        Action("resubmit", _("Resubmit"), _("The job will run again."), "primary"),
        Action("delete", _("Delete"), _("The job will be deleted."), "danger"),
    )
}


def offered(job: Job) -> list[Action]:
    """The actions that make sense for a job as it is, deletion left out."""
    state, wanted = job.job_state, job.wanted
    if wanted == Wanted.DELETE:
        return []
    verbs = []
    if wanted == Wanted.DRAFT and state is JobState.PENDING and job.type != "BASIC":
        verbs = ["execute"]
    elif state in JOB_ACTIVE or state is JobState.OTHER:
        if state is JobState.RESULTS_READY:
            verbs = ["retry_results"]
        elif state in (JobState.PAUSED, JobState.HELD) or wanted == Wanted.PAUSE:
            verbs = ["resume", "stop"]
        else:
            verbs = ["pause", "stop"]
        if wanted == Wanted.STOP or (job.type == "BASIC" and not job.spec):
            verbs = [verb for verb in verbs if verb == "stop" and wanted != Wanted.STOP]
    elif job.spec or job.type == "CONDORWORKFLOW":
        verbs = ["resubmit"]
    return [ACTIONS[verb] for verb in verbs]


def may_clone(user: policy.Person, job: Job) -> bool:
    """Whether a job's page offers to clone it; the form itself says what of it may be changed."""
    if job.type == "BASIC":
        return False
    if job.user_id == user.pk or policy.may_submit_any(user):
        return True
    return bool(job.app and job.template_name)


@require_POST
@csrf_protect
@page
def act(request: HttpRequest, job_id: int, verb: str) -> HttpResponse:
    """Ask for something, tell what came of it, and go back to the job."""
    action = ACTIONS.get(verb)
    if action is None:
        raise Http404
    job = get_object_or_404(policy.visible_jobs(request.user), pk=job_id)
    policy.require(request.user, "act", job)
    wish: Callable[..., None] = getattr(services, verb)
    try:
        wish(job, actor=request.user)
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
    else:
        messages.success(request, action.said, fail_silently=True)
    if verb == "delete":
        return redirect("oceanid:jobs")
    return redirect("oceanid:job", job_id=job.pk)
