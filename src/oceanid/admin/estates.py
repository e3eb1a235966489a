"""What there is in a cloud account with our tags: looked for, adopted or deleted after a plan."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from oceanid.admin.audited import FromAdmin
from oceanid.errors import InvalidValue, OceanidError
from oceanid.models import CloudAccount, Cluster, FoundEstate
from oceanid.services import beats, estates
from oceanid.supervisor.messages import cluster_path

MOST_ESTATES = 200
MOST_RESOURCES = 300
ORDER = ("ORP", "LEA", "FOR", "KNO")


class EstatesPage(FromAdmin):
    """Adds the audit of an account to the admin of accounts."""

    def get_urls(self) -> list[URLPattern]:
        """The page of an account, and the pages that ask before something is done."""
        view = self.admin_site.admin_view
        return [
            path("<int:key>/estates/", view(self.estates), name="oceanid_cloudaccount_estates"),
            path("estates/<int:estate>/adopt/", view(self.adopt),
                 name="oceanid_cloudaccount_adopt"),
            path("estates/<int:estate>/erase/", view(self.erase),
                 name="oceanid_cloudaccount_erase"),
            *super().get_urls(),
        ]  # fmt: skip

    def estates(self, request: HttpRequest, key: int) -> HttpResponse:
        """What was found; a POST asks for another look."""
        _require(request)
        rows = CloudAccount.objects.defer("secrets")
        account = rows.filter(pk=key).first()
        if account is None:
            raise Http404("There is no such account.")
        here = reverse("admin:oceanid_cloudaccount_estates", args=[account.pk])
        if request.method == "POST":
            estates.want_survey(account, request.user)
            return redirect(here)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        found = list(account.estates.order_by("name", "pk")[:MOST_ESTATES])
        clusters = Cluster.objects.filter(uuid__in=[each.cluster_uuid for each in found])
        pages = {uuid: cluster_path(pk) for uuid, pk in clusters.values_list("uuid", "pk")}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("What is in this account"),
            "account": account,
            "here": here,
            "is_supervised": beats.is_alive(),
            "found": [
                {
                    "estate": each,
                    "page": pages.get(each.cluster_uuid, ""),
                    "resources": each.resources[:MOST_RESOURCES],
                    "tone": _tone(each),
                    "may_adopt": estates.why_not(each, "adopt", force=True) is None,
                    "may_delete": estates.why_not(each, "delete", force=True) is None,
                }
                for each in sorted(found, key=lambda each: ORDER.index(each.verdict))
            ],
        }
        return TemplateResponse(request, "admin/oceanid/cloudaccount/estates.html", context)

    def adopt(self, request: HttpRequest, estate: int) -> HttpResponse:
        """Show what an adoption means; once it is confirmed, do it."""
        return self._take(request, estate, "adopt")

    def erase(self, request: HttpRequest, estate: int) -> HttpResponse:
        """Show what will be deleted; once its name is typed, want it."""
        return self._take(request, estate, "delete")

    def _take(self, request: HttpRequest, key: int, verb: str) -> HttpResponse:
        _require(request)
        row = FoundEstate.objects.select_related("account").defer("account__secrets")
        estate = row.filter(pk=key).first()
        if estate is None:
            raise Http404("It is not there any more.")
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        problem: OceanidError | None = None
        if request.method == "POST":
            try:
                cluster = _done(request, estate, verb)
            except OceanidError as refused:
                problem = refused
            else:
                messages.success(request, _("It is a cluster of this portal now."))
                return redirect("admin:oceanid_cluster_watch", key=cluster.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": (_("Adopt “%s”") if verb == "adopt" else _("Delete “%s”")) % _name(estate),
            "estate": estate,
            "name": _name(estate),
            "resources": estate.resources[:MOST_RESOURCES],
            "verb": verb,
            "machines": estates.machines_of(estate),
            "is_foreign": estate.verdict == FoundEstate.Verdict.FOREIGN,
            "refusal": estates.why_not(estate, verb, force=True),
            "problem": problem,
            "typed": request.POST.get("name", ""),
            "back": reverse("admin:oceanid_cloudaccount_estates", args=[estate.account_id]),
        }
        answer = TemplateResponse(request, "admin/oceanid/cloudaccount/take.html", context)
        answer.status_code = 200 if problem is None else 400
        return answer


def _done(request: HttpRequest, estate: FoundEstate, verb: str) -> Cluster:
    force = request.POST.get("force") == "on"
    if verb == "adopt":
        return estates.adopt(estate, request.user, force=force)
    if request.POST.get("name", "").strip() != _name(estate):
        raise InvalidValue(
            _("That is not its name."), hint=_("Type “%s” to delete it.") % _name(estate)
        )
    return estates.delete(estate, request.user, force=force)


def _name(estate: FoundEstate) -> str:
    return estate.name or str(estate.cluster_uuid)


def _tone(estate: FoundEstate) -> str:
    tones: dict[Any, str] = {"KNO": "done", "ORP": "bad", "LEA": "held", "FOR": "quiet"}
    return "stop" if estate.wish == "delete" else tones.get(estate.verdict, "quiet")


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(estates.AUDIT):
        raise PermissionDenied
