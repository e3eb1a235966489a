"""The rows of a table of an app's jobs: cells, and what can be done about each."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from oceanid.jobs.creation import narrowed
from oceanid.jobs.references import resolve
from oceanid.jobs.table import DOTTED, JobsTable, TableColumn
from oceanid.jobs.table_actions import SEPARATOR, TableAction
from oceanid.models import Job, WorkflowNode
from oceanid.services import listing, policy
from oceanid.services.asked import Asked
from oceanid.services.columns import property_of
from oceanid.services.foresight import Foresight, Outcome, Seen
from oceanid.services.listing import Reading
from oceanid.states import JOB_ACTIVE, JobState, NodeState, Wanted
from oceanid.templatetags.oceanid import badge, duration, lasted, when
from oceanid.templatetags.oceanid_jobs import shown

logger = logging.getLogger(__name__)

VERBS = {
    "run": "execute", "pause": "pause", "resume": "resume", "resubmit": "resubmit",
    "terminate": "stop", "delete": "delete", "retry_results": "retry_results",
}  # fmt: skip
"""The service behind each action that changes something."""
_READ = {"status", "cached_status", "run_time", "user", "scheduler", "pk"}
_COUNTS = (
    "tasks_submitted", "tasks_running", "tasks_paused", "tasks_held", "tasks_complete",
    "tasks_error", "tasks_aborted",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """One action of one row.

    Args:
        key: Its place among the table's actions.
        action: What it is.
        label: What stands on it.
        is_enabled: Whether it makes sense, and is allowed, now.
        url: Where it leads; "" when it is posted or fills a dialog.
        modal: What fills a dialog; "" when it does not.
        confirmation: What is asked before.
    """

    key: int
    action: TableAction
    label: str
    is_enabled: bool
    url: str = ""
    modal: str = ""
    confirmation: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A job, its cells under the table's columns, and its actions in their groups."""

    job: Job
    cells: Sequence[Any]
    detail: Sequence[tuple[str, str, int]]
    groups: Sequence[Sequence[Offer]]


def asked_of(table: JobsTable, user: policy.Person, given: Mapping[str, str]) -> Asked:
    """What a table's place on its page asks for, within what the table offers."""
    scope = table.scope
    if scope == "all" and not policy.sees_all(user):
        scope = "mine"
    place = {name: given.get(name, "") for name in ("after", "before", "at")}
    if table.can_search:
        place["q"] = given.get("q", "")
    if table.can_filter:
        place["status"] = given.get("status", "")
    if table.can_order:
        place["sort"] = given.get("sort", "")
    asked = Asked.read({**place, "scope": scope, "app": table.app})
    if asked.sort or (asked.q and not table.filters):
        return asked
    return replace(asked, sort=table.order)


def read(table: JobsTable, user: policy.Person, asked: Asked) -> listing.Listing:
    """The page of a table's jobs that the person may see."""
    reading = Reading(table.row_count, lambda jobs: narrowed(jobs, table.filters), _fields(table))
    if table.ids is None:
        return listing.read(asked, user, reading=reading)
    begin = int(asked.after) if asked.after.isdecimal() and len(asked.after) < 5 else 0
    ids = table.ids[begin : begin + table.row_count]
    found = {job.pk: job for job in listing.rows(ids, user, reading=reading)}
    rows = [found[pk] for pk in ids if pk in found]
    end, before = begin + table.row_count, max(0, begin - table.row_count)
    return listing.Listing(
        rows,
        str(end) if end < len(table.ids) else "",
        f"{before:d}" if begin else "",
        len(table.ids),
    )


def one(table: JobsTable, user: policy.Person, job_id: int) -> Job | None:
    """A job of the table, with all its fields, if the person may see it."""
    jobs = narrowed(policy.visible_jobs(user).filter(pk=job_id, app=table.app), table.filters)
    if table.ids is not None and job_id not in table.ids:
        return None
    if table.scope == "mine" and table.ids is None:
        jobs = jobs.filter(user=user.pk)
    return jobs.select_related("user", "scheduler").first()


def rows(table: JobsTable, user: policy.Person, jobs: Sequence[Job]) -> list[Row]:
    """The rows of these jobs; a fixed number of queries."""
    allowed = policy.acting_among(user, [job.pk for job in jobs]) if table.show_actions else set()
    enabled = _enabled(table, user, jobs, allowed)
    details = _details(table, jobs)
    return [
        Row(
            job,
            [cell(job, column) for column in table.columns],
            details.get(job.pk, ()),
            _groups(table, job, enabled, allowed) if table.show_actions else (),
        )
        for job in jobs
    ]


def offer(table: JobsTable, user: policy.Person, job: Job, key: int) -> Offer | None:
    """One action of one job as it is now; None when the table has no such action."""
    groups = rows(table, user, [job])[0].groups
    return next((each for group in groups for each in group if each.key == key), None)


def cell(job: Job, column: TableColumn) -> Any:
    """What one column shows of a job."""
    name = column.field
    first, _dot, path = name.partition(".")
    if first in DOTTED and path:
        return shown(property_of(getattr(job, first), path))
    if name == "run_time":
        return lasted(job.start_time, job.completion_time, job.job_state.is_final)
    if name in ("status", "cached_status"):
        return badge(job)
    value = getattr(job, name, None)
    value = value() if inspect.ismethod(value) else value
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, timedelta):
        return format_html('<span class="o-num">{}</span>', duration(value))
    if isinstance(value, str | int | float | list | dict) or value is None:
        return shown(value)
    return shown(str(value))


