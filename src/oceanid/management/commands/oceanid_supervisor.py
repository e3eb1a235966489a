"""`manage.py oceanid_supervisor`: a supervisor for a site of one's own."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand

from oceanid import logs
from oceanid.cli.supervise import run


class Command(BaseCommand):
    """Runs a supervisor in the foreground until SIGTERM or SIGINT."""

    help = "Run Oceanid's supervisor until SIGTERM or Ctrl-C; several may run at once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise; logs go to stderr when the site has set nothing up for them."""
        room = logging.getLogger("oceanid")
        if not room.hasHandlers():
            handler = logging.StreamHandler()
            handler.setFormatter(
                logs.JSONFormatter() if logs.wants_json() else logs.HumanFormatter()
            )
            room.addHandler(handler)
            room.setLevel(logging.INFO)
        code = run()
        if code:
            sys.exit(code)
