"""Makes the site of a home ready for a command."""

from __future__ import annotations

import os
from pathlib import Path

from oceanid.home import VARIABLE, Home

PORTAL_SETTINGS = "oceanid.portal.settings"


def at_home(given: Path | None) -> Home:
    """The home, made known to the settings and to every child by the environment."""
    home = Home.resolve(given)
    os.environ[VARIABLE] = str(home.path)
    return home


def make_ready(given: Path | None, *, may_fail: bool = False) -> None:
    """Make Django ready, with the portal's settings unless the environment names others."""
    at_home(given)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", PORTAL_SETTINGS)
    import django

    try:
        django.setup()
    except Exception:
        if not may_fail:
            raise