def callback(path: str, job: Job) -> Callable[[], Any]:
    """The function or method at a path, ready to be called for a job."""
    if path.startswith("."):
        method: Callable[[], Any] = getattr(job, path[1:])
        return method
    function = resolve(path)
    return lambda: function(job)


def address(given: str, job: Job) -> str:
    """Where an action leads for a job: a URL's name, a path, or a function's answer."""
    if given.startswith("="):
        return str(resolve(given[1:])(job) or "")
    if "/" in given:
        return given.replace("{id}", str(job.pk))
    return reverse(given, args=[job.pk])


def _fields(table: JobsTable) -> tuple[str, ...] | None:
    """What must be read besides the list's fields; None for all, when code of the app looks."""
    by_code = any(
        each.enabled or each.url.startswith("=") or each.modal.startswith("=")
        for each in table.table_actions
    )
    if by_code:
        return None
    known = {field.name for field in Job._meta.concrete_fields}
    names = {column.field.partition(".")[0] for column in table.columns} - _READ
    if not names <= known:
        return None
    return (*names, *(_COUNTS if table.show_detailed_status else ()))


def _enabled(
    table: JobsTable, user: policy.Person, jobs: Sequence[Job], allowed: Collection[int]
) -> dict[str, dict[int, bool]]:
    seen = [Seen.of(job) for job in jobs]
    found = {}
    for name in {each.name for each in table.table_actions if table.show_actions}:
        verb = VERBS.get(name)
        if verb in ("stop", "pause", "resume", "resubmit", "delete"):
            outcomes = Foresight(verb, user).each(seen, allowed=allowed)
            found[name] = {pk: outcome is Outcome.DONE for pk, outcome in outcomes.items()}
    return found


def _groups(
    table: JobsTable, job: Job, enabled: Mapping[str, Mapping[int, bool]], allowed: Collection[int]
) -> list[list[Offer]]:
    groups: list[list[Offer]] = [[]]
    for key, action in enumerate(table.table_actions):
        if action.name == SEPARATOR:
            groups.append([])
            continue
        can = enabled[action.name][job.pk] if action.name in enabled else _can(action, job, allowed)
        url, modal = action.url, action.modal
        groups[-1].append(
            Offer(
                key,
                action,
                action.label or _label(action.name),
                can,
                url=address(url, job) if url and can else "",
                modal=_modal(action, job) if can and (modal or action.name == "logs") else "",
                confirmation=action.confirmation or _confirmation(action.name),
            )
        )
    return [group for group in groups if group]


def _can(action: TableAction, job: Job, allowed: Collection[int]) -> bool:
    state = job.job_state
    if action.name == "run":
        is_draft = job.wanted == Wanted.DRAFT and state is JobState.PENDING
        return is_draft and job.type != "BASIC" and job.pk in allowed
    if action.name == "logs":
        return job.execute_time is not None
    if action.name == "monitor":
        return state in JOB_ACTIVE or state is JobState.OTHER
    if action.name == "results":
        return state.is_final
    if action.name == "retry_results":
        return state is JobState.RESULTS_READY and job.pk in allowed
    if action.callback and job.pk not in allowed:
        return False
    if not action.enabled:
        return True
    try:
        return bool(callback(action.enabled, job)())
    except Exception:
        # What an app's function can't judge is not offered, and the table still is.
        logger.exception(
            "An enabled-callback failed.", extra={"action": "table.enabled", "job": job.pk}
        )
        return False


def _modal(action: TableAction, job: Job) -> str:
    return "logs" if action.name == "logs" else address(action.modal, job)


def _label(name: str) -> str:
    labels = {
        "run": _("Run"), "pause": _("Pause"), "resume": _("Resume"), "resubmit": _("Resubmit"),
        "logs": _("View logs"), "monitor": _("Monitor job"), "results": _("View results"),
        "terminate": _("Terminate"), "delete": _("Delete"),
        "retry_results": _("Try results again"),
    }  # fmt: skip
    return labels[name]


def _confirmation(name: str) -> str:
    if name == "terminate":
        return _("Terminate this job?")
    return _("Delete this job and its files for good?") if name == "delete" else ""


def _details(table: JobsTable, jobs: Sequence[Job]) -> dict[int, list[tuple[str, str, int]]]:
    """How many processes, or nodes of workflows, are in which state."""
    if not table.show_detailed_status:
        return {}
    found = {job.pk: _processes(job) for job in jobs if job.num_jobs > 1 and job.execute_time}
    flows = [job.pk for job in jobs if job.type == "CONDORWORKFLOW"]
    if flows:
        nodes: QuerySet[Any] = WorkflowNode.objects.filter(workflow__in=flows)
        counted = nodes.order_by("workflow_id", "state").values_list("workflow_id", "state")
        found |= {pk: [] for pk in flows}
        for pk, state, count in counted.annotate(count=Count("pk")):
            found[pk].append((_(NodeState(state).word), state, count))
    return found


def _processes(job: Job) -> list[tuple[str, str, int]]:
    counts = [
        (_("Complete"), "COM", job.tasks_complete), (_("Error"), "ERR", job.tasks_error),
        (_("Aborted"), "ABT", job.tasks_aborted), (_("Held"), "HLD", job.tasks_held),
        (_("Paused"), "PAS", job.tasks_paused), (_("Running"), "RUN", job.tasks_running),
        (_("Submitted"), "SUB", job.tasks_submitted),
    ]  # fmt: skip
    waiting = job.num_jobs - sum(count for _word, _state, count in counts)
    return [each for each in (*counts, (_("Queued"), "QUE", waiting)) if each[2] > 0]
