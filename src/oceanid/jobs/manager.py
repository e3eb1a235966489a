"""The Job Manager: creates an app's jobs, lists them, gets one, executes many at once.

Nothing here is loaded before it is used, so that an app's ``apps.py`` may import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oceanid.errors import InvalidSpecification, NotFound
from oceanid.jobs.twins import twin

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import Group
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from oceanid.jobs.table import JobsTable
    from oceanid.jobs.templates import JobTemplate
    from oceanid.models import Job, Scheduler

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class JobManager:
    """An app's jobs.

    Args:
        app: The app's label; or its AppConfig or ComputeApp, a class or an instance; or a
            Tethys App, whose label is its ``package``.

    Raises:
        InvalidSpecification: It has no label that can be used.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.label = _label_of(app)

    def __repr__(self) -> str:
        return f"<JobManager of {self.label}>"

    @property
    def job_templates(self) -> dict[str, JobTemplate]:
        """The app's templates by name."""
        offered = getattr(_instance_of(self.app), "job_templates", None)
        found: Iterable[JobTemplate] = (offered() if callable(offered) else offered) or ()
        return {template.name: template for template in found}

    def template(self, name: str) -> JobTemplate:
        """The app's template of this name.

        Raises:
            NotFound: It has none.
        """
        templates = self.job_templates
        if name not in templates:
            raise NotFound(
                "The app “{label}” has no job template “{name}”.",
                hint="It has: {templates}.",
                label=self.label,
                name=str(name)[:100],
                templates=", ".join(templates) or "none",
            )
        return templates[name]

    def create_job(
        self,
        name: str,
        user: AbstractBaseUser,
        groups: Group | Iterable[Group] | None = None,
        job_type: str | type[Job] | None = None,
        template_name: str | None = None,
        **attributes: Any,
    ) -> Any:
        """Make a job; it is saved when groups are given, else by ``save()`` or ``execute()``.

        Args:
            name: What people read; ``{id}`` in it becomes the job's number.
            user: Whose job it is.
            groups: Whose members may see it and act on it.
            job_type: BASIC, CONDOR, CONDORWORKFLOW or PYTHON in any case, or a class.
            template_name: A template of the app to begin with.
            attributes: ``description``, ``workspace``, ``extended_properties``,
                ``process_results_function``, ``scheduler`` (a record, its name, or the name of
                one of the app's scheduler settings), ``num_jobs``, ``label``, ``priority``,
                ``remote_input_files``, ``attributes`` (submit commands),
                ``condorpy_template_name``; of a workflow ``max_jobs`` and ``config``; of PYTHON
                ``function``, ``args`` and ``kwargs``. Any other name is a submit command.

        Raises:
            InvalidSpecification: Something can't be used, by name.
            NotFound: There is no such template or scheduler.
            NotPermitted: Nobody is logged in.
        """
        from oceanid.jobs.creation import create

        template = self.template(template_name) if template_name is not None else None
        return create(
            self, name, user, groups=groups, job_type=job_type, template=template, given=attributes
        )

    def create_job_for(
        self,
        name: str,
        user: AbstractBaseUser,
        template_name: str,
        values: Mapping[str, Any],
    ) -> Any:
        """Make a job from what a user of the app filled in: only what the template lets them.

        Args:
            name: What people read.
            user: Whose job it is.
            template_name: The template.
            values: What the user wants, by the names that the template calls editable.

        Raises:
            NotPermitted: A name is not theirs to change.
            InvalidSpecification: Something can't be used, by name.
            NotFound: There is no such template.
        """
        accepted = self.template(template_name).accept(values)
        return self.create_job(name, user, template_name=template_name, **accepted)

    def list_jobs(
        self,
        user: AbstractBaseUser | None = None,
        groups: Group | Iterable[Group] | None = None,
        order_by: str | Sequence[str] = "id",
        filters: Mapping[str, Any] | None = None,
    ) -> QuerySet[Any]:
        """The app's jobs as a QuerySet, each in the class of its type.

        Args:
            user: Only this user's own.
            groups: Only those shared with one of these; not together with ``user``.
            order_by: A field, or several; ``-`` before it turns the order around.
            filters: Django look-ups; ``status`` takes a status word.

        Raises:
            ValueError: Both a user and groups are given.
        """
        from oceanid.jobs.creation import listed

        return listed(self.label, user=user, groups=groups, order_by=order_by, filters=filters)

    def get_job(
        self,
        job_id: int | str,
        user: AbstractBaseUser | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Any:
        """The app's job with this number, or None.

        Args:
            job_id: Its number.
            user: When given, only a job that this person may see: their own, their groups',
                or by permission any.
            filters: Further look-ups that it must match.
        """
        from oceanid.jobs.creation import found

        return found(self.label, job_id, user=user, filters=filters)

    def jobs_table(self, *given: Any, **options: Any) -> JobsTable:
        """A table of the app's jobs; see :class:`~oceanid.jobs.JobsTable` for its options."""
        from oceanid.jobs.table import JobsTable

        return JobsTable(*given, app=self.label, **options)

    def declared_table(self, name: str) -> JobsTable:
        """The table that the app declares under this name.

        Raises:
            NotFound: It declares none.
        """
        offered = getattr(_instance_of(self.app), "jobs_tables", None)
        tables = (offered() if callable(offered) else offered) or {}
        if name not in tables:
            raise NotFound(
                "The app “{label}” has no table of jobs “{name}”.",
                hint="It has: {tables}.",
                label=self.label,
                name=str(name)[:100],
                tables=", ".join(tables) or "none",
            )
        return tables[name]  # type: ignore[no-any-return]

    def execute_many(self, jobs: Iterable[Any], *, actor: AbstractBaseUser | None = None) -> None:
        """Ask for jobs to be run: one transaction and one submission, whatever their number.

        All of them are executed or, when one can't be, none.

        Raises:
            OceanidError: As a job's own ``execute()``.
        """
        from oceanid.services import jobs as services

        ready = list(jobs)
        for job in ready:
            job._make_ready()
        fresh = [(job, job.name) for job in ready if job._state.adding]
        try:
            services.execute_many(ready, actor=actor)
        except BaseException:
            for job, name in fresh:  # what was rolled back must not look as if it were there
                job._forget_execution(name)
            raise

    def get_scheduler(self, name: str) -> Scheduler | None:
        """The scheduler that an administrator gave to one of the app's settings, or None."""
        from oceanid.jobs.creation import assigned_scheduler

        return assigned_scheduler(self.app, self.label, name)

    def app_workspace(self) -> Path:
        """The app's own directory, made when it is missing; ``$(APP_WORKSPACE)``."""
        from oceanid.jobs.creation import made_workspace

        return made_workspace(self.label)

    def user_workspace(self, user: AbstractBaseUser) -> Path:
        """A user's own directory in the app, made when it is missing; ``$(USER_WORKSPACE)``."""
        from oceanid.jobs.creation import made_workspace

        return made_workspace(self.label, user)

    def get_job_status_callback_url(self, request: HttpRequest, job_id: int) -> str:
        """The signed address at which a job's present attempt can report progress and status.

        Raises:
            NotFound: The app has no such job.
        """
        from oceanid.jobs.callbacks import address

        job = self.get_job(job_id)
        if job is None:
            raise NotFound("There is no such job.")
        return address(job, request=request)

    async def alist_jobs(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As :meth:`list_jobs`, read into a list."""
        return [job async for job in self.list_jobs(*args, **kwargs)]

    acreate_job = twin(create_job)  # type: ignore[arg-type] # its names may be any
    acreate_job_for = twin(create_job_for)
    aget_job = twin(get_job)
    aexecute_many = twin(execute_many)
    aget_scheduler = twin(get_scheduler)


def _label_of(app: Any) -> str:
    if isinstance(app, str):
        label = app
    else:
        name = getattr(app, "name", "")
        label = (
            getattr(app, "package", "")
            or getattr(app, "label", "")
            or (name.rpartition(".")[2] if isinstance(name, str) else "")
        )
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        raise InvalidSpecification(
            "{app!r:.200} has no label that a job manager can use.",
            hint="Give an app's label of letters, digits, “_”, “.” and “-”, or its AppConfig.",
            app=app,
        )
    return label


def _instance_of(app: Any) -> Any:
    """The running instance of an app's class, or what was given."""
    if isinstance(app, str):
        from django.apps import apps

        return next((each for each in apps.get_app_configs() if each.label == app), app)
    if not isinstance(app, type):
        return app
    from django.apps import AppConfig, apps

    if issubclass(app, AppConfig):
        running = (each for each in apps.get_app_configs() if isinstance(each, app))
        return next(running, None) or _unbound(app)
    return app()


def _unbound(app: Any) -> Any:
    """An instance of an AppConfig that is not installed, to ask for its templates only."""
    return app.__new__(app)
