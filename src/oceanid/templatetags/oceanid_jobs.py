"""Template tags for lists of jobs: cells, and tables of an app's jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from oceanid.models import Job
from oceanid.services.columns import Column, property_of
from oceanid.templatetags.oceanid import lasted, thousands, when

register = template.Library()

LONGEST = 200
ABSENT = format_html('<span class="o-absent">{}</span>', "–")


@register.simple_tag
def cell(job: Job, column: Column) -> Any:
    """What one column shows of a job."""
    if column.is_property:
        return shown(property_of(job.extended_properties, column.name))
    return CELLS[column.name](job)


def shown(value: Any) -> Any:
    """Any value as a short text; the whole of a long one on hover."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return format_html('<span class="o-num">{}</span>', f"{value:g}" if value % 1 else value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= LONGEST:
        return format_html('<span class="o-break">{}</span>', text)
    cut = f"{text[:LONGEST]}…"
    return format_html('<span class="o-break" title="{}">{}</span>', text[: 10 * LONGEST], cut)


@register.filter
def at(items: Sequence[Any], place: int) -> Any:
    """The item at a place."""
    return items[place]


@register.simple_tag(takes_context=True)
def jobs_table(context: template.RequestContext, table: Any, name: str = "") -> SafeString:
    """A table of an app's jobs, live, with its buttons.

    Args:
        context: The page's.
        table: A :class:`~oceanid.jobs.JobsTable`; or the label of the app that declares one.
        name: The name of the declared one.
    """
    from oceanid.web.embedded_table import rendered

    return rendered(context, table, name)


def _number(value: int | None, unit: str = "") -> Any:
    if value is None:
        return ABSENT
    return format_html('<span class="o-num">{}{}</span>', thousands(value), unit)


CELLS: Mapping[str, Callable[[Job], Any]] = {
    "app": lambda job: shown(job.app),
    "scheduler": lambda job: shown(job.scheduler.name if job.scheduler else ""),
    "user": lambda job: shown(job.user.get_username()),
    "created": lambda job: when(job.creation_time),
    "submitted": lambda job: when(job.execute_time),
    "started": lambda job: when(job.start_time),
    "ended": lambda job: when(job.completion_time),
    "took": lambda job: lasted(job.start_time, job.completion_time, job.job_state.is_final),
    "reason": lambda job: shown(job.status_message),
    "tasks": lambda job: _number(job.num_jobs),
    "progress": lambda job: _number(job.progress, " %"),
    "attempt": lambda job: _number(job.attempt),
    "type": lambda job: shown(job.type.lower()),
    "label": lambda job: shown(job.label),
    "description": lambda job: shown(job.description),
    "uuid": lambda job: format_html('<span class="o-mono o-break">{}</span>', job.uuid),
}
