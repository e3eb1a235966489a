"""The form of a cluster: what is wanted of it, checked before it is kept."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from oceanid.clouds.registry import title_of
from oceanid.models import CloudAccount, Cluster, Setting
from oceanid.services import clusters

if TYPE_CHECKING:
    _Form = forms.ModelForm[Cluster]
    _AccountChoice = forms.ModelChoiceField[CloudAccount]
else:
    _Form = forms.ModelForm
    _AccountChoice = forms.ModelChoiceField

MOST_NETWORKS = 50


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
    ssh_from = forms.CharField(
        label=_("Reached by SSH from"),
        required=False,
        max_length=2000,
        help_text=_(
            "Networks from which the master's SSH port can be reached, with commas between them: "
            "203.0.113.7/32 is one address. They must hold this portal's, as the cloud sees it. "
            "Empty: as the default cluster or the site's settings say. No other port is open."
        ),
    )

    class Meta:
        model = Cluster
        fields = (
            "name", "account", "size", "master_image", "master_type", "node_image", "node_type",
            "region", "zones", "spot", "min_size", "max_size", "idle_minutes", "hourly_limit",
            "budget", "network", "resource_group", "own_key", "ssh_from",
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
                "run again; the master is never one. Where there are none, others are taken."
            ),
            "min_size": _("With a maximum, the size follows the queue between the two."),
            "max_size": _("The most machines at a time, the master included."),
            "idle_minutes": _(
                "Minutes without a job after which it is stopped; it starts by itself when a job "
                "comes. Empty: never."
            ),
            "hourly_limit": _("In US dollars: what would cost more an hour is not started."),
            "budget": _(
                "In US dollars, for its whole life: when it is used up, the cluster is stopped."
            ),
            "network": _(
                "A network or subnet that is there, by its id. Empty: the region's default one on "
                "Amazon, a new one on Azure."
            ),
            "resource_group": _("On Azure, a group that is there. Empty: a new one."),
            "own_key": _(
                "The master is opened by a key that is made for this cluster alone, instead of by "
                "the account's."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Any = self.fields.get("account")
        if account is not None and not CloudAccount.objects.exists():
            page = reverse("admin:oceanid_setting_changelist")
            account.help_text = format_html(
                '{} <a href="{}">{}</a>', _("There is none yet. Give the credentials first:"), page,
                _("Settings"),
            )  # fmt: skip
        for name in ("zones", "ssh_from"):
            self.initial[name] = ", ".join(getattr(self.instance, name) or [])
        if self.instance.pk is None:
            part = Setting.objects.filter(default_cluster__isnull=False)
            offered = part.values_list("default_cluster__account", flat=True).first()
            if offered is None:
                default = CloudAccount.objects.filter(is_default=True).order_by("cloud").first()
                offered = default.pk if default else None
            self.initial.setdefault("account", offered)

    def clean_zones(self) -> list[str]:
        """The zones, one by one."""
        return _listed(self.cleaned_data["zones"])

    def clean_ssh_from(self) -> list[str]:
        """The networks, one by one, as they are written properly."""
        given = _listed(self.cleaned_data["ssh_from"])
        if len(given) > MOST_NETWORKS:
            raise ValidationError(_now("These are too many networks: 50 at most."))
        found = []
        for each in given:
            try:
                found.append(str(ipaddress.ip_network(each)))
            except ValueError as problem:
                raise ValidationError(
                    _now("“%(given)s” is not a network. It looks like 203.0.113.0/24."),
                    params={"given": each[:60]},
                ) from problem
        return found

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.instance.account_id is None:
            return
        for name, problem in clusters.problems(self.instance).items():
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, str(problem))


def _listed(given: str) -> list[str]:
    return [each.strip() for each in given.split(",") if each.strip()]
