"""A throw-away embedded portal to measure: its home, its database, its supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0


@contextmanager
def home() -> Iterator[Path]:
    """A new home; this process and its children belong to it from here on."""
    place = Path(tempfile.mkdtemp(prefix="oceanid-bench-"))
    try:
        join(place)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def join(place: Path, *, database: str = "") -> None:
    """Set this process up as one of the portal whose home this is, its tables up to date."""
    os.environ["OCEANID_HOME"] = str(place)
    os.environ["OCEANID_DATABASE"] = database
    os.environ["OCEANID_LOG_LEVEL"] = "WARNING"
    os.environ["DJANGO_SETTINGS_MODULE"] = "oceanid.portal.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@contextmanager
def supervisor() -> Iterator[subprocess.Popen[bytes]]:
    """A real supervisor in a process of its own, ready to dispatch."""
    from django.utils import timezone

    from oceanid.models import Scheduler

    begun = timezone.now()
    process = subprocess.Popen([sys.executable, "-m", "oceanid.cli.main", "supervise"])
    try:
        until(
            lambda: Scheduler.objects.filter(name="local", checked_at__gte=begun).exists(),
            within_s=START_S,
            what="the supervisor's start",
        )
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(
    condition: Callable[[], bool], *, within_s: float, what: str, every_s: float = 0.02
) -> None:
    """Wait for a condition, asking for it at a steady pace."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {within_s:g} s")
        time.sleep(every_s)
