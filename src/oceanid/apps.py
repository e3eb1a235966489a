"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OceanidConfig(AppConfig):
    """Oceanid inside a Django site."""

    name = "oceanid"
    verbose_name = _("Tethys Compute")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load what registers itself: job types, system checks."""
        from importlib import import_module
        from importlib.util import find_spec

        from django.db.models.signals import post_migrate
        from django.utils.translation import gettext

        from oceanid.errors import translate_with

        translate_with(gettext)

        for module in ("oceanid.jobs.types", "oceanid.checks"):
            if find_spec(module) is not None:
                import_module(module)
        from oceanid.jobs.apps import write_settings
        from oceanid.services.site_settings import write_parts

        post_migrate.connect(write_settings, sender=self, dispatch_uid="oceanid.write_settings")
        post_migrate.connect(write_parts, sender=self, dispatch_uid="oceanid.write_parts")
