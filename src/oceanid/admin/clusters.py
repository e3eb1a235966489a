"""Clusters in the site admin: prepared there, and looked at before they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import ServedAdmin
from oceanid.clouds.registry import title_of
from oceanid.errors import OceanidError
from oceanid.models import CloudAccount, Cluster, Setting
from oceanid.services import clusters

if TYPE_CHECKING:
    _Form = forms.ModelForm[Cluster]
    _AccountChoice = forms.ModelChoiceField[CloudAccount]
else:
    _Form = forms.ModelForm
    _AccountChoice = forms.ModelChoiceField


class AccountChoice(_AccountChoice):
    """Accounts, each with its cloud."""

    def label_from_instance(self, obj: CloudAccount) -> str:
        """The cloud's name, then the account's."""
        return f"{title_of(obj.cloud)}: {obj.name}"


class ClusterForm(_Form):
    """What is wanted of a cluster."""

    account = AccountChoice(
        CloudAccount.objects.order_by("cloud", "-is_default", "name"),
        label=_("Cloud account"),
        help_text=_("With what account its machines are asked for, and paid."),
    )
    zones = forms.CharField(
        label=_("Zones"),
        required=False,
        max_length=200,
        help_text=_(
            "With commas between them, the preferred one first: eu-central-1a, eu-central-1b on "
            "Amazon, 1, 2 on Azure. Empty: any."
        ),
    )

    class Meta:
        model = Cluster
        fields = (
            "name", "account", "size", "master_image", "master_type", "node_image", "node_type",
            "region", "zones", "spot", "min_size", "max_size", "idle_minutes", "hourly_limit",
            "network", "resource_group",
        )  # fmt: skip
        help_texts = {
            "master_image": _("What the master boots, as ami-… on Amazon. Empty: as the nodes."),
            "master_type": _("How large the master is, as m7a.large. Empty: as the nodes."),
            "node_image": _("What the workers boot. Empty: the current Debian."),
            "node_type": _(
                "How large a worker is, as c7a.2xlarge on Amazon. Empty: as the default cluster "
                "has it, else the cloud's default."
            ),
            "region": _("As eu-central-1 on Amazon, westeurope on Azure. Empty: the account's."),
            "spot": _(
                "Workers that the cloud may take back, for a part of the price. Jobs on them are "
                "run again; the master is never one."
            ),
            "min_size": _("With a maximum, the size follows the queue between the two."),
            "max_size": _("The most machines at a time, the master included."),
            "idle_minutes": _("Minutes without a job after which the machines are given back."),
            "hourly_limit": _("In US dollars: what would cost more an hour is not started."),
            "network": _("A network or subnet that is there, by its id. Empty: a new one."),
            "resource_group": _("On Azure, a group that is there. Empty: a new one."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account = self.fields["account"]
        if not CloudAccount.objects.exists():
            page = reverse("admin:oceanid_setting_changelist")
            account.help_text = format_html(
                '{} <a href="{}">{}</a>', _("There is none yet. Give the credentials first:"), page,
                _("Settings"),
            )  # fmt: skip
        self.initial["zones"] = ", ".join(self.instance.zones or [])
        if self.instance.pk is None:
            part = Setting.objects.filter(default_cluster__isnull=False)
            offered = part.values_list("default_cluster__account", flat=True).first()
            if offered is None:
                default = CloudAccount.objects.filter(is_default=True).order_by("cloud").first()
                offered = default.pk if default else None
            self.initial.setdefault("account", offered)

    def clean_zones(self) -> list[str]:
        """The zones, one by one."""
        return [zone.strip() for zone in self.cleaned_data["zones"].split(",") if zone.strip()]

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.cleaned_data.get("account") is None:
            return
        for name, problem in clusters.problems(self.instance).items():
            if name not in self.errors:
                self.add_error(name, str(problem))


@admin.register(Cluster)
class ClusterAdmin(ServedAdmin):
    """The clusters."""

    form = ClusterForm
    list_display = ("name", "account_shown", "size", "sizes_shown", "region", "state_shown")
    list_filter = ("account",)
    list_select_related = ("account",)
    search_fields = ("name",)
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("state_shown",)
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A cluster is one master and its workers, running HTCondor. It is prepared "
                    "here and looked at: this version does not make machines yet, so nothing is "
                    "started and nothing costs anything."
                ),
                "fields": ("name", "account", "size", "state_shown"),
            },
        ),
        (
            _("Machines"),
            {"fields": ("master_image", "master_type", "node_image", "node_type", "spot")},
        ),
        (_("Where"), {"fields": ("region", "zones", "network", "resource_group")}),
        (
            _("Growth and cost"),
            {"fields": ("min_size", "max_size", "idle_minutes", "hourly_limit")},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Cluster | None = None) -> Any:
        """Without a state while there is none."""
        (title, first), *others = super().get_fieldsets(request, obj)
        if obj is None:
            first = {**first, "fields": ("name", "account", "size")}
        return ((title, first), *others)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service."""
        clusters.save(obj, request.user)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """By the service."""
        clusters.delete(obj, request.user)

    def why_it_stays(self, obj: Any) -> OceanidError | None:
        """The default cluster stays."""
        return clusters.why_it_stays(obj)

    @admin.display(description=_("cloud account"), ordering="account")
    def account_shown(self, cluster: Cluster) -> str:
        """The cloud, and the account."""
        return f"{title_of(cluster.account.cloud)}: {cluster.account.name}"

    @admin.display(description=_("from – to"))
    def sizes_shown(self, cluster: Cluster) -> str:
        """Between which sizes it may follow the queue."""
        if cluster.max_size is None:
            return "–"
        return f"{cluster.min_size or 1} – {cluster.max_size}"

    @admin.display(description=_("state"))
    def state_shown(self, cluster: Cluster) -> SafeString:
        """Whether it has machines."""
        return format_html(
            '<span class="o-badge" data-tone="quiet">{}</span> <span class="o-sub">{}</span>',
            _("Prepared"),
            _("has no machines"),
        )
