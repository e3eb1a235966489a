"""Sharing from a job's page: one more has a right to it, or one less."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from oceanid.errors import LimitExceeded, NotFound, OceanidError
from oceanid.models import Job
from oceanid.services import policy, sharing
from oceanid.web.callback import Meter
from oceanid.web.job import found
from oceanid.web.pages import page

KINDS = ("share", "group")
unknown_names = Meter(at_once=20, a_second=0.05)
"""Who tries names out learns little: after some that nobody has, one must wait."""


@require_POST
@csrf_protect
@page
def share(request: HttpRequest, job_id: int) -> HttpResponse:
    """Give the named person or group a right to a job, and go back to it."""
    job = found(request, job_id)
    name = request.POST.get("name", "").strip()
    is_group = request.POST.get("what") == "group"
    try:
        _share(request, job, name, is_group=is_group)
    except (NotFound, OceanidError) as problem:
        if not policy.may_share(request.user, job):
            raise
        messages.error(request, f"{problem.message} {problem.hint}".strip(), fail_silently=True)
    else:
        told = _("The job is shared with %(name)s.") % {"name": name}
        messages.success(request, told, fail_silently=True)
    return redirect("oceanid:job", job_id=job.pk)


@require_POST
@csrf_protect
@page
def unshare(request: HttpRequest, job_id: int, kind: str, number: int) -> HttpResponse:
    """Take a right to a job away, and go back to it."""
    job = found(request, job_id)
    if kind not in KINDS or number >= 2**63:
        raise Http404
    which = {"share_id": number} if kind == "share" else {"group_id": number}
    sharing.unshare(job, actor=request.user, **which)
    messages.success(request, _("It is not shared with them any more."), fail_silently=True)
    return redirect("oceanid:job", job_id=job.pk)


def _share(request: HttpRequest, job: Job, name: str, *, is_group: bool) -> None:
    key = str(request.user.pk)
    if not unknown_names.has_room(key):
        raise LimitExceeded(_("Too many names that nobody has."), hint=_("Try again in a while."))
    try:
        sharing.share(
            job,
            name=name,
            is_group=is_group,
            right=request.POST.get("right", ""),
            actor=request.user,
        )
    except NotFound:
        unknown_names.allows(key)
        raise
