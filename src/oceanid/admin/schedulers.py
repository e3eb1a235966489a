"""Schedulers in the site admin: where jobs may run, and how each one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import AuditedAdmin
from oceanid.admin.looks import LookedAtAdmin, health_badge
from oceanid.admin.moments import moment
from oceanid.admin.scheduler_form import AccountForm, SchedulerForm
from oceanid.errors import InvalidSettings
from oceanid.models import AppScheduler, Scheduler
from oceanid.services.scheduler_health import accept_host_key

if TYPE_CHECKING:
    _AccountInline = admin.StackedInline[Scheduler, Scheduler]
    _Inline = type[admin.options.InlineModelAdmin[Any, Any]]
else:
    _AccountInline = admin.StackedInline


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
class SchedulerAdmin(LookedAtAdmin):
    """The records and their health."""

    form = SchedulerForm
    list_display = (
        "name",
        "engine",
        "health_shown",
        "health_message",
        "enabled",
        "looked_at_shown",
    )
    list_filter = ("engine", "enabled")
    search_fields = ("name",)
    audited_many = ("groups",)
    readonly_fields = (
        "health_shown", "since_shown", "capacity", "kept_secrets", "report_shown",
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
            {"fields": ("report_shown", "health_shown", "since_shown", "capacity")},
        ),
    )

    button = _("Test connection")
    looked_at_shown = moment("checked_at", _("looked at"))
    since_shown = moment("health_since", _("health since"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Scheduler]:
        """The schedulers themselves; people's accounts stand on their pages."""
        return super().get_queryset(request).filter(parent=None)

    def get_inlines(self, request: HttpRequest, obj: Scheduler | None) -> list[_Inline]:
        """Accounts of people's own: where a scheduler is, and where there are accounts."""
        return [AccountInline] if obj is not None and obj.engine != "local" else []

    def get_urls(self) -> list[URLPattern]:
        """The pages of a look, beside the admin's own."""
        accept = self.admin_site.admin_view(self.accept)
        return [
            path("<path:key>/accept/", accept, name="oceanid_scheduler_accept"),
            *super().get_urls(),
        ]

    def accept(self, request: HttpRequest, key: str) -> HttpResponse:
        """Accept the host key that the person looked at."""
        fingerprint = request.POST.get("fingerprint", "")
        return self.wish(
            request, key, lambda row: accept_host_key(row, fingerprint, _person(request))
        )

    def button_forms(self, row: Scheduler) -> list[tuple[str, str]]:
        """That of the test, and that of a host key."""
        return [*super().button_forms(row), ("o-accept", self.page_of("accept", row))]

    def has_delete_permission(self, request: HttpRequest, obj: Scheduler | None = None) -> bool:
        if obj is not None and obj.jobs.exists():
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description=_("health"))
    def health_shown(self, scheduler: Scheduler) -> SafeString:
        """Its health as a badge."""
        return health_badge(scheduler)

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
        try:
            return ", ".join(sorted(scheduler.secrets or {})) or "–"
        except InvalidSettings as problem:
            return f"{problem}"


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
