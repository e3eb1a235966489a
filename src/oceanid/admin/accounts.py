"""Cloud accounts in the site admin; Settings edit the default one of each cloud."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from oceanid.admin.account_form import account_form, fields_of
from oceanid.admin.audited import ServedAdmin
from oceanid.admin.estates import EstatesPage
from oceanid.admin.looks import LookedAtAdmin, health_badge
from oceanid.clouds.registry import installed, title_of
from oceanid.errors import OceanidError
from oceanid.models import CloudAccount
from oceanid.services import accounts
from oceanid.templatetags.oceanid import when


def keep(request: HttpRequest, account: CloudAccount, form: Any) -> CloudAccount:
    """Save what a form says of an account, and tell what a person should know of it."""
    account.config = form.options()
    kept = accounts.save(
        account, request.user, given=form.given_secrets(),
        forget=bool(form.cleaned_data.get("forget_secrets")),
    )  # fmt: skip
    for remark in accounts.remarks(kept):
        messages.info(request, remark, fail_silently=True)
    return kept


def options_table(account: CloudAccount) -> SafeString:
    """An account's options, for somebody who may only look; of secrets what there is."""
    kept, _unreadable = accounts.kept_secrets(account)
    rows = [
        *((name.replace("_", " "), str(value)) for name, value in account.config.items()),
        *((name.replace("_", " "), str(_("stored, never shown"))) for name in kept),
    ]
    if not rows:
        return format_html("{}", _("Nothing yet"))
    lines = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html('<table class="o-history"><tbody>{}</tbody></table>', lines)


class CloudFilter(admin.SimpleListFilter):
    """Accounts of one cloud."""

    title = _("cloud")
    parameter_name = "cloud"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(entry.name, entry.title) for entry in installed()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(cloud=self.value()) if self.value() else queryset


@admin.register(CloudAccount)
class CloudAccountAdmin(EstatesPage, LookedAtAdmin, ServedAdmin):
    """The accounts, and how each one answers."""

    change_form_template = "admin/oceanid/cloudaccount/change_form.html"
    button = _("Test account")
    list_display = ("name", "cloud_shown", "default_shown", "health_shown", "health_message",
                    "checked_shown")  # fmt: skip
    list_filter = (CloudFilter,)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("name",)
    readonly_fields = ("cloud_shown", "default_shown", "options_shown", "report_shown")

    def cloud_of(self, request: HttpRequest, obj: CloudAccount | None) -> str:
        """The cloud of the account that a page is about; of a new one, as its address says."""
        names = [entry.name for entry in installed()]
        asked = request.GET.get("cloud", "")
        if obj is not None:
            return obj.cloud
        return asked if asked in names else "".join(names[:1])

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of the account's cloud."""
        return account_form(self.cloud_of(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The sections of the account's cloud."""
        first: tuple[str, ...] = ("name", "cloud_shown", "default_shown") if obj else ("name",)
        sections = fields_of(self.cloud_of(request, obj)).sections
        if obj is not None and not self.has_change_permission(request, obj):
            sections = ((_("The account"), {"fields": ("options_shown",)}),)
        last = ((_("How it answers"), {"fields": ("report_shown",)}),) if obj else ()
        return ((None, {"fields": first}), *sections, *last)

    def get_urls(self) -> list[URLPattern]:
        """Beside the admin's own pages: to make an account the default one."""
        default = self.admin_site.admin_view(self.make_default)
        return [
            path("<path:key>/default/", default, name="oceanid_cloudaccount_default"),
            *super().get_urls(),
        ]

    def make_default(self, request: HttpRequest, key: str) -> HttpResponse:
        """Make an account the default one of its cloud."""

        def change(account: CloudAccount) -> None:
            if not self.has_change_permission(request, account):
                raise OceanidError(str(_("You may not change cloud accounts.")))
            accounts.make_default(account, request.user)
            self.message_user(request, _("It is the default account now."), messages.SUCCESS)

        return self.wish(request, key, change)

    def button_forms(self, row: CloudAccount) -> list[tuple[str, str]]:
        """That of the test, and that which makes it the default."""
        return [*super().button_forms(row), ("o-default", self.page_of("default", row))]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; of a new account with the clouds to choose from."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OceanidError as problem:
            return self.refused_to_list(request, problem)

    def refused_to_list(self, request: HttpRequest, problem: OceanidError) -> HttpResponse:
        """Go to the list, and say why an account can't be shown."""
        self.message_user(request, str(problem), messages.ERROR)
        return redirect("admin:oceanid_cloudaccount_changelist")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With the clouds that an account can be added of."""
        present = self.cloud_of(request, context.get("original"))
        page = reverse("admin:oceanid_cloudaccount_add", current_app=self.admin_site.name)
        context["clouds"] = [
            (entry.title, f"{page}?cloud={entry.name}", entry.name == present)
            for entry in installed()
        ]
        if context.get("original") is None:
            context["title"] = _("Add a cloud account: %s") % title_of(present)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service, which keeps the secrets."""
        keep(request, obj, form)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """By the service."""
        accounts.delete(obj, request.user)

    def why_it_stays(self, obj: Any) -> OceanidError | None:
        """The default account stays, and one that has clusters."""
        return accounts.why_it_stays(obj)

    @admin.display(description=_("cloud"), ordering="cloud")
    def cloud_shown(self, account: CloudAccount) -> str:
        """The cloud's own name."""
        return title_of(account.cloud)

    @admin.display(description=_("options"))
    def options_shown(self, account: CloudAccount) -> SafeString:
        """What is set."""
        return options_table(account)

    @admin.display(description=_("default"))
    def default_shown(self, account: CloudAccount) -> SafeString:
        """Whether Settings edit it."""
        if not account.is_default:
            return format_html("{}", "–")
        return format_html('<span class="o-badge" data-tone="run">{}</span>', _("Default"))

    @admin.display(description=_("health"))
    def health_shown(self, account: CloudAccount) -> SafeString:
        """How it answered."""
        return health_badge(account)

    @admin.display(description=_("tested"))
    def checked_shown(self, account: CloudAccount) -> SafeString:
        """When it was looked at."""
        return when(account.checked_at)
