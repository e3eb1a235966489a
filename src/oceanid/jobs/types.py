"""The job types: proxies of the one table of jobs, one class a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from oceanid.errors import InvalidSpecification
from oceanid.jobs import python_function
from oceanid.jobs.actions import JobActions
from oceanid.jobs.described import Described
from oceanid.jobs.workflow import WorkflowActions
from oceanid.models import Job, JobQuerySet, job_class, register_job_class
from oceanid.services import reports

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from oceanid.submit import SubmitDescription

TYPE_LENGTH = 32
ALIASES = {"CONDORJOB": "CONDOR", "BASICJOB": "BASIC", "PYTHONJOB": "PYTHON"}
_JobClass = TypeVar("_JobClass", bound=type[Job])
_registered: dict[str, type[Job]] = {}


class TypedQuerySet(JobQuerySet):
    """Jobs of one type and of the types that an app made from it."""

    def create(self, **kwargs: Any) -> Any:
        """As Django's; of the type that the class stands for."""
        kwargs.setdefault("type", self.model.TYPE)
        return super().create(**kwargs)


class TypedManager(models.Manager.from_queryset(TypedQuerySet)):  # type: ignore[misc]
    """Finds the rows of its model's type, and of types whose classes derive from it."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(type__in=_types_within(self.model))


def register_job_type(type_name: str) -> Callable[[_JobClass], _JobClass]:
    """Register an app's own job type; a class decorator for a proxy of one of the types here.

    Args:
        type_name: What ``create_job`` calls it and what is stored, in capitals.
    """
    name = type_name.upper()
    if not name.isidentifier() or len(name) > TYPE_LENGTH:
        raise ValueError(f"A job type is named by at most {TYPE_LENGTH} letters, digits and _.")

    def register(cls: _JobClass) -> _JobClass:
        if not issubclass(cls, JobActions) or not cls._meta.proxy:
            raise TypeError(
                f"{cls.__name__} must be a proxy (class Meta: proxy = True) of BasicJob, "
                "CondorJob, CondorWorkflow or PythonJob."
            )
        cls.TYPE = name
        _registered[name] = cls
        register_job_class(name, cls)
        return cls

    return register


def known_types() -> tuple[str, ...]:
    """The names of all job types, sorted."""
    return tuple(sorted(_registered))


def class_of(job_type: str | type[Job] | None) -> type[Job]:
    """The class that ``create_job`` means by a name, in any case, or by a class.

    Raises:
        InvalidSpecification: There is no such type, or its engine is not there.
    """
    if isinstance(job_type, type):
        if issubclass(job_type, JobActions) and job_type._meta.proxy:
            return job_type
        raise InvalidSpecification(
            "{name} is not a job type.",
            hint="Known are: {names}.",
            name=job_type.__name__,
            names=_names(),
        )
    if not job_type:
        raise InvalidSpecification(
            "A job needs a type or a template.",
            hint="Give job_type=…, one of {names}.",
            names=_names(),
        )
    name = ALIASES.get(str(job_type).upper(), str(job_type).upper())
    if name == "DASK":
        raise InvalidSpecification(
            "Jobs of type DASK can't be run here: no Dask engine is installed.",
            hint="Use PYTHON for one function, or CONDOR with num_jobs for many processes.",
        )
    if name not in _registered:
        raise InvalidSpecification(
            "There is no job type “{job_type}”.",
            hint="Known are: {names}.",
            job_type=str(job_type)[:50],
            names=_names(),
        )
    return job_class(name)


@register_job_type("BASIC")
class BasicJob(JobActions, Job):
    """A job whose work and status belong to its app; nothing runs it."""

    objects: ClassVar[Any] = TypedManager()

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("basic job")

    def is_run_by_scheduler(self) -> bool:
        return False

    def pause(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Say that it is paused."""
        self._require_saved("paused")
        reports.set_status(self, "Paused", actor=actor)

    def resume(self, *, actor: AbstractBaseUser | None = None) -> None:
        """Say that it is running again."""
        self._require_saved("resumed")
        reports.set_status(self, "Running", actor=actor)


@register_job_type("CONDOR")
class CondorJob(Described, JobActions, Job):
    """One program, or an array of processes of it, described in HTCondor's submit language."""

    objects: ClassVar[Any] = TypedManager()

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("job")


@register_job_type("PYTHON")
class PythonJob(Described, JobActions, Job):
    """One call of a Python function of an app, in a process of its own.

    ``attributes`` holds ``function``, ``args`` and ``kwargs``, and may hold submit commands
    such as ``request_memory`` beside them. The return value becomes ``result``.
    """

    EXTRA: ClassVar[frozenset[str]] = frozenset(python_function.KEYS)
    RETURNS_VALUE: ClassVar[bool] = True
    objects: ClassVar[Any] = TypedManager()

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("Python job")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not args:
            given = {key: kwargs.pop(key) for key in python_function.KEYS if key in kwargs}
            if given:
                kwargs["attributes"] = {**(kwargs.get("attributes") or {}), **given}
        super().__init__(*args, **kwargs)

    def describe(self, directory: str) -> SubmitDescription:
        """The interpreter with the runner, and the call in its environment."""
        if self.num_jobs != 1:
            raise InvalidSpecification(
                "A PYTHON job is one call; it can't have several processes.",
                hint="Make one job a call and execute them with execute_many().",
            )
        scheduler = self.scheduler
        elsewhere = ""
        if scheduler is not None and scheduler.engine != "local":
            elsewhere = str(scheduler.config.get("python") or "python3")
        attributes = python_function.submit_attributes(self.attributes, elsewhere=elsewhere)
        return self._description(attributes, directory)

    def _normalise(self) -> None:
        self.attributes = python_function.normalised(self.attributes)
        super()._normalise()


@register_job_type("CONDORWORKFLOW")
class CondorWorkflow(WorkflowActions, JobActions, Job):
    """Jobs that depend on each other: a directed graph of nodes without a cycle."""

    objects: ClassVar[Any] = TypedManager()

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("workflow")


def _names() -> str:
    return ", ".join(known_types())


def _types_within(model: type[Job]) -> list[str]:
    found = [name for name, cls in _registered.items() if issubclass(cls, model)]
    return found or [model.TYPE]
