"""The list of jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from oceanid.models import Scheduler
from oceanid.services import columns, hearing, listing, policy, sifting, views
from oceanid.services.asked import ACTIVE, SCOPES, SINCE, SORTS, Asked
from oceanid.services.columns import Column
from oceanid.states import JOB_WORDS, JobState
from oceanid.web.bulk import BUTTONS
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

MOST_ROWS = 200


@require_safe
@page
def job_list(request: HttpRequest) -> HttpResponse:
    """A page of jobs; all that it shows is said by its address."""
    if not request.GET and (view := views.default(request.user)) is not None:
        return redirect(request.path + Asked.read(view.parameters).address(view=str(view.pk)))
    asked = Asked.read(request.GET.dict())
    if "column" in request.GET:
        return redirect(request.path + _with_columns(request, asked))
    found = listing.read(asked, request.user)
    context: dict[str, Any] = {
        "asked": asked,
        "columns": _columns(asked),
        "listing": found,
        "heads": _heads(asked),
        "scopes": SCOPES,
        "sees_all": policy.sees_all(request.user),
        "links": _links(asked, found),
        "read_at": timezone.now(),
        "bulk_buttons": BUTTONS,
    }
    if is_fragment(request) and request.headers.get("HX-Target") == "jobs":
        part = render(request, "oceanid/parts/jobs.html", context)
        part["HX-Push-Url"] = request.path + asked.address()
        return part
    saved = views.offered(request.user)
    context |= {
        "statuses": [word for state, word in JOB_WORDS.items() if state is not JobState.OTHER],
        "apps": sifting.apps(),
        "schedulers": Scheduler.objects.order_by("name").values_list("name", flat=True)[:200],
        "spans": [(key, label) for key, (label, _span) in SINCE.items()],
        "last_event": hearing.newest(),
        "choices": _choices(asked),
        "views": [{"view": each, "address": _address_of(each)} for each in saved],
        "present_view": next((each for each in saved if str(each.pk) == asked.view), None),
        "groups": list(views.own_groups(request.user)),
        "may_share_with_everyone": views.may_share_with_everyone(request.user),
    }
    return render(request, "oceanid/jobs.html", context)


@require_safe
@page
def job_rows(request: HttpRequest) -> HttpResponse:
    """The present rows of some jobs, for a page that shows them already."""
    wanted = request.GET.get("ids", "").split(",")[:MOST_ROWS]
    ids = [int(each) for each in wanted if each.isdecimal() and len(each) < 19]
    asked = Asked.read(request.GET.dict())
    context = {"jobs": listing.rows(ids, request.user, asked), "columns": _columns(asked)}
    return render(request, "oceanid/parts/rows.html", context)


def _columns(asked: Asked) -> list[Column]:
    """The columns that are shown, their labels in the reader's language once and for all rows."""
    return [replace(column, label=str(column.label)) for column in asked.shown]


def _heads(asked: Asked) -> list[dict[str, Any]]:
    """The heads of the columns: those by which rows are ordered with their link and direction."""
    labels = [("name", None), *((column.sort, column) for column in asked.shown)]
    heads = []
    for name, column in labels:
        is_here = bool(name) and asked.sort_name == name
        descending = asked.order.descending
        turned = name if asked.sort.startswith("-") or not is_here else f"-{name}"
        heads.append(
            {
                "column": column,
                "address": asked.address(sort=turned) if name in SORTS else "",
                "aria": ("descending" if descending else "ascending") if is_here else "",
            }
        )
    return heads


def _choices(asked: Asked) -> list[dict[str, Any]]:
    """Every column that can be chosen: the shown ones in their order, then the others."""
    shown = [column.name for column in asked.shown]
    others = [name for name in columns.COLUMNS if name not in shown]
    found = []
    for name in (*shown, *others):
        column = columns.column(name)
        if column is not None:
            found.append({"column": column, "is_shown": name in shown})
    return found


def _with_columns(request: HttpRequest, asked: Asked) -> str:
    """The address with the columns that a form names, one of them moved up or down if asked."""
    names = request.GET.getlist("column")
    added = request.GET.get("property", "").strip().removeprefix(columns.PROPERTY)
    if added:
        names.append(columns.PROPERTY + added)
    for parameter, step in (("up", -1), ("down", 1)):
        moved = request.GET.get(parameter, "")
        if moved in names:
            at = names.index(moved)
            to = min(max(at + step, 0), len(names) - 1)
            names.insert(to, names.pop(at))
    said = columns.understood(name for name in names if name != "name")
    standard = ",".join(column.name for column in columns.chosen("", scope=asked.scope))
    return asked.address(columns="" if said == standard else said)


def _address_of(view: Any) -> str:
    return Asked.read(view.parameters).address(view=str(view.pk))


def _links(asked: Asked, found: listing.Listing) -> dict[str, str]:
    links = {
        "first": asked.address() if found.previous or asked.after or asked.before else "",
        "previous": asked.address(before=found.previous) if found.previous else "",
        "next": asked.address(after=found.next) if found.next else "",
        "last": asked.address(at="last") if found.next else "",
        "further": asked.address(after=found.searched_to) if found.searched_to else "",
        "active": asked.address(status="" if asked.status == ACTIVE else ACTIVE),
        "here": asked.address(after=asked.after, before=asked.before, at=asked.at),
        "all": asked.address(view=""),
        "clear": Asked(scope=asked.scope, columns=asked.columns).address(),
        "standard": asked.address(columns=""),
    }
    # Whose jobs are shown decides which columns stand there when none were chosen.
    return links | {
        f"scope_{scope}": asked.address(scope=scope, user="", view="") for scope in SCOPES
    }
