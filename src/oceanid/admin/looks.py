"""What has a *Test* button: the wish for a look, and what the last one found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.audited import AuditedAdmin
from oceanid.errors import OceanidError
from oceanid.models import CloudAccount, Scheduler
from oceanid.services import accounts, scheduler_health
from oceanid.states import Health

TONES = {Health.OK: "done", Health.DEGRADED: "held", Health.UNREACHABLE: "bad"}

Looked = CloudAccount | Scheduler


def health_badge(record: Looked) -> SafeString:
    """How something answers, as a badge."""
    tone = TONES.get(Health(record.health), "quiet")
    word = record.get_health_display()
    return format_html('<span class="o-badge" data-tone="{}">{}</span>', tone, word)


def report_of(record: Looked | None, report_url: str, *, button: Any) -> SafeString:
    """Each step of the last look, with a cure for what is not well, and the button for another.

    Args:
        record: What is looked at; None when there is nothing to look at yet.
        report_url: Where this part of the page is loaded again from.
        button: What stands on the button.
    """
    if record is None or record.pk is None:
        return format_html("{}", _("Save it first, then test it."))
    return render_to_string(
        "oceanid/parts/check_report.html",
        {"record": record, "report_url": report_url, "button": button},
    )


class LookedAtAdmin(AuditedAdmin):
    """A part of the section whose rows can be tested."""

    change_form_template = "admin/oceanid/looked_at.html"
    button: Any = _("Test")

    class Media:
        js = ["oceanid/check-report.js"]

    def looked_at(self, row: Any) -> Looked | None:
        """What a test of a row looks at."""
        return row  # type: ignore[no-any-return]

    def get_urls(self) -> list[URLPattern]:
        """The pages of a look, beside the admin's own."""
        site, name = self.admin_site, f"oceanid_{self.opts.model_name}"
        return [
            path("<path:key>/report/", site.admin_view(self.report), name=f"{name}_report"),
            path("<path:key>/check/", site.admin_view(self.check_it), name=f"{name}_check"),
            *super().get_urls(),
        ]

    def page_of(self, what: str, row: Any) -> str:
        """The address of a row's page."""
        name = f"admin:oceanid_{self.opts.model_name}_{what}"
        return reverse(name, args=[row.pk], current_app=self.admin_site.name)

    def report(self, request: HttpRequest, key: str) -> HttpResponse:
        """What the last look found, as a part of the page that is loaded again and again."""
        return HttpResponse(self.report_shown(self._of(request, key)))

    def check_it(self, request: HttpRequest, key: str) -> HttpResponse:
        """Ask for a look."""
        return self.wish(request, key, lambda row: self._want_check(row, request.user))

    def wish(self, request: HttpRequest, key: str, what: Callable[[Any], None]) -> HttpResponse:
        """Ask for something about a row, and go back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self._of(request, key)
        try:
            what(row)
        except OceanidError as problem:
            self.message_user(request, str(problem), messages.ERROR)
        return HttpResponseRedirect(f"{self.page_of('change', row)}#check-report")

    def _want_check(self, row: Any, person: Any) -> None:
        record = self.looked_at(row)
        if isinstance(record, Scheduler):
            scheduler_health.want_check(record, person)
        elif record is not None:
            accounts.want_check(record, person)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The form, and beside it the small forms of the buttons in it."""
        row = context.get("original")
        context["button_forms"] = [] if row is None else self.button_forms(row)
        return super().render_change_form(request, context, *args, **kwargs)

    def button_forms(self, row: Any) -> list[tuple[str, str]]:
        """The ids and addresses of forms that are only a button."""
        return [("o-check", self.page_of("check", row))]

    @admin.display(description=_("test"))
    def report_shown(self, row: Any) -> SafeString:
        """What the last look found."""
        record = self.looked_at(row) if row.pk is not None else None
        url = self.page_of("report", row) if row.pk is not None else ""
        return report_of(record, url, button=self.button)

    def _of(self, request: HttpRequest, key: str) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, key)
        if row is None:
            raise Http404
        return row
