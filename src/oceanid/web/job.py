"""One job: what it is doing and why, its tasks or nodes, its output, its files, its history."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from oceanid.models import Job, JobEvent, Task, TaskRole
from oceanid.services import hearing, keyset, paths, policy
from oceanid.services.keyset import Order, Place
from oceanid.states import Health, JobState, TaskState, Wanted
from oceanid.submit import SubmitDescription
from oceanid.templatetags.oceanid import size
from oceanid.web import actions, find, jobfiles, tail, timeline, usage, workflow
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render

TASKS_SHOWN = 15
EVENTS_SHOWN = 20
STATES_DRAWN = 400
HEAT_LIMIT = 2000
SPEC_SHOWN = 200_000
ATTEMPTS_SHOWN = 8
CLONES_SHOWN = 5


@require_safe
@page
def job_page(request: HttpRequest, job_id: int) -> HttpResponse:
    """The whole page; or, for htmx, those of its parts that change while the job runs."""
    is_part = is_fragment(request)
    try:
        job = found(request, job_id)
    except Http404:
        if is_part:
            return gone(request)
        raise
    if is_part and request.GET.get("part") == "output":
        context = {"job": job, **output_of(request, job, _tasks(job))}
        return render(request, "oceanid/parts/output.html", context)
    context = _changing(request, job)
    if is_part:
        if job.job_state.is_final:
            # What it left is shown when it ends; to list it at each change would cost too much.
            context["files"] = files_of(job, "")
        return render(request, "oceanid/parts/job_live.html", context)
    context |= {
        "files": files_of(job, ""),
        "specification": _specification(job.spec),
        "last_event": hearing.newest(),
    }
    if not context["is_workflow"]:
        context |= output_of(request, job, _tasks(job))
    return render(request, "oceanid/job.html", context)


@require_safe
@page
def task_output(
    request: HttpRequest, job_id: int, index: int, stream: str, node_id: int | None = None
) -> HttpResponseBase:
    """A piece of a task's stdout or stderr as JSON, from ``offset`` on; where ``find`` is in it,
    the piece ``around`` a line; the file itself with ``download``."""
    try:
        job = found(request, job_id)
    except Http404:
        if request.headers.get("Accept") == "application/json" and "download" not in request.GET:
            # An open page, which is told the same of its other parts.
            return JsonResponse({"is_gone": True})
        raise
    if stream not in tail.STREAMS:
        raise Http404
    tasks = _tasks(job) if node_id is None else workflow.tasks_of(job, node_id)
    role = request.GET.get("role", TaskRole.JOB.value)
    if role not in set(TaskRole):
        raise Http404
    task = tasks.filter(index=index, role=role).order_by("-attempt").first()
    if task is None:
        raise Http404
    path, _told = tail.log_path(job, task, stream)
    if not path:
        raise Http404
    if "download" in request.GET:
        return jobfiles.download(request, paths.job_dir(job), path)
    offset = _offset(request, "offset")
    if needle := request.GET.get("find"):
        found_in = find.search(job, task, stream, path, needle=needle, offset=offset or 0)
        return JsonResponse(asdict(found_in))
    if (line := _offset(request, "around")) is not None:
        return JsonResponse(asdict(find.around(job, task, stream, path, line=line)))
    piece = tail.look(job, task, stream, path, offset=offset)
    answer = {
        "text": piece.text,
        "offset": piece.offset,
        "next": piece.next,
        "size": piece.size,
        "shown_size": size(piece.size),
        "truncated": offset is not None and offset > piece.size,
        "note": piece.note,
        "is_here": piece.is_here,
        "ended": TaskState(task.state).is_final and piece.next >= piece.size,
    }
    return JsonResponse(answer)


@require_safe
@page
def confirm_delete(request: HttpRequest, job_id: int) -> HttpResponse:
    """Asks once more before a job is deleted."""
    job = found(request, job_id)
    policy.require(request.user, "act", job)
    return render(request, "oceanid/delete.html", {"job": job})


def found(request: HttpRequest, job_id: int) -> Job:
    """The job, if the person may see it.

    Raises:
        Http404: There is none, or it is not theirs to see.
    """
    if job_id >= 2**63:
        raise Http404
    jobs = policy.visible_jobs(request.user).select_related("user", "scheduler")
    return get_object_or_404(jobs, pk=job_id)


def gone(request: HttpRequest) -> HttpResponse:
    """That the job of an open page is no more: all of what the page shows gives way to it."""
    response = render(request, "oceanid/parts/gone.html")
    response["HX-Retarget"], response["HX-Reswap"] = "#content", "innerHTML"
    return response


def _offset(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else None


def files_of(job: Job, path: str) -> jobfiles.Folder:
    """What is in the job's directory."""
    try:
        return jobfiles.listed(paths.job_dir(job), path)
    except (jobfiles.NotPlain, OSError):
        return jobfiles.Folder(path, (), is_missing=True)


