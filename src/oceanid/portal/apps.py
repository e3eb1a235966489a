"""The portal's own Django app: its templates, and the apps that it shows."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.conf import settings


class PortalConfig(AppConfig):
    """The embedded portal."""

    name = "oceanid.portal"
    label = "oceanid_portal"
    verbose_name = "Oceanid portal"


def shown_apps() -> list[AppConfig]:
    """The apps that the home page lists and whose addresses the portal serves.

    They are those of ``OCEANID_APPS`` and of ``apps`` in settings.toml that have a ``urls``
    module.
    """
    asked = {name.split(".")[0] for name in getattr(settings, "PORTAL_APPS", [])}
    return [
        config
        for config in apps.get_app_configs()
        if config.name.split(".")[0] in asked and find_spec(f"{config.name}.urls") is not None
    ]
