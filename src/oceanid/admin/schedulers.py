"""Schedulers in the site admin: where jobs may run, and how each one answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import AuditedAdmin
from oceanid.admin.scheduler_form import AccountForm, SchedulerForm
from oceanid.errors import OceanidError
from oceanid.models import AppScheduler, Scheduler
from oceanid.services.scheduler_health import accept_host_key, want_check
from oceanid.states import Health

if TYPE_CHECKING:
    _AccountInline = admin.StackedInline[Scheduler, Scheduler]
    _Inline = type[admin.options.InlineModelAdmin[Any, Any]]
else:
    _AccountInline = admin.StackedInline

_TONES = {Health.OK: "done", Health.DEGRADED: "held", Health.UNREACHABLE: "bad"}


class AccountInline(_AccountInline):
    """People's own accounts at a scheduler."""

    model = Scheduler
    fk_name = "parent"
    form = AccountForm
    extra = 0
    verbose_name = _("person's own account")
    verbose_name_plural = _("people's own accounts")
    fields = ("person", "user", "key_path", "private_key", "passphrase", "enabled", "answers")
    readonly_fields = ("answers",)
    raw_id_fields = ("person",)

    @admin.display(description=_("how it answers"))
    def answers(self, account: Scheduler) -> str:
        """Its health, and what was found."""
        return f"{account.get_health_display()}. {account.health_message}" if account.pk else "–"


@admin.register(Scheduler)
class SchedulerAdmin(AuditedAdmin):
    """The records and their health."""

    form = SchedulerForm
    list_display = ("name", "engine", "health_shown", "health_message", "enabled", "checked_at")
    list_filter = ("engine", "enabled")
    search_fields = ("name",)
    filter_horizontal = ("groups",)
    audited_many = ("groups",)
    readonly_fields = (
        "health_shown", "health_since", "capacity", "kept_secrets", "report_shown",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "engine", "enabled", "groups")}),
        (
            _("How to reach it"),
            {
                "description": _("For HTCondor. Without a Scheduler IP it is this machine's."),
                "fields": (
                    "host",
                    "port",
                    "user",
                    "key_path",
                    "private_key",
                    "passphrase",
                    "password",
                    "host_key",
                ),
            },
        ),
        (
            _("More"),
            {
                "fields": (
                    "use_agent",
                    "proxy_jump",
                    "proxy_jump_host_key",
                    "directory",
                    "allow_scripts",
                    "config",
                    "new_secrets",
                    "kept_secrets",
                    "forget_secrets",
                )
            },
        ),
        (
            _("How it answers"),
            {"fields": ("report_shown", "health_shown", "health_since", "capacity")},
        ),
    )

    class Media:
        js = ["oceanid/scheduler-report.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scheduler]:
        """The schedulers themselves; people's accounts stand on their pages."""
        return super().get_queryset(request).filter(parent=None)

    def get_inlines(self, request: HttpRequest, obj: Scheduler | None) -> list[_Inline]:
        """Accounts of people's own: where a scheduler is, and where there are accounts."""
        return [AccountInline] if obj is not None and obj.engine != "local" else []

    def get_urls(self) -> list[URLPattern]:
        """The pages of a look, beside the admin's own."""
        site, name = self.admin_site, "oceanid_scheduler"
        return [
            path("<int:pk>/report/", site.admin_view(self.report), name=f"{name}_report"),
            path("<int:pk>/check/", site.admin_view(self.check_it), name=f"{name}_check"),
            path("<int:pk>/accept/", site.admin_view(self.accept), name=f"{name}_accept"),
            *super().get_urls(),
        ]

    def report(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the last look found, as a part of the page that is loaded again and again."""
        scheduler = self._of(request, pk)
        return HttpResponse(self.report_shown(scheduler))

    def check_it(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a look."""
        return self._wish(request, pk, lambda it: want_check(it, _person(request)))

    def accept(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Accept the host key that the person looked at."""
        fingerprint = request.POST.get("fingerprint", "")
        return self._wish(
            request, pk, lambda it: accept_host_key(it, fingerprint, _person(request))
        )

    def _wish(
        self, request: HttpRequest, pk: int, wish: Callable[[Scheduler], None]
    ) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        scheduler = self._of(request, pk)
        try:
            wish(scheduler)
        except OceanidError as problem:
            self.message_user(request, str(problem), messages.ERROR)
        page = reverse(
            "admin:oceanid_scheduler_change", args=[pk], current_app=self.admin_site.name
        )
        return HttpResponseRedirect(f"{page}#scheduler-report")

    def _of(self, request: HttpRequest, pk: int) -> Scheduler:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Scheduler, pk=pk, parent=None)

    def has_delete_permission(self, request: HttpRequest, obj: Scheduler | None = None) -> bool:
        if obj is not None and obj.jobs.exists():
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description=_("health"))
    def health_shown(self, scheduler: Scheduler) -> SafeString:
        """Its health as a badge."""
        tone = _TONES.get(Health(scheduler.health), "quiet")
        return format_html(
            '<span class="o-badge" data-tone="{}">{}</span>', tone, scheduler.get_health_display()
        )

    @admin.display(description=_("test of the connection"))
    def report_shown(self, scheduler: Scheduler) -> SafeString:
        """Each step of the last look, with a cure for what is not well."""
        if scheduler.pk is None:
            return format_html("{}", _("Save it first, then test the connection."))
        return render_to_string(
            "oceanid/parts/scheduler_report.html", {"scheduler": scheduler, "site": self.admin_site}
        )

    @admin.display(description=_("capacity"))
    def capacity(self, scheduler: Scheduler) -> str:
        """What it can run at once, as it told."""
        if scheduler.cpus is None:
            return "–"
        memory = f", {scheduler.memory_mib} MiB" if scheduler.memory_mib else ""
        return f"{scheduler.cpus} CPUs{memory}"

    @admin.display(description=_("stored secrets"))
    def kept_secrets(self, scheduler: Scheduler) -> str:
        """The names of what is stored, never a value."""
        return ", ".join(sorted(scheduler.secrets or {})) or "–"


@admin.register(AppScheduler)
class AppSchedulerAdmin(AuditedAdmin):
    """Which scheduler each app's setting means."""

    list_display = ("app", "name", "description", "scheduler", "required")
    list_select_related = ("scheduler",)
    list_filter = ("app",)
    fields = ("app", "name", "description", "engine", "required", "scheduler")
    readonly_fields = ("app", "name", "description", "engine", "required")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _person(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser)
    return request.user