def output_of(request: HttpRequest, job: Job, tasks: QuerySet[Task]) -> dict[str, Any]:
    """The ends of one task's streams: the one that the address names, else the first's."""
    index = _offset(request, "task")
    role = request.GET.get("role", "")
    role = role if role in set(TaskRole) else TaskRole.JOB.value
    chosen = tasks if index is None or index >= 2**31 else tasks.filter(index=index)
    task = chosen.filter(role=role).order_by("-attempt", "index").first()
    if task is None:
        return {"task": None, "logs": [], "here": request.get_full_path()}
    logs = []
    for stream in tail.STREAMS:
        try:
            path, told = tail.log_path(job, task, stream)
        except Exception:  # noqa: BLE001 - a specification that can't be read has no log to show
            path, told = "", ""
        piece = tail.look(job, task, stream, path, offset=None) if path else None
        logs.append({"stream": stream, "piece": piece, "told": told})
    return {
        "task": task,
        "logs": logs,
        "is_script": role != TaskRole.JOB.value,
        "is_over": TaskState(task.state).is_final,
    }


def task_page(tasks: QuerySet[Task], request: HttpRequest) -> dict[str, Any]:
    """One page of a table of tasks, as the address asks for it."""
    state = request.GET.get("tstate", "")
    if state in set(TaskState):
        tasks = tasks.filter(state=state)
    else:
        state = ""
    place = Place(
        after=request.GET.get("tafter", ""),
        before=request.GET.get("tbefore", ""),
        last=request.GET.get("tat") == "last",
    )
    order = Order("index")
    return {
        "tasks": keyset.page(tasks, order=order, place=place, size=TASKS_SHOWN),
        "tstate": state,
        "task_states": [(each.value, each.word) for each in TaskState],
    }


def _changing(request: HttpRequest, job: Job) -> dict[str, Any]:
    own = JobEvent.objects.filter(job=job, task_id__isnull=True, node_id__isnull=True)
    states = list(own.filter(kind="state").order_by("-id")[:STATES_DRAWN])
    is_workflow = workflow.is_workflow(job)
    context: dict[str, Any] = {
        "job": job,
        "is_workflow": is_workflow,
        "may_act": policy.may(request.user, "act", job),
        "may_clone": actions.may_clone(request.user, job),
        "actions": actions.offered(job),
        "lineage": _lineage(request, job),
        "intent": _intent(job),
        "is_cut_off": is_cut_off(job),
        "what_to_do": what_to_do(job, is_workflow=is_workflow),
        "shares": shares(job),
        "timeline": timeline.drawn(states[::-1], now=timezone.now(), attempts=job.attempt),
        "events": _events(request, job, own),
        "here": request.get_full_path(),
        "usage": usage.of(job.spec, _tasks(job), job.num_jobs),
        "finished": job.tasks_complete + job.tasks_error + job.tasks_aborted,
    }
    context["calm_s"] = 1
    if is_workflow:
        context |= workflow.of(job, request)
        context["calm_s"] = workflow.calm_s(job)
    else:
        attempt = _attempt(request, job)
        tasks = _tasks(job, attempt)
        context |= task_page(tasks, request)
        context |= _heat(job, tasks)
        context |= {"attempt": attempt, "is_past": attempt != job.attempt}
    return context


def _tasks(job: Job, attempt: int | None = None) -> QuerySet[Task]:
    which = job.attempt if attempt is None else attempt
    return Task.objects.filter(job=job, attempt=which, node__isnull=True)


def _attempt(request: HttpRequest, job: Job) -> int:
    """The attempt whose tasks are wanted; the present one, unless the address names an earlier."""
    wanted = _offset(request, "attempt") or job.attempt
    return wanted if 0 < wanted < job.attempt else job.attempt


