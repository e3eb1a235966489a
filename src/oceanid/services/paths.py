"""Where jobs and engines keep their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanid import conf

if TYPE_CHECKING:
    from oceanid.models import Job, Scheduler


def job_dir(job: Job) -> Path:
    """The job's own directory: below the workspace that the app gave, else below the data
    directory. It is named by the job's uuid, so no two jobs share one; all that is in it goes
    with the job, and nothing above it ever does."""
    name = str(job.uuid)
    if job.workspace:
        return Path(job.workspace) / name
    return conf.data_dir().joinpath("jobs", name[:2], name)


def scheduler_spool(scheduler: Scheduler) -> Path:
    """The engine's own directory on this machine."""
    return conf.data_dir() / "spool" / str(scheduler.uuid)


def workspace(app: str, user_id: Any = None) -> Path:
    """An app's workspace, or one user's within it: what ``$(APP_WORKSPACE)`` and
    ``$(USER_WORKSPACE)`` stand for."""
    whose = ("app",) if user_id is None else ("users", str(user_id))
    return conf.data_dir().joinpath("workspaces", app or "_", *whose)
