"""The address behind every table of an app's jobs: its rows, its actions, its logs."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from oceanid.errors import OceanidError
from oceanid.jobs.logs import event_log
from oceanid.jobs.table import JobsTable
from oceanid.models import Job, Task
from oceanid.services import jobs as services
from oceanid.services import policy
from oceanid.services.asked import SORTS
from oceanid.states import JOB_WORDS, JobState
from oceanid.web import tables
from oceanid.web.actions import ACTIONS
from oceanid.web.job import output_of
from oceanid.web.pages import page
from oceanid.web.rendering import render

logger = logging.getLogger(__name__)

LONGEST_LOG = 50_000
PLACES = ("q", "status", "sort", "after", "before", "at")
SORTED_BY = {
    "name": "name", "status": "status", "cached_status": "status", "creation_time": "created",
    "id": "created", "start_time": "started", "completion_time": "ended",
}  # fmt: skip


@require_safe
@page
def table(request: HttpRequest) -> HttpResponse:
    """A table as it is now, for a page that shows it already; 304 when nothing changed."""
    shown = _table(request)
    given = {name: request.GET.get(name, "") for name in PLACES}
    context = described(shown, request, given, table_id=slugify(request.GET.get("id", "")))
    mask = get_token(request)
    context["csrf_token"] = mask
    answer = render(request, "oceanid/parts/jobs_table_body.html", context)
    # Each answer has another mask around the same CSRF secret; what counts is the rest.
    told = answer.content.replace(mask.encode(), b"")
    tag = f'"{hashlib.sha256(told).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponse(status=304)
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer


@require_POST
@csrf_protect
@page
def act(request: HttpRequest) -> HttpResponse:
    """Do what a button of a table means, for the one job."""
    shown = _table(request)
    job = _job(request, shown)
    given = request.POST.get("action", "")
    key = int(given) if given.isdecimal() and len(given) < 4 else -1
    offer = tables.offer(shown, request.user, job, key)
    if offer is None or offer.url or offer.modal:
        raise Http404
    policy.require(request.user, "act", job)
    if offer.confirmation and request.POST.get("confirmed") != "1":
        context = {"offer": offer, "job": job, "next": _next(request)}
        return render(request, "oceanid/table_confirm.html", context)
    is_done, told = _done(request, offer, job)
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"done": is_done, "message": told})
    level = messages.SUCCESS if is_done else messages.ERROR
    messages.add_message(request, level, told, fail_silently=True)
    return redirect(_next(request))


@require_safe
@page
def logs(request: HttpRequest) -> HttpResponse:
    """The ends of a job's logs, for a dialog."""
    job = _job(request, _table(request))
    tasks = Task.objects.filter(job=job, attempt=job.attempt, node__isnull=True)
    told = event_log(job)[-LONGEST_LOG:]
    context = {"job": job, "told": told, **output_of(request, job, tasks)}
    return render(request, "oceanid/parts/table_logs.html", context)


def described(
    shown: JobsTable, request: HttpRequest, given: Mapping[str, str], *, table_id: str
) -> dict[str, Any]:
    """Everything that a table's template shows.

    Args:
        shown: The table.
        request: What is answered; rows are those that its user may see.
        given: Search, status, order and place.
        table_id: What the table is called on its page.
    """
    user = request.user
    asked = tables.asked_of(shown, user, given)
    found = tables.read(shown, user, asked)
    token = shown.token()
    query = urlencode({"t": token, "id": table_id})
    present = {name: value for name in PLACES if (value := given.get(name, ""))}
    kept = {name: value for name, value in present.items() if name in ("q", "status", "sort")}

    def place(**change: str) -> dict[str, str]:
        said = {name: value for name, value in (kept | change).items() if value}
        return {"go": urlencode(said), "href": _host(request, table_id, said)}

    return {
        "table": shown,
        "id": table_id,
        "rows": tables.rows(shown, user, found.jobs),
        "listing": found,
        "heads": [_head(shown, column, asked, place) for column in shown.columns],
        "status_head": _sorted_head(shown, "status", asked, place),
        "q": asked.q,
        "status": asked.status,
        "statuses": [word for state, word in JOB_WORDS.items() if state is not JobState.OTHER],
        "present": urlencode(present),
        "source": f"{reverse('oceanid:table')}?{query}",
        "post": f"{reverse('oceanid:table-act')}?{query}",
        "logs": f"{reverse('oceanid:table-logs')}?{query}",
        "next": place(after=found.next) if found.next else None,
        "previous": _previous(shown, found.previous, place),
        "is_narrowed": bool(asked.q or asked.status),
        "page_address": request.get_full_path(),
        "span": len(shown.columns) + shown.show_status + shown.show_actions,
    }


