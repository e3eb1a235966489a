"""What is done to a cluster by hand: each action is shown as a plan, and then asked for."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oceanid.admin.audited import FromAdmin
from oceanid.errors import InvalidValue, OceanidError
from oceanid.models import Cluster
from oceanid.services import cluster_leaving, clusters
from oceanid.services.cluster_values import MOST_MACHINES
from oceanid.states import ClusterWanted

TITLES = {
    "resize": gettext_lazy("Change the size of “%s”"),
    "stop": gettext_lazy("Stop “%s”"),
    "start": gettext_lazy("Start “%s”"),
    "repair": gettext_lazy("Repair “%s”"),
    "delete": gettext_lazy("Delete “%s”"),
}
DONE = {
    "create": gettext_lazy("It is being made. This page tells how far it is."),
    "preflight": gettext_lazy("A supervisor looks what would fail."),
    "resize": gettext_lazy("Its size is being changed."),
    "stop": gettext_lazy("It is being stopped."),
    "start": gettext_lazy("It is being started."),
    "repair": gettext_lazy("It is being repaired."),
    "delete": gettext_lazy("It is being deleted."),
}


class ClusterActions(FromAdmin):
    """Adds what can be done to a cluster to its admin."""

    def get_urls(self) -> list[URLPattern]:
        """One address an action: a look at it shows the plan, a POST asks for it."""
        view = self.admin_site.admin_view
        asked = [
            path(f"<int:key>/{verb}/", view(self._view(verb)), name=f"oceanid_cluster_{verb}")
            for verb in DONE
        ]
        return [*asked, *super().get_urls()]

    def _view(self, verb: str) -> Callable[..., HttpResponse]:
        def act(request: HttpRequest, key: int) -> HttpResponse:
            return self.act(request, key, verb)

        return act

    def act(self, request: HttpRequest, key: int, verb: str) -> HttpResponse:
        """Show what an action will do; once it is confirmed, ask for it."""
        cluster: Cluster = self.cluster_of(request, key)  # type: ignore[attr-defined]
        if not request.user.has_perm(clusters.RUN) and not self._may_forget(request, cluster, verb):
            raise PermissionDenied
        if request.method == "POST":
            return self._do(request, cluster, verb)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if verb in ("create", "preflight"):
            return redirect(self._page(cluster))
        return self._ask(request, cluster, verb)

    def _may_forget(self, request: HttpRequest, cluster: Cluster, verb: str) -> bool:
        """Whether somebody may remove one that was only prepared, as the rows of other things."""
        is_prepared = cluster.wanted == ClusterWanted.PREPARED
        return verb == "delete" and is_prepared and self.has_delete_permission(request, cluster)

    def _do(self, request: HttpRequest, cluster: Cluster, verb: str) -> HttpResponse:
        name = cluster.name
        try:
            _asked(cluster, verb, request)
        except OceanidError as problem:
            if isinstance(problem, InvalidValue) and verb in TITLES:
                return self._ask(request, cluster, verb, problem)
            messages.error(request, str(problem))
            return redirect(self._page(cluster))
        if not Cluster.objects.filter(pk=cluster.pk).exists():
            messages.success(request, _("“%s” is no more.") % name)
            return redirect("admin:oceanid_cluster_changelist")
        messages.success(request, str(DONE[verb]))
        return redirect(self._page(cluster))

    def _ask(
        self, request: HttpRequest, cluster: Cluster, verb: str, problem: Any = None
    ) -> HttpResponse:
        size, told = _size(request, cluster, verb)
        force = _is_given(request, "force")
        wanted = {"stop": ClusterWanted.STOP, "delete": ClusterWanted.DELETE}
        leaving = cluster_leaving.forecast(cluster, verb, size)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(TITLES[verb]) % cluster.name,
            "cluster": cluster,
            "verb": verb,
            "problem": problem or told,
            "typed": request.POST.get("name", ""),
            "size": size,
            "force": force,
            "plan": clusters.plan(cluster, wanted=wanted.get(verb, ClusterWanted.RUN), size=size),
            "leaving": leaving,
            "stays": clusters.why_it_stays(cluster) if verb == "delete" else None,
            "watch_url": self._page(cluster),
        }
        # What was only looked at is no error, whatever there is to be said of it.
        status = 200 if problem is None else 400
        return TemplateResponse(request, "admin/oceanid/cluster/act.html", context, status=status)

    def _page(self, cluster: Cluster) -> str:
        return str(self.page_of("watch", cluster))  # type: ignore[attr-defined]


def _asked(cluster: Cluster, verb: str, request: HttpRequest) -> None:
    """Ask for an action, as the form says."""
    person, force = request.user, _is_given(request, "force")
    if verb == "create":
        clusters.create(cluster, person)
    elif verb == "preflight":
        clusters.preflight(cluster, person)
    elif verb == "resize":
        size, problem = _size(request, cluster, verb)
        if problem is not None:
            raise problem
        clusters.resize(cluster, size, person, force=force)
    elif verb == "stop":
        clusters.stop(cluster, person, force=force)
    elif verb == "start":
        clusters.start(cluster, person)
    elif verb == "repair":
        clusters.repair(cluster, person)
    else:
        if request.POST.get("name", "").strip() != cluster.name:
            raise InvalidValue(
                _("That is not the name of the cluster."),
                hint=_("Type “%s” to delete it.") % cluster.name,
            )
        clusters.delete(cluster, person, force=force)


def _size(request: HttpRequest, cluster: Cluster, verb: str) -> tuple[int, InvalidValue | None]:
    """The size that is asked for, and what is wrong with it."""
    source = request.POST if request.method == "POST" else request.GET
    given = source.get("size", "").strip()
    if verb != "resize" or (not given and request.method != "POST"):
        return cluster.size, None
    if given.isascii() and given.isdecimal() and 1 <= int(given[:9]) <= MOST_MACHINES:
        asked = copy(cluster)
        asked.size = int(given[:9])
        problem = clusters.problems(asked).get("size")
        return asked.size, problem if isinstance(problem, InvalidValue) else None
    return cluster.size, InvalidValue(
        _("“%s” is not a size.") % given[:20],
        hint=_("It is a whole number from 1, which is the master alone, to %d.") % MOST_MACHINES,
    )


def _is_given(request: HttpRequest, name: str) -> bool:
    source = request.POST if request.method == "POST" else request.GET
    return source.get(name) == "on"
