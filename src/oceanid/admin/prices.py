"""The prices that costs are reckoned by: how old they are, and newer ones from a file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from oceanid.admin.audited import FromAdmin
from oceanid.clouds import prices as tables
from oceanid.clouds.registry import installed, title_of
from oceanid.errors import InvalidValue, NotFound, OceanidError
from oceanid.models import PriceTable
from oceanid.services import prices


class PricesPage(FromAdmin):
    """Adds the page of prices to the admin of clusters."""

    def get_urls(self) -> list[URLPattern]:
        """The page, and the prices as a file."""
        view = self.admin_site.admin_view
        return [
            path("prices/", view(self.prices_view), name="oceanid_cluster_prices"),
            path("prices/<slug:cloud>/", view(self.prices_file), name="oceanid_cluster_pricesfile"),
            *super().get_urls(),
        ]

    def prices_view(self, request: HttpRequest) -> HttpResponse:
        """Show the prices in use; by a POST load others, or go back to those that are shipped."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        may_load = request.user.has_perm(prices.LOAD)
        problem = None
        if request.method == "POST":
            if not may_load:
                raise PermissionDenied
            try:
                messages.success(request, _done(request))
                return redirect("admin:oceanid_cluster_prices")
            except OceanidError as refused:
                problem = refused
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Prices"),
            "clouds": _clouds(),
            "may_load": may_load,
            "problem": problem,
            "old_after": tables.OLD_AFTER_DAYS,
        }
        answer = TemplateResponse(request, "admin/oceanid/cluster/prices.html", context)
        answer.status_code = 200 if problem is None else 400
        return answer

    def prices_file(self, request: HttpRequest, cloud: str) -> HttpResponse:
        """The prices in use of a cloud, as a file that can be changed and loaded."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            text = prices.exported(cloud)
        except NotFound as problem:
            raise Http404(str(problem)) from problem
        answer = HttpResponse(text, content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="prices-{cloud}.json"'
        return answer


def _done(request: HttpRequest) -> str:
    """Do what the form says; what to tell of it."""
    cloud = request.POST.get("cloud", "")
    if request.POST.get("do") == "forget":
        prices.forget(cloud, request.user)
        return _("The prices of %s that came with Oceanid are in use again.") % title_of(cloud)
    given: Any = request.FILES.get("file")
    if given is None:
        raise InvalidValue(_("No file was chosen."), hint=_("Choose a file of prices."))
    raw = given.read(tables.MOST_BYTES + 1)
    older = request.POST.get("older") == "on"
    table = prices.load(raw, request.user, may_be_older=older)
    return _("The prices of %(cloud)s of %(day)s are in use.") % {
        "cloud": title_of(table.cloud), "day": table.dated.isoformat(),
    }  # fmt: skip


def _clouds() -> list[dict[str, Any]]:
    """The prices of each cloud, for the page."""
    in_use = prices.all_in_use()
    loaded = {row.cloud: row for row in PriceTable.objects.select_related("loaded_by")}
    found = []
    for entry in installed():
        table = in_use.get(entry.name)
        regions = table.regions.values() if table is not None else ()
        found.append(
            {
                "name": entry.name,
                "title": entry.title,
                "table": table,
                "loaded": loaded.get(entry.name),
                "regions": len(regions),
                "count": sum(len(each.machines) for each in regions),
            }
        )
    return found
