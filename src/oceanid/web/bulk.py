"""Actions on several jobs at once: what would happen, how far it is, what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from oceanid.errors import OceanidError
from oceanid.models import BulkAction, BulkResult, BulkState, BulkVerb
from oceanid.services import bulk_actions, keyset
from oceanid.services.asked import Asked
from oceanid.services.foresight import TITLES, Foresight, Outcome, Seen, told
from oceanid.services.keyset import Order, Place
from oceanid.web.actions import Action
from oceanid.web.pages import is_fragment, page

SHOWN = 50
RECENT = 20
BUTTONS: Sequence[Action] = (
    Action("stop", _("Stop"), ""),
    Action("pause", _("Pause"), ""),
    Action("resume", _("Resume"), ""),
    Action("resubmit", _("Resubmit"), ""),
    Action("delete", _("Delete"), "", "danger"),
)
TONES = {
    Outcome.DONE: "done",
    Outcome.REFUSED: "bad",
    Outcome.NOT_YOURS: "held",
    Outcome.GONE: "stop",
}


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
    shown = [{"action": each, "title": TITLES[each.verb], "total": total_of(each)} for each in own]
    return render(request, "oceanid/bulk_recent.html", {"actions": shown})


@require_safe
@page
def bulk(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What would happen to each job; once it is confirmed, what does happen."""
    action = bulk_actions.found(request.user, uuid)
    context = described(request, action)
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


def described(request: HttpRequest, action: BulkAction) -> dict[str, Any]:
    """Everything that a page about an action shows; six queries at most."""
    state = BulkState(action.state)
    is_begun = action.confirmed_at is not None
    sums = action.outcomes if is_begun else action.foreseen
    groups = [
        {
            "outcome": each.value,
            "count": sums[each.value],
            "words": told(action.verb, each, sums[each.value], is_over=is_begun),
            "tone": TONES.get(each, "quiet"),
        }
        for each in Outcome
        if sums.get(each.value)
    ]
    context = {
        "action": action,
        "verb": BulkVerb(action.verb).label,
        "title": TITLES[action.verb],
        "groups": groups,
        "is_begun": is_begun,
        "is_open": not state.is_final,
        "is_counting": state is BulkState.COUNTING,
        "is_ready": state is BulkState.READY,
        "is_running": state is BulkState.RUNNING,
        "will": action.foreseen.get(Outcome.DONE.value, 0),
        "done": sum(action.outcomes.values()),
        "total": total_of(action),
        "percent": _percent(action, state),
        "back": Asked.read(action.parameters).address(),
        "here": request.get_full_path(),
        "chosen": request.GET.get("outcome", ""),
    }
    return context | (_results(request, action) if is_begun else _foreseen(request, action))


def total_of(action: BulkAction) -> int:
    """How many jobs it is about, as far as they were counted."""
    return int(sum(action.foreseen.values()))


def _percent(action: BulkAction, state: BulkState) -> int:
    if state.is_final or state is BulkState.READY:
        return 100
    if state is BulkState.RUNNING and action.foreseen:
        done = int(sum(action.outcomes.values()))
        return min(99, 100 * done // max(1, total_of(action)))
    return min(99, 100 * action.cursor // max(1, action.upper_id))


def _foreseen(request: HttpRequest, action: BulkAction) -> dict[str, Any]:
    asked = replace(
        Asked(),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        at=request.GET.get("at", ""),
    )
    listing = bulk_actions.preview(action, request.user, asked=asked)
    outcomes = Foresight(action.verb, request.user).each(Seen.of(job) for job in listing.jobs)
    rows = [
        {"job": job, "words": told(action.verb, outcomes[job.pk], 1, is_over=False),
         "tone": TONES.get(outcomes[job.pk], "quiet")}
        for job in listing.jobs
    ]  # fmt: skip
    return {"rows": rows, "next": _to(after=listing.next), "previous": _to(before=listing.previous)}


def _results(request: HttpRequest, action: BulkAction) -> dict[str, Any]:
    results = BulkResult.objects.filter(action=action)
    chosen = request.GET.get("outcome", "")
    if chosen in set(Outcome):
        results = results.filter(outcome=chosen)
    else:
        chosen = ""
    place = Place(after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    found = keyset.page(results, order=Order("id"), place=place, size=SHOWN)
    rows = [
        {"result": row, "words": told(action.verb, row.outcome, 1, is_over=True),
         "is_gone": _is_gone(action, row), "tone": TONES.get(Outcome(row.outcome), "quiet")}
        for row in found.rows
    ]  # fmt: skip
    return {
        "results": rows,
        "next": _to(after=found.next, outcome=chosen),
        "previous": _to(before=found.previous, outcome=chosen),
    }


def _is_gone(action: BulkAction, row: BulkResult) -> bool:
    deleted = action.verb == BulkVerb.DELETE and row.outcome == Outcome.DONE
    return deleted or row.outcome == Outcome.GONE


def _to(*, outcome: str = "", **place: str) -> str:
    said = {name: value for name, value in place.items() if value}
    return "?" + urlencode(said | ({"outcome": outcome} if outcome else {})) if said else ""
