"""`manage.py oceanid_retention`: removes finished jobs whose time is over."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from oceanid.cli.retention import run


class Command(BaseCommand):
    """Applies OCEANID['RETENTION'] now."""

    help = "Remove finished jobs whose time is over, with their events, tasks and directories."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take --dry-run."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove, or say what would go."""
        code = run(dry_run=options["dry_run"])
        if code:
            sys.exit(code)
