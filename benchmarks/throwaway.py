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
SETTLED_FILES = 300
SETTLED_RATIO = 8.0


@contextmanager
def home(*, database: str = "") -> Iterator[Path]:
    """A new home; this process and its children belong to it from here on."""
    place = Path(tempfile.mkdtemp(prefix="oceanid-bench-"))
    try:
        join(place, database=database)
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


def fresh_database(name: str) -> str:
    """Make an empty database in the cluster; gives its address."""
    import psycopg
    from psycopg import sql

    address = os.environ.get("OCEANID_TEST_POSTGRES", "")
    if not address:
        raise SystemExit("There is no OCEANID_TEST_POSTGRES: run it with tools/with_postgres.py.")
    fresh = f"bench_{name}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(fresh)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(fresh)))
    return f"{address.rpartition('/')[0]}/{fresh}"


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


def settled(place: Path, *, within_s: float = 400.0) -> None:
    """Wait until files are made in ``place`` as quickly as ever, telling that it waits.

    ext4 does not use an inode again for one to five minutes after it was freed, and looks at each
    of them whenever a file is made; so after a run that left thousands of files (an earlier
    benchmark's) the making of a file takes up to ten times as long.
    """
    end = time.monotonic() + within_s
    folder = Path(tempfile.mkdtemp(prefix="settled-", dir=place))
    number, told = 0, False
    while True:
        made = time.perf_counter()
        for _ in range(SETTLED_FILES):
            number += 1
            os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))
        opened = time.perf_counter()
        for back in range(SETTLED_FILES):
            os.close(os.open(folder / str(number - back), os.O_WRONLY))
        ratio = (opened - made) / (time.perf_counter() - opened)
        if ratio < SETTLED_RATIO or time.monotonic() > end:
            return
        if not told:
            told = True
            print("Waiting for the file system: it still remembers deleted files.", flush=True)
        time.sleep(5)


def until(
    condition: Callable[[], bool], *, within_s: float, what: str, every_s: float = 0.02
) -> None:
    """Wait for a condition, asking for it at a steady pace."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {within_s:g} s")
        time.sleep(every_s)
