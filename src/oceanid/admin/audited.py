"""What every part of the section shares: each change by a person goes into the audit history."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.text import capfirst

from oceanid.errors import OceanidError
from oceanid.fields import encrypted_fields
from oceanid.services import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


@contextmanager
def by_hand() -> Iterator[None]:
    """A transaction of the site admin that begins with a write, though Django's views read
    first."""
    with transaction.atomic():
        audit.begin()
        yield


class FromAdmin(_ModelAdmin):
    """A part of the section; whatever its pages do is told to have been done in the site admin."""

    empty_value_display = "–"

    class Media:
        css = {"all": ["oceanid/tokens.css", "oceanid/admin.css"]}
        js = ["oceanid/pages.js"]

    @property
    def urls(self) -> list[URLPattern]:
        """Its addresses."""
        return [_told(each) for each in self.get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without secrets, which are read where they are needed: a page whose secrets no present
        key opens can still be shown, and they can be given anew."""
        return super().get_queryset(request).defer(*encrypted_fields(self.model))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The list under its own name, not under what one might do with it."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows; where nothing leaves any out, nothing offers to show all."""
        changes = super().get_changelist_instance(request)
        if not changes.query and not changes.has_active_filters:
            changes.full_result_count = changes.result_count
        return changes


class AuditedAdmin(FromAdmin):
    """A part of the section whose changes are told in the audit history, in their transaction."""

    audited_many: tuple[str, ...] = ()
    """Many-to-many fields whose changes are told too."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; what is saved by it comes from the site admin."""
        if request.method != "POST":
            return super().changeform_view(request, *args, **kwargs)
        try:
            with by_hand():
                return super().changeform_view(request, *args, **kwargs)
        except OceanidError as problem:
            return self.refused(request, problem)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The question before a deletion, and the deletion."""
        if request.method != "POST":
            return super().delete_view(request, *args, **kwargs)
        with by_hand():
            return super().delete_view(request, *args, **kwargs)

    def refused(self, request: HttpRequest, problem: OceanidError) -> HttpResponse:
        """Go back to where the person was, and say why nothing was done."""
        self.message_user(request, str(problem), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and remember what was there before."""
        request._oceanid_before = self._described(obj.pk) if change else {}  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write it into the audit history too."""
        self._written(request, "add", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write it into the audit history too, if anything is different."""
        self._written(request, "change", obj)
        return super().log_change(request, obj, message)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the rows of an inline, and write each of their changes down."""
        keys = [each.instance.pk for each in formset.forms if each.instance.pk is not None]
        rows = formset.model._default_manager.defer(*encrypted_fields(formset.model))
        rows = rows.filter(pk__in=keys)
        before = {row.pk: (audit.Thing.of(row), audit.describe(row)) for row in rows}
        super().save_formset(request, form, formset, change)
        after = {row.pk: row for row in rows.all()}
        for row in formset.new_objects:
            changes = audit.differences({}, audit.describe(row))
            audit.write(request.user, "add", audit.Thing.of(row), changes=changes)
        for key, (thing, described) in before.items():
            left = audit.describe(after[key]) if key in after else {}
            if changes := audit.differences(described, left):
                verb = "change" if key in after else "delete"
                audit.write(request.user, verb, thing, changes=changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and write it down."""
        thing, before = audit.Thing.of(obj), self._described(obj.pk)
        super().delete_model(request, obj)
        audit.write(request.user, "delete", thing, changes=audit.differences(before, {}))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete what was selected, one by one and all or none, and write each down."""
        rows: Iterable[models.Model] = list(queryset)
        with by_hand():
            for row in rows:
                self.delete_model(request, row)

    def _written(self, request: HttpRequest, verb: str, obj: Any) -> None:
        before = getattr(request, "_oceanid_before", {})
        changes = audit.differences(before, self._described(obj.pk))
        if changes or verb != "change":
            audit.write(request.user, verb, audit.Thing.of(obj), changes=changes)

    def _described(self, pk: Any) -> audit.Description:
        rows = self.model._default_manager.defer(*encrypted_fields(self.model))
        row = rows.filter(pk=pk).first()
        return {} if row is None else audit.describe(row, many=self.audited_many)


class ServedAdmin(AuditedAdmin):
    """A part of the section whose rows a service keeps, which tells the audit history by itself."""

    def why_it_stays(self, obj: Any) -> OceanidError | None:
        """Why a row can't be deleted; None when it can."""
        return None

    def get_actions(self, request: HttpRequest) -> Any:
        """None that deletes many at once: each is asked about by itself."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """The question before a deletion, unless it is not possible; then why."""
        row = self.get_object(request, unquote(object_id))
        problem = (
            self.why_it_stays(row) if row and self.has_delete_permission(request, row) else None
        )
        if problem is None:
            try:
                return super().delete_view(request, object_id, *args, **kwargs)
            except OceanidError as refused:
                problem = refused
        self.message_user(request, str(problem), messages.ERROR)
        return HttpResponseRedirect("../change/")

    def _written(self, request: HttpRequest, verb: str, obj: Any) -> None:
        """The service has done it."""


def _told(pattern: URLPattern) -> URLPattern:
    view = pattern.callback

    @wraps(view)
    def told(*args: Any, **kwargs: Any) -> Any:
        with audit.coming_from("admin"):
            return view(*args, **kwargs)

    return URLPattern(pattern.pattern, told, pattern.default_args, pattern.name)
