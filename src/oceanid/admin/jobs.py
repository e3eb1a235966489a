"""Jobs in the site admin: found, read, and acted on; never made or edited there."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import FromAdmin
from oceanid.admin.bounded import BoundedPaginator
from oceanid.admin.job_filters import (
    AppFilter,
    CreatedFilter,
    SchedulerFilter,
    StatusFilter,
    UserFilter,
    asked_of,
)
from oceanid.admin.moments import moment
from oceanid.errors import OceanidError
from oceanid.models import Job
from oceanid.services import bulk_actions, bulk_report, listing, policy
from oceanid.services.export import TYPES, Export
from oceanid.streaming import streamed
from oceanid.templatetags.oceanid import badge, event_text, when

EVENTS_SHOWN = 20


class JobList(ChangeList):
    """The list as its filters and its search leave it, by the index that leaves few.

    Its ``notice`` says that these are not all.
    """

    notice = ""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        visible = super().get_queryset(request, exclude_parameters).order_by()
        newest = listing.newest_first(asked_of(request), visible, request.user)
        self.notice = newest.notice
        return self.apply_select_related(newest.jobs)


@admin.register(Job)
class JobAdmin(FromAdmin):
    """The list of all jobs that the person may see."""

    list_display = (
        "name_shown", "status_shown", "user", "app", "scheduler", "created", "ended",
    )  # fmt: skip
    list_filter = (StatusFilter, UserFilter, AppFilter, SchedulerFilter, CreatedFilter)
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
        "progress", "created", "executed", "started", "ended", "num_jobs",
        "attempt", "workspace", "attributes_shown", "result_shown", "history", "page",
    )  # fmt: skip

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

    created = moment("creation_time", _("created"))
    executed = moment("execute_time", _("executed"))
    started = moment("start_time", _("started"))
    ended = moment("completion_time", _("ended"))

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
        rows = [(when(event.at), event_text(event)[:500], event.actor or "") for event in latest]
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

    @admin.action(description=_("Stop the selected jobs…"))
    def stop(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Show what stopping them would do."""
        return self._asked(request, queryset, "stop")

    @admin.action(description=_("Resubmit the selected jobs…"))
    def resubmit(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Show what running them again would do."""
        return self._asked(request, queryset, "resubmit")

    @admin.action(description=_("Delete the selected jobs, with their directories…"))
    def delete(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Show what deleting them would do."""
        return self._asked(request, queryset, "delete")

    def _asked(
        self, request: HttpRequest, queryset: QuerySet[Job], verb: str
    ) -> HttpResponse | None:
        try:
            if request.POST.get("select_across") == "1":
                action = bulk_actions.on_all(request.user, verb, asked_of(request))
            else:
                ticked = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
                ids = [int(each) for each in ticked if each.isdecimal() and len(each) < 19]
                action = bulk_actions.on_these(request.user, verb, ids)
        except (OceanidError, PermissionDenied) as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return None
        return redirect(f"{self.admin_site.name}:oceanid_job_bulk", uuid=action.uuid)

    def get_urls(self) -> list[URLPattern]:
        """The list's addresses, and those of its actions and exports."""
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="oceanid_job_export"),
            path("bulk/<uuid:uuid>/", view(self.bulk_view), name="oceanid_job_bulk"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every job that the list's filters leave, as a file."""
        kind = request.GET.get("format", "csv")
        if kind not in TYPES or request.method not in ("GET", "HEAD"):
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        source = Export(asked_of(request), request.user, kind)
        filename = f"jobs-{timezone.localtime():%Y-%m-%d}.{kind}"
        return streamed(request, source.piece, content_type=TYPES[kind], filename=filename)

    def bulk_view(self, request: HttpRequest, uuid: UUID) -> HttpResponse:
        """What an action would do to each job; once it is confirmed, what came of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            action = bulk_actions.found(request.user, uuid)
        except OceanidError as problem:
            raise Http404(str(problem)) from problem
        if request.method == "POST":
            do = {"confirm": bulk_actions.confirm, "cancel": bulk_actions.cancel}
            try:
                do.get(request.POST.get("do", ""), bulk_actions.cancel)(action)
            except OceanidError as problem:
                self.message_user(request, str(problem), messages.ERROR)
            return redirect(request.path)
        told = bulk_report.report(action, request.user, request.GET.dict())
        context = self.admin_site.each_context(request) | told | {"opts": self.opts}
        return TemplateResponse(request, "admin/oceanid/job/bulk.html", context)


def _json(value: Any) -> SafeString:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)[:20_000]
    return format_html('<pre class="o-json">{}</pre>', text)
