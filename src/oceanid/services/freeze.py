"""Turns a draft into what will run: checked now, so that it can't fail later for a reason that
was known at ``execute()``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from oceanid import conf
from oceanid.engines.registry import engine_class
from oceanid.errors import (
    InvalidSpecification,
    LimitExceeded,
    MissingFile,
    NotPermitted,
    UnsupportedCapability,
)
from oceanid.models import Job, Scheduler
from oceanid.models.job import NAME_KEY_LENGTH, NAME_LENGTH
from oceanid.services import paths, schedulers
from oceanid.services.bulk import plain
from oceanid.specs import Capability, Resources
from oceanid.states import JOB_ACTIVE

_COUNT_AGE_S = 5.0
_counts: dict[Any, tuple[float, int]] = {}


@dataclass(frozen=True, slots=True)
class Frozen:
    """What ``execute()`` writes down.

    Args:
        spec: The specification as JSON; {} for a job that runs nothing.
        scheduler: Where it will run; None for a job that runs nothing.
        num_jobs: How many processes (of a workflow: nodes).
        needs_preparation: Whether the supervisor must prepare its directory first.
        done: How many of a workflow's nodes are done already.
    """

    spec: dict[str, Any]
    scheduler: Scheduler | None
    num_jobs: int
    needs_preparation: bool
    done: int = 0


class Freezer:
    """Checks jobs and fixes what they will run; remembers what it has asked the database."""

    def __init__(self) -> None:
        self._schedulers: dict[tuple[int | None, int], Scheduler] = {}

    def freeze(self, job: Job) -> Frozen:
        """Check a job and fix what it will run.

        Raises:
            InvalidSpecification: Or a subclass: by name, with what to do.
            LimitExceeded: The job has more processes than is allowed.
            NotPermitted: The user may not use the scheduler.
        """
        check_name(job)
        description = job.describe(str(paths.job_dir(job)))
        if description is None:
            return Frozen({}, None, job.num_jobs, needs_preparation=False)
        check_size(description.count)
        scheduler = self.scheduler(job)
        if job.scheduler_id is None and scheduler.engine != "local":
            # What a job runs may depend on where: it is told, and asked again.
            job.scheduler = scheduler
            description = job.describe(str(paths.job_dir(job))) or description
        require(scheduler, description.required_capabilities())
        check_fit(scheduler, description.resources)
        check_inputs(job.remote_input_files)
        description.check_files(local=scheduler.engine == "local")
        return Frozen(
            description.to_json(),
            scheduler,
            description.count,
            needs_preparation=bool(job.remote_input_files),
        )

    def scheduler(self, job: Job) -> Scheduler:
        """The job's scheduler, or the default one, if its user may use it."""
        key = (job.scheduler_id, job.user_id)
        if key not in self._schedulers:
            self._schedulers[key] = usable_scheduler(job)
        return self._schedulers[key]


def usable_scheduler(job: Job) -> Scheduler:
    """The job's scheduler, or the default one, if its user may use it."""
    scheduler = schedulers.resolve(job.scheduler if job.scheduler_id else None)
    allowed = schedulers.groups_of(scheduler.parent_id or scheduler.pk)
    if not allowed or job.user.is_superuser or job.user.groups.filter(pk__in=allowed).exists():
        return schedulers.account_of(scheduler, job.user)
    raise NotPermitted(
        "{get_username} may not use the scheduler “{name}”.",
        hint="Choose another one, or ask an administrator to be added to its groups.",
        get_username=job.user.get_username(),
        name=scheduler.name,
    )


def check_size(count: int) -> None:
    """Refuse jobs with more processes than the site allows."""
    most = conf.current().limits.tasks_per_job
    if most and count > most:
        raise LimitExceeded(
            "The job has {count:,} processes; at most {most:,} are allowed.",
            hint="Make it smaller, or ask an administrator to raise OCEANID['LIMITS'].",
            count=count,
            most=most,
        )


