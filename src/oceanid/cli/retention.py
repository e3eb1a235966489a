"""`oceanid retention`: asks for the removal of finished jobs whose time is over."""

from __future__ import annotations

import typer

SHOWN = 50


def run(*, dry_run: bool) -> int:
    """Ask for their removal, or only say which they are; a supervisor removes them.

    Returns:
        0.
    """
    from oceanid.services import retention

    if not dry_run:
        asked = retention.apply()
        typer.echo(f"{_jobs(asked)} will be removed by the supervisor.")
        return 0
    expired = retention.expired()
    for job in expired.select_related("user").order_by("pk")[:SHOWN]:
        typer.echo(f"{job.pk}  {job.app}  {job.user}  {job.completion_time:%Y-%m-%d}  {job.name}")
    count = expired.count()
    if count > SHOWN:
        typer.echo(f"… and {count - SHOWN} more.")
    typer.echo(f"{_jobs(count)} would be removed.")
    return 0


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