def _previous(shown: JobsTable, before: str, place: Any) -> dict[str, str] | None:
    if not before:
        return None
    if shown.ids is not None:
        return place(after="" if before == "0" else before)  # type: ignore[no-any-return]
    return place(before=before)  # type: ignore[no-any-return]


def _head(shown: JobsTable, column: Any, asked: Any, place: Any) -> dict[str, Any]:
    head = _sorted_head(shown, SORTED_BY.get(column.field, ""), asked, place)
    return head | {"title": column.title, "is_name": column.field == "name"}


def _sorted_head(shown: JobsTable, sort: str, asked: Any, place: Any) -> dict[str, Any]:
    is_here = bool(sort) and asked.sort_name == sort and shown.ids is None
    aria = ("descending" if asked.order.descending else "ascending") if is_here else ""
    if sort not in SORTS or not shown.can_order:
        return {"aria": aria if shown.can_order else "", "link": None}
    turned = sort if asked.sort.startswith("-") or not is_here else f"-{sort}"
    return {"aria": aria, "link": place(sort=turned)}


def _host(request: HttpRequest, table_id: str, said: Mapping[str, str]) -> str:
    """The address of the page around the table, for browsers without scripts."""
    mine = f"{table_id}-"
    others = [(name, value) for name, values in request.GET.lists() for value in values
              if not name.startswith(mine) and name not in ("t", "id", *PLACES)]  # fmt: skip
    return "?" + urlencode(others + [(f"{mine}{name}", value) for name, value in said.items()])


def _done(request: HttpRequest, offer: tables.Offer, job: Job) -> tuple[bool, str]:
    """Do it; whether it was done, and what to tell."""
    if not offer.is_enabled:
        return False, _("“%(action)s” is not possible now.") % {"action": offer.label}
    verb = tables.VERBS.get(offer.action.name)
    try:
        if verb is not None:
            getattr(services, verb)(job, actor=request.user)
            return True, str(ACTIONS[verb].said)
        told = tables.callback(offer.action.callback, job)()
        if inspect.isawaitable(told):
            told = async_to_sync(_awaited)(told)
    except OceanidError as problem:
        return False, str(problem)
    except Exception:
        logger.exception(
            "A table's action failed.", extra={"action": "table.failed", "job": job.pk}
        )
        return False, _("“%(action)s” failed; an administrator finds why in the log.") % {
            "action": offer.label
        }
    if isinstance(told, str) and told:
        return True, told
    return True, _("“%(action)s”: done.") % {"action": offer.label}


async def _awaited(told: Any) -> Any:
    return await told


def _table(request: HttpRequest) -> JobsTable:
    return JobsTable.of_token(request.GET.get("t", ""))


def _job(request: HttpRequest, shown: JobsTable) -> Job:
    given = (request.POST if request.method == "POST" else request.GET).get("job", "")
    number = int(given) if given.isdecimal() and len(given) < 19 else 0
    job = tables.one(shown, request.user, number)
    if job is None:
        raise Http404
    return job


def _next(request: HttpRequest) -> str:
    """The page that the table stands on: only one of this site."""
    wanted = request.POST.get("next", "")
    hosts = {request.get_host()}
    if url_has_allowed_host_and_scheme(wanted, hosts, require_https=request.is_secure()):
        return wanted
    return reverse("oceanid:jobs")
