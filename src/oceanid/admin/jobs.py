"""Jobs in the site admin: found, read, and acted on; never made or edited there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from oceanid.admin.audited import FromAdmin
from oceanid.admin.bounded import BoundedPaginator
from oceanid.errors import OceanidError
from oceanid.models import Job, Scheduler
from oceanid.services import jobs as services
from oceanid.services import listing, policy
from oceanid.services.asked import SINCE, Asked
from oceanid.states import JOB_WORDS, JobState
from oceanid.templatetags.oceanid import badge, event_text, when

MOST_AT_ONCE = 1000
MOST_SCHEDULERS = 200
EVENTS_SHOWN = 20


class _Filter(admin.SimpleListFilter):
    """One filter of the list; what all of them leave is found together, by :class:`JobList`."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class AppFilter(_Filter):
    """Jobs of one app."""

    title = _("app")
    parameter_name = "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(app, app) for app in listing.apps()]


class StatusFilter(_Filter):
    """Jobs in one status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(state.value, _(word)) for state, word in JOB_WORDS.items()]


class SchedulerFilter(_Filter):
    """Jobs on one scheduler."""

    title = _("scheduler")
    parameter_name = "scheduler"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        names = Scheduler.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names[:MOST_SCHEDULERS]]


class CreatedFilter(_Filter):
    """Jobs that were created lately."""

    title = _("created")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(key, label) for key, (label, _span) in SINCE.items()]


class JobList(ChangeList):
    """The list as its filters and its search leave it, by the index that leaves few."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        visible = super().get_queryset(request, exclude_parameters).order_by()
        chosen = {name: request.GET.get(name, "") for name in ("app", "scheduler", "since")}
        code = request.GET.get("status", "")
        status = JOB_WORDS[JobState(code)] if code in set(JobState) else ""
        asked = Asked.read({**chosen, "scope": "all", "status": status, "q": self.query})
        return self.apply_select_related(listing.newest_first(asked, visible, request.user))


@admin.register(Job)
class JobAdmin(FromAdmin):
    """The list of all jobs that the person may see."""

    list_display = (
        "name_shown", "status_shown", "user", "app", "scheduler", "created_shown", "ended_shown",
    )  # fmt: skip
    list_filter = (StatusFilter, AppFilter, SchedulerFilter, CreatedFilter)
    list_select_related = ("user", "scheduler")
    list_per_page = 100
    list_max_show_all = 100
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("name",)
    search_help_text = _("A job's number or identity, or the beginning of its name")
    actions = ("stop", "resubmit", "delete")
    fields = (
        "name", "status_shown", "status_message", "hint", "user", "app", "type", "scheduler",
        "progress", "creation_time", "execute_time", "start_time", "completion_time", "num_jobs",
        "attempt", "workspace", "attributes_shown", "result_shown", "history", "page",
    )  # fmt: skip

    class Media:
        css = {"all": ["oceanid/tokens.css", "oceanid/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return super().has_view_permission(request, obj) or policy.sees_all(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return policy.visible_jobs(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        changes.result_list = changes.result_list.only(*listing.columns())
        return changes

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # JobList searches

    @admin.display(description=_("name"))
    def name_shown(self, job: Job) -> SafeString:
        """The name with the number below it."""
        return format_html('{} <span class="o-sub">#{}</span>', job.name[:200], job.pk)

    @admin.display(description=_("status"))
    def status_shown(self, job: Job) -> SafeString:
        """The status as a badge."""
        return badge(job)

    @admin.display(description=_("created"))
    def created_shown(self, job: Job) -> SafeString:
        """When it was created."""
        return when(job.creation_time)

    @admin.display(description=_("ended"))
    def ended_shown(self, job: Job) -> SafeString:
        """When it ended."""
        return when(job.completion_time)

    @admin.display(description=_("attributes"))
    def attributes_shown(self, job: Job) -> SafeString:
        """What the app asked for."""
        return _json(job.attributes)

    @admin.display(description=_("result"))
    def result_shown(self, job: Job) -> SafeString:
        """What the job gave back."""
        return _json(job.result) if job.result is not None else SafeString("–")

    @admin.display(description=_("latest events"))
    def history(self, job: Job) -> SafeString:
        """The job's own latest events."""
        own = job.events.filter(task_id__isnull=True, node_id__isnull=True)
        latest = own.select_related("actor").order_by("-id")[:EVENTS_SHOWN]
        rows = [
            (event.at.strftime("%Y-%m-%d %H:%M:%S %Z"), event_text(event)[:500], event.actor or "")
            for event in latest
        ]
        lines = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
        return format_html('<table class="o-history"><tbody>{}</tbody></table>', lines)

    @admin.display(description=_("page"))
    def page(self, job: Job) -> SafeString:
        """Where the job is watched."""
        try:
            address = reverse("oceanid:job", args=[job.pk])
        except NoReverseMatch:
            return format_html("{}", "–")
        return format_html('<a href="{}">{}</a>', address, _("Watch it"))

    @admin.action(description=_("Stop the selected jobs"))
    def stop(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Ask for each to end."""
        self._each(request, queryset, services.stop)

    @admin.action(description=_("Resubmit the selected jobs"))
    def resubmit(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Run each again."""
        self._each(request, queryset, services.resubmit)

    @admin.action(description=_("Delete the selected jobs, with their directories"))
    def delete(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Ask for each to be stopped and removed."""
        self._each(request, queryset, services.delete)

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Job], wish: Callable[..., None]
    ) -> None:
        done, refused = 0, []
        for job in queryset[:MOST_AT_ONCE]:
            try:
                policy.require(request.user, "act", job)
                wish(job, actor=request.user)
                done += 1
            except OceanidError as problem:
                refused.append(f"#{job.pk}: {problem}")
        if done:
            text = ngettext("%d job was asked to.", "%d jobs were asked to.", done) % done
            self.message_user(request, text, messages.SUCCESS)
        if refused:
            shown = " ".join(refused[:10]) + (" …" if len(refused) > 10 else "")
            text = ngettext("%d job was not:", "%d jobs were not:", len(refused)) % len(refused)
            self.message_user(request, f"{text} {shown}", messages.WARNING)


def _json(value: Any) -> SafeString:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)[:20_000]
    return format_html('<pre class="o-json">{}</pre>', text)
