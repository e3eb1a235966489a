"""Settings in the site admin: exactly three parts, edited, never added or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid import conf
from oceanid.admin.account_form import credentials_form, fields_of
from oceanid.admin.accounts import keep, options_table
from oceanid.admin.audited import ServedAdmin
from oceanid.admin.looks import Looked, LookedAtAdmin, health_badge
from oceanid.models import Cluster, Part, Setting
from oceanid.services import accounts, schedulers, site_settings
from oceanid.templatetags.oceanid import when

if TYPE_CHECKING:
    _Form = forms.ModelForm[Setting]
else:
    _Form = forms.ModelForm

ABOUT: Final = {
    Part.AZURE: _(
        "With these the portal asks Azure for machines. They are those of Azure's default "
        "account; others stand under Cloud accounts."
    ),
    Part.AMAZON: _(
        "With these the portal asks Amazon for machines. They are those of Amazon's default "
        "account; others stand under Cloud accounts."
    ),
    Part.CLUSTER: _("Where jobs go that name no scheduler."),
}


class ClusterManagementForm(_Form):
    """The third part."""

    scheduler_ip = forms.CharField(
        label=_("Scheduler IP"),
        required=False,
        max_length=255,
        help_text=_(
            "Address or name of an HTCondor submit host that the portal reaches by SSH. It is "
            "one of the schedulers then, and takes the jobs that name none. Its user name and "
            "host key stand on the scheduler's own page."
        ),
    )
    scheduler_key_location = forms.CharField(
        label=_("Scheduler Key Location"),
        required=False,
        max_length=500,
        help_text=_(
            "The path of the SSH private key for it on the portal's machine. Only the portal's "
            "user may read it: chmod 600. Empty for the SSH agent, or a key that the scheduler's "
            "page holds."
        ),
    )
    default_cluster = forms.ModelChoiceField(
        Cluster.objects.select_related("account"),
        label=_("Default Cluster"),
        required=False,
        empty_label=_("None"),
        help_text=_(
            "Once its machines are made, its master takes the jobs that name no scheduler, before "
            "the Scheduler IP above. What other clusters leave open is taken from it."
        ),
    )

    class Meta:
        model = Setting
        fields = ("default_cluster",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = self.instance.scheduler.config if self.instance.scheduler else {}
        self.initial["scheduler_ip"] = config.get("host", "")
        self.initial["scheduler_key_location"] = config.get("key_path", "")

    def clean(self) -> dict[str, Any]:
        """Each value looked at, each problem at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        host = cleaned.get("scheduler_ip", "")
        key = cleaned.get("scheduler_key_location", "")
        if problem := site_settings.host_problem(host):
            self.add_error("scheduler_ip", str(problem))
        if problem := site_settings.key_problem(key):
            self.add_error("scheduler_key_location", str(problem))
        if key and not host:
            self.add_error("scheduler_ip", _("Give the scheduler's IP that the key belongs to."))
        return cleaned


@admin.register(Setting)
class SettingAdmin(LookedAtAdmin, ServedAdmin):
    """The three parts."""

    list_display = ("__str__", "about", "health_shown", "changed_shown", "changed_by")
    list_display_links = ("__str__",)
    list_select_related = ("scheduler", "default_cluster", "changed_by")
    readonly_fields = ("report_shown", "present_shown", "options_shown")
    actions = None
    sortable_by = ()
    ordering = ("part",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Setting | None = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of the part."""
        if obj is None or obj.part == Part.CLUSTER:
            return ClusterManagementForm
        return credentials_form(obj.part)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The sections of the part."""
        if obj is None or obj.part == Part.CLUSTER:
            fields = ("scheduler_ip", "scheduler_key_location", "default_cluster")
            sections: Any = ((None, {"fields": fields, "description": ABOUT[Part.CLUSTER]}),)
        else:
            (title, first), *others = fields_of(obj.part).sections
            sections = ((title, {**first, "description": ABOUT[Part(obj.part)]}), *others)
        if not self.has_change_permission(request, obj):
            sections = ((None, {"fields": ("options_shown",)}),)
        last = (
            ("present_shown", "report_shown")
            if obj and obj.part == Part.CLUSTER
            else ("report_shown",)
        )
        return (*sections, (_("How it answers"), {"fields": last}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Under the part's own name."""
        context["title"], context["subtitle"] = str(context["original"]), None
        return super().render_change_form(request, context, *args, **kwargs)

    def looked_at(self, row: Setting) -> Looked | None:
        """The default account of the cloud, or the scheduler of the address."""
        return row.scheduler if row.part == Part.CLUSTER else accounts.default_account(row.part)

    def button_forms(self, row: Setting) -> list[tuple[str, str]]:
        """That of the test, and that of a scheduler's host key."""
        forms = super().button_forms(row)
        if row.scheduler is not None:
            accept = reverse(
                "admin:oceanid_scheduler_accept",
                args=[row.scheduler.pk],
                current_app=self.admin_site.name,
            )
            forms.append(("o-accept", accept))
        return forms

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the services."""
        if obj.part == Part.CLUSTER:
            site_settings.save_cluster_management(
                scheduler_ip=form.cleaned_data["scheduler_ip"],
                key_location=form.cleaned_data["scheduler_key_location"],
                default_cluster=form.cleaned_data["default_cluster"],
                actor=request.user,
            )
            return
        keep(request, form.account, form)
        site_settings.touched(Part(obj.part), request.user)

    @admin.display(description=_("options"))
    def options_shown(self, row: Setting) -> SafeString:
        """What is set, for somebody who may only look."""
        if row.part == Part.CLUSTER:
            return format_html("{}", self.about(row))
        return options_table(accounts.default_account(row.part))

    @admin.display(description=_("now"))
    def about(self, row: Setting) -> str:
        """What is set, in short."""
        if row.part == Part.CLUSTER:
            where = row.scheduler and str(row.scheduler.config.get("host"))
            parts = [where, row.default_cluster and row.default_cluster.name]
        else:
            config = accounts.default_account(row.part).config
            names = ("access_key_id", "user_id", "subscription_id", "region")
            parts = [config.get(name) for name in names]
            if config.get("use_role"):
                parts.insert(0, str(_("the machine's own role")))
        return ", ".join(str(each) for each in parts if each) or str(_("Nothing yet"))

    @admin.display(description=_("health"))
    def health_shown(self, row: Setting) -> SafeString:
        """How it answered."""
        record = self.looked_at(row)
        if record is None or record.pk is None:
            return format_html("{}", "–")
        return health_badge(record)

    @admin.display(description=_("changed"))
    def changed_shown(self, row: Setting) -> SafeString:
        """When it was changed."""
        return when(row.changed_at)

    @admin.display(description=_("jobs that name no scheduler"))
    def present_shown(self, row: Setting) -> SafeString:
        """Where they go now."""
        found = schedulers.chosen()
        if found is None:
            return format_html("{} {}", _("Go to"), conf.current().default_scheduler)
        page = reverse(
            "admin:oceanid_scheduler_change", args=[found.pk], current_app=self.admin_site.name
        )
        return format_html('{} <a href="{}">{}</a>', _("Go to"), page, found.name)
