"""Schedulers in the site admin: where jobs may run, and how each one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.engines.registry import installed
from oceanid.models import AppScheduler, Scheduler
from oceanid.states import Health

if TYPE_CHECKING:
    _Form = forms.ModelForm[Scheduler]
    _SchedulerAdmin = admin.ModelAdmin[Scheduler]
    _AppSchedulerAdmin = admin.ModelAdmin[AppScheduler]
else:
    _Form, _SchedulerAdmin, _AppSchedulerAdmin = (
        forms.ModelForm,
        admin.ModelAdmin,
        admin.ModelAdmin,
    )

_TONES = {Health.OK: "done", Health.DEGRADED: "held", Health.UNREACHABLE: "bad"}


class SecretsField(forms.JSONField):
    """A JSON object that is typed in, and shown as nothing before."""

    def prepare_value(self, value: Any) -> Any:
        """Nothing where nothing was typed, not JSON's word for it."""
        return "" if value is None else super().prepare_value(value)


class SchedulerForm(_Form):
    """A scheduler record; its secrets go in and never come out again."""

    engine = forms.ChoiceField(label=_("Engine"))
    new_secrets = SecretsField(
        label=_("Secrets"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_(
            "A JSON object, for example {“password”: “…”}. What is stored is never shown; "
            "left blank it stays as it is."
        ),
    )

    class Meta:
        model = Scheduler
        fields = ("name", "engine", "config", "enabled", "groups")
        help_texts = {"config": _("A JSON object with the engine's options.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = []
        for entry in installed():
            title = entry.engine.title if entry.engine is not None else entry.name
            told = f"{title} ({entry.name})"
            choices.append((entry.name, f"{told}: {entry.problem}" if entry.problem else told))
        present = self.instance.engine
        if present and present not in dict(choices):
            choices.append((present, f"{present}: {_('not installed')}"))
        field = self.fields["engine"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean_engine(self) -> str:
        """An engine that can be used here; a broken one only where it stands already."""
        name = str(self.cleaned_data["engine"])
        problem = next((each.problem for each in installed() if each.name == name), "")
        if problem and name != self.instance.engine:
            raise ValidationError(_("This engine can't be used: %(why)s"), params={"why": problem})
        return name

    def clean_config(self) -> dict[str, Any]:
        """The options: an object."""
        return _object(self.cleaned_data["config"] or {})

    def clean_new_secrets(self) -> dict[str, Any] | None:
        """The secrets: an object, or nothing."""
        given = self.cleaned_data["new_secrets"]
        return None if given in (None, "") else _object(given)

    def save(self, commit: bool = True) -> Scheduler:
        """Keep the secrets unless others were given."""
        given = self.cleaned_data.get("new_secrets")
        if given is not None:
            self.instance.secrets = given
        return super().save(commit=commit)


@admin.register(Scheduler)
class SchedulerAdmin(_SchedulerAdmin):
    """The records and their health."""

    form = SchedulerForm
    list_display = ("name", "engine", "health_shown", "health_message", "enabled", "checked_at")
    list_filter = ("engine", "enabled")
    search_fields = ("name",)
    filter_horizontal = ("groups",)
    readonly_fields = (
        "health_shown", "health_message", "health_since", "checked_at", "capacity", "kept_secrets",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "engine", "enabled", "groups")}),
        (_("How to reach it"), {"fields": ("config", "new_secrets", "kept_secrets")}),
        (
            _("How it answers"),
            {
                "fields": (
                    "health_shown",
                    "health_message",
                    "health_since",
                    "checked_at",
                    "capacity",
                )
            },
        ),
    )

    class Media:
        css = {"all": ["oceanid/tokens.css", "oceanid/admin.css"]}

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
class AppSchedulerAdmin(_AppSchedulerAdmin):
    """Which scheduler each app's setting means."""

    list_display = ("app", "name", "description", "scheduler", "required")
    list_select_related = ("scheduler",)
    list_filter = ("app",)
    fields = ("app", "name", "description", "engine", "required", "scheduler")
    readonly_fields = ("app", "name", "description", "engine", "required")

    class Media:
        css = {"all": ["oceanid/tokens.css", "oceanid/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(_("A JSON object is needed: {“name”: value, …}."))
    return value
