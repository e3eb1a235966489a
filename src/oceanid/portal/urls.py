"""Addresses of the embedded portal."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from oceanid.conf import current
from oceanid.portal.apps import shown_apps
from oceanid.portal.doors import Door, LimitedAdminForm
from oceanid.portal.views import home
from oceanid.web import health

# The frame of the site admin is the portal's own; Django's bar of all models takes the room that
# its lists need.
admin.site.site_header = admin.site.site_title = current().admin_title
admin.site.enable_nav_sidebar = False

admin.site.login_form = LimitedAdminForm

handler400 = "oceanid.portal.errors.bad_request"
handler403 = "oceanid.portal.errors.forbidden"
handler404 = "oceanid.portal.errors.not_found"
handler500 = "oceanid.portal.errors.failure"

urlpatterns = [
    path("", home, name="home"),
    path("login/", Door.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(
            template_name="oceanid_portal/password.html", success_url="/"
        ),
        name="password_change",
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("compute/", include("oceanid.urls")),
    *[path(f"apps/{config.label}/", include(f"{config.name}.urls")) for config in shown_apps()],
]
