"""Clusters in the site admin: the list, and the form by which each is prepared and changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import ServedAdmin
from oceanid.admin.cluster_actions import ClusterActions
from oceanid.admin.cluster_form import ClusterForm
from oceanid.admin.cluster_watch import ClusterWatch
from oceanid.admin.prices import PricesPage
from oceanid.clouds.registry import title_of
from oceanid.models import Cluster
from oceanid.services import cluster_costs, cluster_page, clusters
from oceanid.services.cluster_values import FIXED, is_made
from oceanid.states import ClusterWanted
from oceanid.templatetags.oceanid_clusters import cluster_badge, usd


@admin.register(Cluster)
class ClusterAdmin(ClusterWatch, ClusterActions, PricesPage, ServedAdmin):
    """The clusters."""

    form = ClusterForm
    change_form_template = "admin/oceanid/cluster/change_form.html"
    change_list_template = "admin/oceanid/cluster/change_list.html"
    list_display = (
        "name_shown", "state_shown", "machines_shown", "sizes_shown", "cost_shown", "account_shown",
        "region_shown",
    )  # fmt: skip
    list_display_links = None
    list_filter = ("account",)
    list_select_related = ("account",)
    search_fields = ("name",)
    show_facets = admin.ShowFacets.NEVER
    fieldsets = (
        (None, {"fields": ("name", "account", "size")}),
        (
            _("Machines"),
            {"fields": ("master_image", "master_type", "node_image", "node_type", "spot")},
        ),
        (_("Where"), {"fields": ("region", "zones", "network", "resource_group")}),
        (
            _("Growth and cost"),
            {"fields": ("min_size", "max_size", "idle_minutes", "hourly_limit", "budget")},
        ),
        (_("How it is reached"), {"fields": ("own_key", "ssh_from")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what each costs at the moment."""
        return cluster_page.with_figures(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: Cluster | None = None) -> Any:
        """With the sentence that fits: nothing is made by this form."""
        (title, first), *others = super().get_fieldsets(request, obj)
        if obj is None:
            told = _(
                "A cluster is one master and its workers, running HTCondor. Nothing is made yet: "
                "first you see what will be made, and what it costs."
            )
        elif obj.wanted == ClusterWanted.PREPARED:
            told = _("It is prepared only: it has no machines, and costs nothing.")
        else:
            told = _("What you change here holds at once, also while it runs.")
        return ((title, {**first, "description": told}), *others)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a cluster that is there keeps for its whole life."""
        if obj is None or not is_made(obj):
            return ()
        return ("account", *FIXED)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(clusters.RUN)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is changed of one that may run costs: that needs the right to run clusters too."""
        if not super().has_change_permission(request, obj):
            return False
        runs = obj is not None and obj.wanted != ClusterWanted.PREPARED
        return not runs or request.user.has_perm(clusters.RUN)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With one button: what comes next is the cluster's page."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Go on to the plan, and look at once what would fail."""
        if request.user.has_perm(clusters.RUN):
            clusters.preflight(obj, request.user)
        return self.to_its_page(obj)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        """Go back to the cluster's page."""
        return self.to_its_page(obj)

    def to_its_page(self, cluster: Cluster) -> HttpResponse:
        """A redirect to a cluster's page."""
        return redirect(self.page_of("watch", cluster))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service."""
        clusters.save(obj, request.user)

    @admin.display(description=_("name"), ordering="name")
    def name_shown(self, cluster: Cluster) -> SafeString:
        """The name, as a link to the cluster's page."""
        return format_html('<a href="{}">{}</a>', self.page_of("watch", cluster), cluster.name)

    @admin.display(description=_("cloud account"), ordering="account")
    def account_shown(self, cluster: Cluster) -> str:
        """The cloud, and the account."""
        return f"{title_of(cluster.account.cloud)}: {cluster.account.name}"

    @admin.display(description=_("region"), ordering="region")
    def region_shown(self, cluster: Cluster) -> str:
        """Where it is, or is to be."""
        return str((cluster.blueprint or {}).get("region") or cluster.region or "–")

    @admin.display(description=_("machines"), ordering="size")
    def machines_shown(self, cluster: Any) -> SafeString:
        """How many there are, and how many are wanted."""
        wanted = cluster.target or cluster.size
        return format_html(
            '<span class="o-num">{}</span> <span class="o-sub o-same-line">{}</span>',
            cluster.machines, _("of %d") % wanted,
        )  # fmt: skip

    @admin.display(description=_("from – to"))
    def sizes_shown(self, cluster: Cluster) -> str:
        """Between which sizes it may follow the queue."""
        if cluster.max_size is None:
            return "–"
        return f"{cluster.min_size or 1} – {cluster.max_size}"

    @admin.display(description=_("US$ per hour"))
    def cost_shown(self, cluster: Any) -> SafeString:
        """What it costs at the moment."""
        if cluster.wanted == ClusterWanted.PREPARED:
            return format_html("{}", "–")
        return usd(cluster_costs.usd_of(cluster))

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, cluster: Cluster) -> SafeString:
        """What it does, and why it needs attention."""
        said = cluster.message if cluster.state in cluster_page.TROUBLED else ""
        if not said:
            return cluster_badge(cluster)
        return format_html('{} <span class="o-sub">{}</span>', cluster_badge(cluster), said[:160])
