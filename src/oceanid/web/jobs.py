"""The list of jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from oceanid.models import JobEvent, Scheduler
from oceanid.services import listing, policy
from oceanid.services.asked import ACTIVE, SCOPES, SINCE, SORTS, Asked
from oceanid.states import JOB_WORDS, JobState
from oceanid.web.pages import is_fragment, page

MOST_ROWS = 200


@require_safe
@page
def home(request: HttpRequest) -> HttpResponse:
    """Until there is an overview: the jobs."""
    return redirect("oceanid:jobs")


@require_safe
@page
def job_list(request: HttpRequest) -> HttpResponse:
    """A page of jobs; all that it shows is said by its address."""
    asked = Asked.read(request.GET.dict())
    found = listing.read(asked, request.user)
    context = {
        "asked": asked,
        "listing": found,
        "head": _head(asked),
        "scopes": SCOPES,
        "sees_all": policy.sees_all(request.user),
        "links": _links(asked, found),
        "read_at": timezone.now(),
    }
    if is_fragment(request) and request.headers.get("HX-Target") == "jobs":
        part = render(request, "oceanid/parts/jobs.html", context)
        part["HX-Push-Url"] = request.path + asked.address()
        return part
    context |= {
        "statuses": [word for state, word in JOB_WORDS.items() if state is not JobState.OTHER],
        "apps": listing.apps(),
        "schedulers": Scheduler.objects.order_by("name").values_list("name", flat=True)[:200],
        "spans": [(key, label) for key, (label, _span) in SINCE.items()],
        "last_event": _last_event(),
    }
    return render(request, "oceanid/jobs.html", context)


@require_safe
@page
def job_rows(request: HttpRequest) -> HttpResponse:
    """The present rows of some jobs, for a page that shows them already."""
    wanted = request.GET.get("ids", "").split(",")[:MOST_ROWS]
    ids = [int(each) for each in wanted if each.isdecimal() and len(each) < 19]
    asked = Asked.read(request.GET.dict())
    context = {"jobs": listing.rows(ids, request.user), "asked": asked}
    return render(request, "oceanid/parts/rows.html", context)


def _head(asked: Asked) -> list[dict[str, str]]:
    """The sortable columns: each with its link and the direction that is shown."""
    head = []
    for name in SORTS:
        is_here = asked.sort_name == name
        descending = asked.order.descending
        turned = name if asked.sort.startswith("-") or not is_here else f"-{name}"
        shown = ("descending" if descending else "ascending") if is_here else ""
        head.append({"name": name, "address": asked.address(sort=turned), "aria": shown})
    return head


def _links(asked: Asked, found: listing.Listing) -> dict[str, str]:
    links = {
        "first": asked.address() if found.previous or asked.after or asked.before else "",
        "previous": asked.address(before=found.previous) if found.previous else "",
        "next": asked.address(after=found.next) if found.next else "",
        "last": asked.address(at="last") if found.next else "",
        "further": asked.address(after=found.searched_to) if found.searched_to else "",
        "active": asked.address(status="" if asked.status == ACTIVE else ACTIVE),
        "here": asked.address(after=asked.after, before=asked.before, at=asked.at),
    }
    return links | {f"scope_{scope}": asked.address(scope=scope) for scope in SCOPES}


def _last_event() -> int:
    return JobEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