def require(scheduler: Scheduler, wanted: frozenset[Capability]) -> None:
    """Refuse by name what the scheduler's engine can't do."""
    if not wanted:
        return
    missing = sorted(wanted - engine_class(scheduler.engine).capabilities)
    if missing:
        raise UnsupportedCapability(
            "The scheduler “{name}” can't do: {missing}.",
            hint="Leave it out, or choose a scheduler that can, such as an HTCondor pool.",
            name=scheduler.name,
            missing=", ".join(missing),
        )


def check_fit(scheduler: Scheduler, wanted: Resources) -> None:
    """Refuse what is larger than all that an engine without a queue of its own can give."""
    if scheduler.cpus is None or scheduler.memory_mib is None:
        return
    for what, asked, there in (
        ("CPUs", wanted.cpus, scheduler.cpus),
        ("MiB of memory", wanted.memory_mib or 0, scheduler.memory_mib),
    ):
        if asked > there:
            raise InvalidSpecification(
                "The job asks for {asked:,} {what}; “{name}” has {there:,}.",
                hint="Ask for less, or choose a larger scheduler.",
                code="does-not-fit",
                asked=asked,
                what=what,
                name=scheduler.name,
                there=there,
            )


def check_inputs(files: list[str]) -> None:
    """Refuse input files of the portal that are not there or can't be read."""
    for name in files:
        path = Path(name)
        if not path.is_absolute():
            raise MissingFile(
                "The remote input file “{name}” is not an absolute path.",
                hint="Give the file's full path on the portal.",
                name=name,
            )
        if not path.exists():
            raise MissingFile(
                "The remote input file “{name}” is not there.", hint="Create it first.", name=name
            )


def check_name(job: Job) -> None:
    """Refuse names that can't be shown or stored."""
    if not job.name.strip():
        raise InvalidSpecification("The job has no name.", hint="Give it one.")
    for what, text in (("name", job.name), ("label", job.label)):
        if len(text) > NAME_LENGTH:
            raise InvalidSpecification(
                "The job's {what} has {count} characters; at most {name_length} fit.",
                hint="Shorten it; the description has room for more.",
                what=what,
                count=len(text),
                name_length=NAME_LENGTH,
            )
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise InvalidSpecification(
                "The job's {what} has a line break or another control character.",
                hint="Put it on one line.",
                what=what,
            )
        _check_text(what, text)
    _check_text("description", job.description)
    for what in ("extended_properties", "attributes", "remote_input_files"):
        for text in _texts(getattr(job, what)):
            _check_text(what, text)


def _check_text(what: str, text: str) -> None:
    if plain(text) != text:
        raise InvalidSpecification(
            "The job's {what} has a NUL or half a character.",
            hint="A database can't keep these; take them out.",
            what=what,
        )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, the names of its members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def name_key(name: str) -> str:
    """What a name is sorted and found by."""
    return name.casefold()[:NAME_KEY_LENGTH]


def check_active(user_id: Any, *, more: int = 1) -> None:
    """Refuse jobs past the user's limit of jobs under way.

    The count may be some seconds old while it is below half of the limit, so that a loop of
    ``execute()`` does not count the same jobs again and again.
    """
    limit = conf.current().limits.active_jobs
    if not limit:
        return
    at, known = _counts.get(user_id, (0.0, limit))
    if known + more > limit // 2 or monotonic() - at > _COUNT_AGE_S:
        states = [state.value for state in JOB_ACTIVE]
        active = Job.objects.filter(user_id=user_id, state__in=states)
        at, known = monotonic(), active.order_by().values("pk")[: limit + 1].count()
    if known + more > limit:
        raise LimitExceeded(
            "You have {known} jobs under way; {limit} are allowed.",
            hint="Wait until some have ended, or stop some.",
            known=known,
            limit=limit,
        )
    _counts[user_id] = (at, known + more)