def _lineage(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Which attempts there were, and which jobs were cloned from this one."""
    clones = policy.visible_jobs(request.user).filter(cloned_from_id=job.pk).order_by("-id")
    first = max(1, job.attempt - ATTEMPTS_SHOWN)
    return {
        "earlier": range(first, job.attempt),
        "has_more_attempts": first > 1,
        "clones": list(clones.values_list("pk", flat=True)[: CLONES_SHOWN + 1]),
        "clones_shown": CLONES_SHOWN,
    }


def _events(request: HttpRequest, job: Job, own: QuerySet[JobEvent]) -> dict[str, Any]:
    everything = request.GET.get("events") == "all"
    events = JobEvent.objects.filter(job=job) if everything else own
    place = Place(after=request.GET.get("eafter", ""), before=request.GET.get("ebefore", ""))
    order = Order("id", descending=True)
    rows = keyset.page(events.select_related("actor"), order=order, place=place, size=EVENTS_SHOWN)
    return {"page": rows, "all": everything}


def _intent(job: Job) -> str:
    """What was asked for and has not happened yet."""
    if job.job_state.is_final and job.wanted != Wanted.DELETE:
        return ""
    told = {
        Wanted.STOP.value: _("Stopping…"),
        Wanted.DELETE.value: _("Deleting…"),
    }
    if job.wanted == Wanted.PAUSE and job.job_state is not JobState.PAUSED:
        return _("Pausing…")
    return told.get(job.wanted, "")


def is_cut_off(job: Job) -> bool:
    """Whether the job can't go on, for its scheduler doesn't answer."""
    waits = bool(job.execute_time) and not job.job_state.is_final
    return bool(waits and job.scheduler and job.scheduler.health == Health.UNREACHABLE.value)


def what_to_do(job: Job, *, is_workflow: bool) -> str:
    """What a person can do about the job as it is; "" when there is nothing to do."""
    if job.hint:
        return job.hint
    if is_cut_off(job):
        return _("Nothing: it goes on by itself when the scheduler answers. An administrator can "
                 "test the connection in the site admin.")  # fmt: skip
    if job.job_state not in (JobState.ERROR, JobState.VARIOUS_COMPLETE):
        return ""
    if is_workflow:
        return _("Open a node that failed and read its output, then resubmit: what is done stays.")
    return _("Read the output of what failed, above all stderr; then resubmit it, or clone it "
             "with a change.")  # fmt: skip


def shares(job: Job) -> list[dict[str, Any]]:
    """How many tasks are in each state, and where each share of a bar of 1000 begins."""
    waiting = max(
        0,
        job.num_jobs
        - job.tasks_submitted
        - job.tasks_running
        - job.tasks_paused
        - job.tasks_held
        - job.tasks_complete
        - job.tasks_error
        - job.tasks_aborted,
    )
    counts = [
        (TaskState.COMPLETE, job.tasks_complete),
        (TaskState.ERROR, job.tasks_error),
        (TaskState.ABORTED, job.tasks_aborted),
        (TaskState.HELD, job.tasks_held),
        (TaskState.PAUSED, job.tasks_paused),
        (TaskState.RUNNING, job.tasks_running),
        (TaskState.SUBMITTED, job.tasks_submitted),
        (TaskState.QUEUED, waiting),
    ]
    total = sum(count for _state, count in counts) or 1
    found, begin = [], 0.0
    for state, count in counts:
        if count:
            width = 1000 * count / total
            found.append(
                {"state": state.value, "word": state.word, "count": count,
                 "x": round(begin, 2), "width": round(width, 2)}
            )  # fmt: skip
            begin += width
    return found


def _heat(job: Job, tasks: QuerySet[Task]) -> dict[str, Any]:
    """A cell for each task of an array that is small enough to be shown whole."""
    if not 1 < job.num_jobs <= HEAT_LIMIT:
        return {"heat": []}
    across = 50 if job.num_jobs <= 250 else 100
    states = tasks.order_by("index").values_list("index", "state")[:HEAT_LIMIT]
    cells = [
        {"index": index, "state": state, "x": index % across * 10, "y": index // across * 10}
        for index, state in states
    ]
    rows = -(-job.num_jobs // across)
    return {"heat": cells, "heat_width": across * 10 - 2, "heat_height": rows * 10 - 2}


def _specification(spec: dict[str, Any]) -> str:
    if not spec:
        return ""
    try:
        description = SubmitDescription.from_json(spec)
        text = description.to_submit_file()
    except Exception:  # noqa: BLE001 - shown as it is stored when it can't be read
        text = ""
    return (text or json.dumps(spec, indent=2, ensure_ascii=False))[:SPEC_SHOWN]
