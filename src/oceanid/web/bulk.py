"""Actions on several jobs at once: what would happen, how far it is, what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from oceanid.errors import OceanidError
from oceanid.models import BulkAction
from oceanid.services import bulk_actions, bulk_report
from oceanid.services.asked import Asked
from oceanid.services.foresight import TITLES
from oceanid.web.actions import Action
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

RECENT = 20
BUTTONS: Sequence[Action] = (
    Action("stop", _("Stop"), ""),
    Action("pause", _("Pause"), ""),
    Action("resume", _("Resume"), ""),
    Action("resubmit", _("Resubmit"), ""),
    Action("delete", _("Delete"), "", "danger"),
)


@require_POST
@csrf_protect
@page
def new(request: HttpRequest) -> HttpResponse:
    """Write down what is wanted of the ticked jobs, or of all that match; then show it."""
    asked = Asked.read(request.GET.dict())
    verb = request.POST.get("verb", "")
    try:
        if request.POST.get("whole") == "1":
            action = bulk_actions.on_all(request.user, verb, asked)
        else:
            action = bulk_actions.on_these(request.user, verb, picked(request, "ids"))
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
        return redirect(reverse("oceanid:jobs") + asked.address())
    return redirect("oceanid:bulk", uuid=action.uuid)


@require_safe
@page
def recent(request: HttpRequest) -> HttpResponse:
    """A person's latest actions on several jobs."""
    own = BulkAction.objects.filter(actor=request.user.pk).order_by("-id")[:RECENT]
    shown = [
        {"action": each, "title": TITLES[each.verb], "total": bulk_report.total_of(each)}
        for each in own
    ]
    return render(request, "oceanid/bulk_recent.html", {"actions": shown})


@require_safe
@page
def bulk(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What would happen to each job; once it is confirmed, what does happen."""
    action = bulk_actions.found(request.user, uuid)
    context = bulk_report.report(action, request.user, request.GET.dict())
    context["here"] = request.get_full_path()
    part = is_fragment(request)
    return render(request, f"oceanid/{'parts/' if part else ''}bulk.html", context)


@require_POST
@csrf_protect
@page
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Confirm it, or cancel it."""
    do = {"confirm": bulk_actions.confirm, "cancel": bulk_actions.cancel}.get(verb)
    if do is None:
        raise Http404
    try:
        do(bulk_actions.found(request.user, uuid))
    except OceanidError as problem:
        messages.error(request, str(problem), fail_silently=True)
    return redirect("oceanid:bulk", uuid=uuid)


def picked(request: HttpRequest, name: str) -> list[int]:
    """The numbers of the ticked jobs."""
    given = request.POST.getlist(name)[: bulk_actions.MOST_IDS + 1]
    return [int(each) for each in given if each.isdecimal() and len(each) < 19]
