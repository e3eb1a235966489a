"""`oceanid stop`: ends the portal of a home and, when asked, the jobs that run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import typer

from oceanid.home import Home

PORTAL_S = 10.0
JOBS_S = 60.0


def run(home: Home, *, with_jobs: bool) -> int:
    """Stop what runs on this home; idempotent.

    Returns:
        0 when all that was asked for has ended, 1 when something still runs.
    """
    ended = not with_jobs or _end_jobs(home)
    return 0 if _end_portal(home) and ended else 1


def _end_portal(home: Home) -> bool:
    running = home.running()
    if running is None:
        typer.echo("No portal runs on this home.")
        return True
    if running.pid:
        os.kill(running.pid, signal.SIGTERM)
    if not _wait(lambda: home.running() is None, PORTAL_S):
        typer.echo(f"The portal (process {running.pid}) has not stopped yet.", err=True)
        return False
    typer.echo("The portal has stopped.")
    return True


def _end_jobs(home: Home) -> bool:
    """Ask for the end of every job, and wait until a supervisor has brought it about."""
    if not home.database.exists() and not (
        os.environ.get("OCEANID_DATABASE") or os.environ.get("DATABASE_URL")
    ):
        typer.echo("No job runs.")
        return True
    import django

    django.setup()
    from oceanid.models import Job
    from oceanid.services import jobs as services

    active = list(Job.objects.active())
    if not active:
        typer.echo("No job runs.")
        return True
    for job in active:
        services.stop(job)
    helper = None if home.running() else _supervisor()
    try:
        if not _wait(lambda: not Job.objects.active().exists(), JOBS_S):
            left = Job.objects.active().count()
            typer.echo(f"{left} of {len(active)} jobs have not ended yet.", err=True)
            return False
    finally:
        if helper is not None:
            helper.terminate()
            helper.wait()
    typer.echo("1 job was ended." if len(active) == 1 else f"{len(active)} jobs were ended.")
    return True


def _supervisor() -> subprocess.Popen[bytes]:
    """A supervisor for as long as this command runs, for the portal's own is not there."""
    return subprocess.Popen(
        [sys.executable, "-m", "oceanid.cli.main", "supervise"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait(until: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
