"""The page of one cluster: what it does, what it is made of, and what it costs; live."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotModified,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language

from oceanid.admin.audited import FromAdmin
from oceanid.models import Cluster
from oceanid.services import beats, cluster_page, clusters
from oceanid.states import ClusterState, ClusterWanted


class ClusterWatch(FromAdmin):
    """Adds the page of a cluster to its admin."""

    def get_urls(self) -> list[URLPattern]:
        """The page, and the part of it that is loaded again and again."""
        view = self.admin_site.admin_view
        return [
            path("<int:key>/watch/", view(self.watch), name="oceanid_cluster_watch"),
            path("<int:key>/live/", view(self.live), name="oceanid_cluster_live"),
            *super().get_urls(),
        ]

    def page_of(self, what: str, cluster: Cluster) -> str:
        """The address of one of a cluster's pages."""
        name = f"admin:oceanid_cluster_{what}"
        return reverse(name, args=[cluster.pk], current_app=self.admin_site.name)

    def watch(self, request: HttpRequest, key: int) -> HttpResponse:
        """The page."""
        cluster = self.cluster_of(request, key)
        context = {
            **self.admin_site.each_context(request),
            **self.live_context(request, cluster),
            "opts": self.opts,
            "title": cluster.name,
            "may_change": self.has_change_permission(request, cluster),
        }
        return TemplateResponse(request, "admin/oceanid/cluster/watch.html", context)

    def live(self, request: HttpRequest, key: int) -> HttpResponse:
        """The part of the page that changes; nothing when nothing has changed, or all is gone."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        mark = cluster_page.mark(key)
        if not mark:
            return HttpResponse(status=204)
        tag = f'"{mark}-{request.user.pk}-{get_language()}"'
        if request.headers.get("If-None-Match") == tag:
            answer: HttpResponse = HttpResponseNotModified()
        else:
            context = self.live_context(request, self.cluster_of(request, key))
            answer = TemplateResponse(request, "oceanid/parts/cluster.html", context)
        answer["ETag"] = tag
        return answer

    def cluster_of(self, request: HttpRequest, key: int) -> Cluster:
        """A cluster that the person may see.

        Raises:
            PermissionDenied: The person may see none.
            Http404: There is no such cluster.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = Cluster.objects.select_related("account", "scheduler")
        rows = rows.defer("secrets", "account__secrets", "scheduler__secrets")
        cluster = rows.filter(pk=key).first()
        if cluster is None:
            raise Http404("There is no such cluster.")
        return cluster

    def live_context(self, request: HttpRequest, cluster: Cluster) -> dict[str, Any]:
        """What the part that changes shows."""
        is_prepared = cluster.wanted == ClusterWanted.PREPARED
        wanted = ClusterWanted(cluster.wanted)
        may_run = request.user.has_perm(clusters.RUN) and wanted is not ClusterWanted.DELETE
        found = cluster_page.read(cluster)
        return {
            "page": found,
            "cluster": cluster,
            "is_prepared": is_prepared,
            "plan": clusters.plan(cluster) if is_prepared else None,
            "may_run": may_run,
            "is_wanted": wanted is ClusterWanted.RUN,
            "is_troubled": cluster.state in cluster_page.TROUBLED,
            "is_deleting": cluster.state == ClusterState.DELETING or (
                wanted is ClusterWanted.DELETE
            ),
            "is_supervised": beats.is_alive(),
            "jobs_url": _jobs_of(cluster),
            "urls": {
                name: self.page_of(name, cluster)
                for name in ("watch", "live", "create", "preflight", "resize", "stop", "start",
                             "repair", "change", "delete", "history")
            },
        }  # fmt: skip


def _jobs_of(cluster: Cluster) -> str:
    """Where the jobs on a cluster are listed; "" while it is no scheduler."""
    if cluster.scheduler is None:
        return ""
    wanted = f"?scope=all&status=active&scheduler={quote(cluster.scheduler.name)}"
    return reverse("oceanid:jobs") + wanted
