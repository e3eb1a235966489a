"""`manage.py oceanid_doctor`: what is present, what is missing and how to get it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from oceanid.cli.doctor import run


class Command(BaseCommand):
    """Looks at everything that Oceanid needs in this site."""

    help = "Say what Oceanid has, what it lacks and how to get it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --json."""
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell; the exit code is 1 when something needed is missing."""
        code = run(as_json=options["json"])
        if code:
            sys.exit(code)
