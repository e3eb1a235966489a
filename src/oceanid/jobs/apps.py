"""What an app declares: its job templates and the schedulers that it asks the site for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from oceanid.jobs.manager import JobManager, _instance_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

    from oceanid.jobs.table import JobsTable
    from oceanid.jobs.templates import JobTemplate
    from oceanid.models import Scheduler


@dataclass(frozen=True)
class SchedulerSetting:
    """A scheduler that an app asks for and an administrator chooses.

    Args:
        name: What the app calls it in ``get_scheduler(name)`` and ``create_job(scheduler=name)``.
        description: What it is for, for the administrator.
        engine: The engine that it needs, or "" for any.
        required: Whether the app can't do without it; when it may, an empty setting means the
            default scheduler.
    """

    name: str
    description: str = ""
    engine: str = ""
    required: bool = False

    LOCAL: ClassVar[str] = "local"
    HTCONDOR: ClassVar[str] = "htcondor"
    SLURM: ClassVar[str] = "slurm"
    DASK: ClassVar[str] = "dask"


class ComputeApp:
    """What an app's ``AppConfig`` mixes in to have a Job Manager.

    Override :meth:`job_templates` and :meth:`scheduler_settings` to declare what it offers and
    what it needs.
    """

    def job_templates(self) -> Iterable[JobTemplate]:
        """The templates that ``create_job(template_name=…)`` knows."""
        return ()

    def scheduler_settings(self) -> Iterable[SchedulerSetting]:
        """The schedulers that the app asks the site for."""
        return ()

    def jobs_tables(self) -> Mapping[str, JobsTable]:
        """The tables of jobs that ``{% jobs_table "app" "name" %}`` shows, by name."""
        return {}

    @classmethod
    def get_job_manager(cls) -> JobManager:
        """The app's Job Manager."""
        return JobManager(cls)

    @classmethod
    def get_scheduler(cls, name: str) -> Scheduler | None:
        """The scheduler that an administrator chose for a setting; None when it is optional and
        empty, which stands for the default one.

        Raises:
            NotFound: There is no such setting, or it is required and empty.
        """
        return JobManager(cls).get_scheduler(name)

    @classmethod
    def get_app_workspace(cls) -> Path:
        """The app's own directory; ``$(APP_WORKSPACE)``."""
        return JobManager(cls).app_workspace()

    @classmethod
    def get_user_workspace(cls, user_or_request: AbstractBaseUser | HttpRequest) -> Path:
        """A user's own directory in the app; ``$(USER_WORKSPACE)``."""
        user: Any = getattr(user_or_request, "user", user_or_request)
        return JobManager(cls).user_workspace(user)


def declared_settings(app: Any) -> list[SchedulerSetting]:
    """The scheduler settings that an app declares; those of a Tethys App count too."""
    offered = getattr(_instance_of(app), "scheduler_settings", None)
    declared = (offered() if callable(offered) else offered) or ()
    return [
        SchedulerSetting(
            name=str(each.name),
            description=str(getattr(each, "description", "") or ""),
            engine=str(getattr(each, "engine", "") or ""),
            required=bool(getattr(each, "required", False)),
        )
        for each in declared
    ]


def write_settings(**_: Any) -> None:
    """Write down what the installed apps declare, for administrators to fill in.

    Runs after each ``migrate``. Idempotent; what an administrator chose stays.
    """
    from django.apps import apps

    from oceanid.services.app_settings import Declared, declare

    for config in apps.get_app_configs():
        if isinstance(config, ComputeApp):
            declare(
                config.label,
                [
                    Declared(each.name, each.engine, each.description, each.required)
                    for each in declared_settings(config)
                ],
            )
