"""The filters of the list of jobs in the site admin, and what its address asks for by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from oceanid.models import Scheduler
from oceanid.services import sifting
from oceanid.services.asked import SINCE, Asked
from oceanid.states import JOB_WORDS, JobState

MOST_SCHEDULERS = 200


class _Filter(admin.SimpleListFilter):
    """One filter of the list; what all of them leave is found together, by :class:`JobList`."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class AppFilter(_Filter):
    """Jobs of one app."""

    title = _("app")
    parameter_name = "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(app, app) for app in sifting.apps()]


class StatusFilter(_Filter):
    """Jobs in one status."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(state.value, _(word)) for state, word in JOB_WORDS.items()]


class SchedulerFilter(_Filter):
    """Jobs on one scheduler."""

    title = _("scheduler")
    parameter_name = "scheduler"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        names = Scheduler.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names[:MOST_SCHEDULERS]]


class CreatedFilter(_Filter):
    """Jobs that were created lately."""

    title = _("created")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(key, label) for key, (label, _span) in SINCE.items()]


class UserFilter(_Filter):
    """Jobs of one user, who is named: a list of all of them would have no end."""

    title = _("user")
    parameter_name = "user"
    template = "admin/oceanid/job/user_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("", _("Anyone"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the form keeps of the address, and the name that is looked for."""
        apart = (self.parameter_name, PAGE_VAR)
        kept = [each for each in changelist.params.items() if each[0] not in apart]
        yield {
            "selected": not self.value(),
            "query_string": changelist.get_query_string(remove=list(apart)),
            "display": _("Anyone"),
            "value": self.value() or "",
            "kept": kept,
        }


def asked_of(request: HttpRequest) -> Asked:
    """What the address of the list asks for."""
    given = {name: request.GET.get(name, "") for name in ("app", "scheduler", "since", "user", "q")}
    code = request.GET.get("status", "")
    status = JOB_WORDS[JobState(code)] if code in set(JobState) else ""
    return Asked.read({**given, "scope": "all", "status": status})
