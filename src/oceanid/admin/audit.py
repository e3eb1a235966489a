"""The audit history in the site admin: read, searched and taken along, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import FromAdmin
from oceanid.admin.bounded import BoundedPaginator
from oceanid.admin.csv_stream import csv_response
from oceanid.models import AuditEvent, Cluster
from oceanid.services import audit_search
from oceanid.services.asked import SINCE
from oceanid.templatetags.oceanid import when

VERBS: Final = {
    "add": _("added"),
    "change": _("changed"),
    "delete": _("deleted"),
    "test": _("had tested"),
    "accept-host-key": _("accepted the host key of"),
    "make-default": _("made default"),
    "stop": _("stopped"),
    "pause": _("paused"),
    "resume": _("resumed"),
    "resubmit": _("resubmitted"),
    "cancel": _("cancelled"),
    "retry-results": _("had results tried again of"),
    "share": _("shared"),
    "unshare": _("no longer shared"),
    "enable": _("switched on"),
    "disable": _("switched off"),
    "run": _("had made or started"),
    "resize": _("changed the size of"),
    "repair": _("had repaired"),
    "preflight": _("had checked beforehand"),
    "survey": _("had searched"),
    "adopt-found": _("adopted"),
    "delete-found": _("deleted what was found of"),
    "load-prices": _("loaded prices of"),
    "forget-prices": _("forgot loaded prices of"),
}
KINDS: Final = {
    "bulkaction": _("several jobs at once"),
    "job": _("job"),
    "savedview": _("saved view"),
    "scheduler": _("scheduler"),
    "appscheduler": _("app's scheduler"),
    "cloudaccount": _("cloud account"),
    "cluster": _("cluster"),
    "pricetable": _("prices"),
    "setting": _("settings"),
    "webhook": _("webhook"),
}
WANTED: Final = dict(Cluster.WANTED)
CHANGES_IN_LIST: Final = 3
HEADER: Final = (
    "time", "person", "did", "kind", "number", "name", "field", "before", "after", "note", "from",
)  # fmt: skip


class _Filter(admin.SimpleListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class VerbFilter(_Filter):
    """What was done."""

    title = _("what was done")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return list(VERBS.items())


class KindFilter(_Filter):
    """To what kind of thing."""

    title = _("kind of thing")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return list(KINDS.items())


class TimeFilter(admin.SimpleListFilter):
    """When."""

    title = _("time")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(key, label) for key, (label, _span) in SINCE.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return audit_search.since(queryset, self.value() or "")


@admin.register(AuditEvent)
class AuditAdmin(FromAdmin):
    """The list of what people did, and each event."""

    list_display = ("when_shown", "person", "did", "thing", "changes_short", "origin_shown")
    list_display_links = ("when_shown",)
    list_filter = (TimeFilter, VerbFilter, KindFilter)
    list_per_page = 100
    list_max_show_all = 100
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("person",)
    search_help_text = _("A person's name, a thing's number, or the beginning of its name")
    actions = None
    fields = ("when_shown", "person", "did", "thing", "changes_shown", "note", "origin_shown")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return audit_search.found(queryset, search_term), False

    def get_urls(self) -> list[URLPattern]:
        """The list as a file, beside the admin's own pages."""
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="oceanid_auditevent_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """All that the list's search and filters leave, as CSV; a line for each changed field."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        changes: ChangeList = self.get_changelist_instance(request)
        return csv_response(
            request,
            name="oceanid-audit.csv",
            header=HEADER,
            chunks=_lines(changes.queryset),
        )

    @admin.display(description=_("when"))
    def when_shown(self, event: AuditEvent) -> SafeString:
        """The moment."""
        return when(event.at)

    @admin.display(description=_("did"))
    def did(self, event: AuditEvent) -> str:
        """What was done, in words."""
        return str(VERBS.get(event.verb, event.verb))

    @admin.display(description=_("what"))
    def thing(self, event: AuditEvent) -> SafeString:
        """What it was done to, with a link while it is there."""
        kind = KINDS.get(event.kind, event.kind)
        number = f" #{event.object_id}" if event.object_id.isdecimal() else ""
        name = format_html("{}", event.object_name)
        if event.verb != "delete" and event.object_id:
            try:
                page = reverse(
                    f"admin:oceanid_{event.kind}_change",
                    args=[event.object_id],
                    current_app=self.admin_site.name,
                )
                name = format_html('<a href="{}">{}</a>', page, event.object_name)
            except NoReverseMatch:
                pass
        return format_html('{}<span class="o-sub">{}{}</span>', name, kind, number)

    @admin.display(description=_("changes"))
    def changes_short(self, event: AuditEvent) -> SafeString:
        """The first few changes, and what was noted."""
        lines = [format_html("{}", event.note)] if event.note else []
        for each in event.changes[:CHANGES_IN_LIST]:
            told = _short(_value(event, each, "after"))
            if event.verb != "add":
                told = f"{_short(_value(event, each, 'before'))} → {told}"
            name = _named(each["field"])
            lines.append(format_html('<span class="o-field">{}</span> {}', name, told))
        more = len(event.changes) - CHANGES_IN_LIST
        if more > 0:
            lines.append(format_html("{}", _("and %d more") % more))
        return format_html_join("", '<div class="o-change">{}</div>', ((line,) for line in lines))

    @admin.display(description=_("changes"))
    def changes_shown(self, event: AuditEvent) -> SafeString:
        """Every change, before and after."""
        if not event.changes:
            return format_html("{}", "–")
        head = format_html(
            "<tr><th>{}</th><th>{}</th><th>{}</th></tr>", _("field"), _("before"), _("after")
        )
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
            (
                (
                    _named(each["field"]),
                    _value(event, each, "before") or "–",
                    _value(event, each, "after") or "–",
                )
                for each in event.changes
            ),
        )
        return format_html(
            '<table class="o-history"><thead>{}</thead><tbody>{}</tbody></table>', head, rows
        )

    @admin.display(description=_("from"))
    def origin_shown(self, event: AuditEvent) -> str:
        """From where it was done."""
        return event.get_origin_display()


def _named(field: str) -> str:
    """A field as a form calls it: an option without the column that options stand in."""
    return field.removeprefix("config.").removeprefix("secrets.").replace("_", " ")


def _value(event: AuditEvent, change: dict[str, str], which: str) -> str:
    """A value in words; what is wanted of a cluster is kept as its code."""
    text = change[which]
    if event.kind == "cluster" and change["field"] == "wanted":
        return str(WANTED.get(text, text)).lower()
    return text


def _short(text: str) -> str:
    return (text if len(text) <= 40 else f"{text[:40]}…") or "–"


def _lines(rows: QuerySet[AuditEvent]) -> Iterator[Sequence[Sequence[Any]]]:
    for chunk in audit_search.in_chunks(rows):
        yield [
            (
                event.at.isoformat(), event.person, event.verb, event.kind, event.object_id,
                event.object_name, change.get("field"), change.get("before"), change.get("after"),
                event.note, event.origin,
            )
            for event in chunk
            for change in (event.changes or [{}])
        ]  # fmt: skip
