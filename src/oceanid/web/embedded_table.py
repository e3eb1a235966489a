"""Puts a table of jobs into any page of the site: what ``{% jobs_table %}`` shows."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from oceanid.jobs.manager import JobManager
from oceanid.jobs.table import JobsTable
from oceanid.web import rendering
from oceanid.web import table as page
from oceanid.web.shell import Shell


def rendered(context: Any, given: Any, name: str) -> SafeString:
    """The table's markup, with what the page has to load for the first of its tables.

    Raises:
        ImproperlyConfigured: The page knows no request.
        NotFound: The app declares no such table.
    """
    request = getattr(context, "request", None) or context.get("request")
    if request is None:
        raise ImproperlyConfigured(
            "{% jobs_table %} needs the request: render the page with render(request, …)."
        )
    if not request.user.is_authenticated:
        return format_html('<p class="o-jt__none">{}</p>', _("Log in to see your jobs."))
    shown = given if isinstance(given, JobsTable) else JobManager(given).declared_table(name)
    taken: list[str] = request.__dict__.setdefault("oceanid_tables", [])
    table_id = shown.name or name or "jobs-table"
    while table_id in taken:
        stem, _dash, number = table_id.rpartition("-")
        counted = number.isdecimal() and bool(stem)
        table_id = f"{stem}-{int(number) + 1}" if counted else f"{table_id}-2"
    mine = f"{table_id}-"
    place = {each: request.GET.get(f"{mine}{each}", "") for each in page.PLACES}
    told = page.described(shown, request, place, table_id=table_id)
    kept = [(key, value) for key, values in request.GET.lists() for value in values
            if not key.startswith(mine)]  # fmt: skip
    told |= {
        "is_first": not taken,
        "is_foreign": not isinstance(context.get("shell"), Shell),
        "attributes": shown.attributes or {},
        "kept": kept,
    }
    taken.append(table_id)
    return rendering.rendered(request, "oceanid/parts/jobs_table.html", told)
