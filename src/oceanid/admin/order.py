"""The order of our section: what is used most stands first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest

ORDER: Final = (
    "Cluster", "Scheduler", "Job", "Setting", "CloudAccount", "AppScheduler", "AuditEvent",
)  # fmt: skip


def arrange(site: AdminSite) -> None:
    """Let a site list the section in our order; other apps stay as the site has them.

    Django has no option for it, and a site class of our own is nothing that another site (a
    Tethys Portal) could be asked to use.
    """
    plain: Callable[..., Any] = site.get_app_list

    def get_app_list(request: HttpRequest, app_label: str | None = None) -> Any:
        apps = plain(request, app_label)
        for app in apps:
            if app["app_label"] == "oceanid":
                app["models"].sort(key=_place)
        return apps

    site.get_app_list = get_app_list  # type: ignore[method-assign]


def _place(model: dict[str, Any]) -> tuple[int, str]:
    name = model["object_name"]
    return (ORDER.index(name) if name in ORDER else len(ORDER), str(model["name"]))
