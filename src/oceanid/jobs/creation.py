"""How the Job Manager makes jobs and finds them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q, QuerySet

from oceanid.errors import InvalidSpecification, NotFound, NotPermitted, UnknownAttribute
from oceanid.jobs import classic
from oceanid.jobs.references import dotted_path
from oceanid.jobs.templates import gathered
from oceanid.jobs.types import BasicJob, class_of
from oceanid.models import AppScheduler, Job, Scheduler
from oceanid.services import paths, policy, schedulers
from oceanid.services.freeze import check_name
from oceanid.states import JobState

if TYPE_CHECKING:
    from oceanid.jobs.manager import JobManager
    from oceanid.jobs.templates import JobTemplate

MOST_JOB_ID = 2**63 - 1
_OWNERS = {
    "function": "PYTHON",
    "args": "PYTHON",
    "kwargs": "PYTHON",
    "max_jobs": "CONDORWORKFLOW",
    "config": "CONDORWORKFLOW",
}


def create(
    manager: JobManager,
    name: str,
    user: AbstractBaseUser,
    *,
    groups: Group | Iterable[Group] | None,
    job_type: str | type[Job] | None,
    template: JobTemplate | None,
    given: Mapping[str, Any],
) -> Job:
    """Make a job; see ``JobManager.create_job``."""
    if user is None or not getattr(user, "is_authenticated", False) or user.pk is None:
        raise NotPermitted("A job needs a user who is logged in.", hint="Log in first.")
    cls = class_of(job_type or (template.type if template else None))
    fields = template.fill(given) if template else gathered(given)
    attributes = classic.merged({}, dict(fields.pop("attributes", None) or {}))
    base = fields.pop("condorpy_template_name", None)
    if base is not None:
        attributes = classic.merged(classic.template(base), attributes)
    _check_fields(cls, fields, attributes)
    fields["scheduler"] = _scheduler(manager, fields.get("scheduler"))
    fields = {key: value for key, value in fields.items() if value is not None}
    fields.setdefault("label", manager.label)
    if fields.get("process_results_function"):
        fields["process_results_function"] = dotted_path(fields["process_results_function"])
    for key in ("workspace", "remote_input_files"):
        if key in fields:
            fields[key] = _placed(fields[key], manager.label, user)
    _check_number(fields)
    owner: Any = user
    job = cls(
        name=name,
        user=owner,
        app=manager.label,
        template_name=template.name if template else "",
        attributes=attributes,
        **fields,
    )
    job._normalise()  # type: ignore[attr-defined]
    check_name(job)
    if template is not None:
        template.build(job)
    shared = _group_list(groups)
    if shared:
        with transaction.atomic():
            job.save()
            job.groups.set(shared)
    return job


def listed(
    label: str,
    *,
    user: AbstractBaseUser | None,
    groups: Group | Iterable[Group] | None,
    order_by: str | Sequence[str],
    filters: Mapping[str, Any] | None,
) -> QuerySet[Job]:
    """An app's jobs; see ``JobManager.list_jobs``."""
    if user is not None and groups is not None:
        raise ValueError("Give a user or groups, not both.")
    rows = _filtered(label, filters)
    if user is not None:
        rows = rows.filter(user_id=user.pk)
    if groups is not None:
        shared = Job.groups.through.objects.filter(group__in=_group_list(groups))
        rows = rows.filter(pk__in=shared.values("job_id"))
    fields = [order_by] if isinstance(order_by, str) else list(order_by)
    return rows.order_by(*(_renamed(field) for field in fields))


def found(
    label: str,
    job_id: int | str,
    *,
    user: AbstractBaseUser | None,
    filters: Mapping[str, Any] | None,
) -> Job | None:
    """One of an app's jobs; see ``JobManager.get_job``."""
    try:
        number = int(job_id)
    except (TypeError, ValueError):
        return None
    if not 0 < number <= MOST_JOB_ID:
        return None
    job = _filtered(label, filters).filter(pk=number).first()
    if job is None or (user is not None and not policy.may(user, "view", job)):
        return None
    return job


def assigned_scheduler(app: Any, label: str, name: str) -> Scheduler | None:
    """The scheduler that was given to an app's setting; None when it is optional and empty.

    Raises:
        NotFound: The app declares no such setting, or it is required and empty.
    """
    row = AppScheduler.objects.filter(app=label, name=name).select_related("scheduler").first()
    if row is None:
        from oceanid.jobs.apps import declared_settings

        declared = {each.name: each for each in declared_settings(app)}
        if name not in declared:
            raise NotFound(
                "The app “{label}” has no scheduler setting “{name}”.",
                hint="It has: {declared}.",
                label=label,
                name=str(name)[:100],
                declared=", ".join(declared) or "none",
            )
        required = declared[name].required
    elif row.scheduler is not None:
        return row.scheduler
    else:
        required = row.required
    if required:
        raise NotFound(
            "No scheduler was chosen for the setting “{name}” of the app “{label}”.",
            hint="An administrator can choose one in the site admin.",
            name=name,
            label=label,
        )
    return None


def made_workspace(label: str, user: AbstractBaseUser | None = None) -> Path:
    """An app's directory, or a user's within it, made when it is missing."""
    folder = paths.workspace(label, user.pk if user is not None else None)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _check_fields(cls: type[Job], fields: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    if attributes and issubclass(cls, BasicJob):
        raise UnknownAttribute(
            "A {type} job has no “{attributes}”.",
            hint="Keep data of the app in extended_properties, or use a CONDOR job.",
            type=cls.TYPE,
            attributes=str(next(iter(attributes)))[:60],
        )
    for name, owner in _OWNERS.items():
        if fields.get(name) not in (None, {}, "") and name not in cls.EXTRA:  # type: ignore[attr-defined]
            raise UnknownAttribute(
                "A {type} job has no “{name}”.",
                hint="Use a {owner} job.",
                type=cls.TYPE,
                name=name,
                owner=owner,
            )


def _check_number(fields: Mapping[str, Any]) -> None:
    for name, least in (("num_jobs", 1), ("priority", -(2**31))):
        value = fields.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            raise InvalidSpecification(
                "{name} must be a whole number, not {value!r:.60}.",
                hint="Give at least 1." if name == "num_jobs" else "",
                name=name,
                value=value,
            )


def _scheduler(manager: JobManager, wanted: Any) -> Scheduler | None:
    """The record that is meant: itself, by its name, or by the name of an app's setting."""
    if wanted is None or wanted == "" or isinstance(wanted, Scheduler):
        return wanted or None
    if not isinstance(wanted, str):
        raise InvalidSpecification(
            "{wanted!r:.100} is no scheduler.",
            hint="Give a scheduler record or its name.",
            wanted=wanted,
        )
    from oceanid.jobs.apps import declared_settings

    settings = {each.name for each in declared_settings(manager.app)}
    if wanted in settings or AppScheduler.objects.filter(app=manager.label, name=wanted).exists():
        return assigned_scheduler(manager.app, manager.label, wanted)
    return schedulers.resolve(wanted)


def _placed(value: Any, label: str, user: AbstractBaseUser) -> Any:
    """Paths with the workspaces' macros replaced."""
    if isinstance(value, list | tuple):
        return [_placed(each, label, user) for each in value]
    text = str(value)
    if "$(APP_WORKSPACE)" in text:
        text = text.replace("$(APP_WORKSPACE)", str(made_workspace(label)))
    if "$(USER_WORKSPACE)" in text:
        text = text.replace("$(USER_WORKSPACE)", str(made_workspace(label, user)))
    return text


def _group_list(groups: Group | Iterable[Group] | None) -> list[Group]:
    if groups is None:
        return []
    return [groups] if isinstance(groups, Group) else list(groups)


def _filtered(label: str, filters: Mapping[str, Any] | None) -> QuerySet[Job]:
    given = dict(filters or {})
    rows: QuerySet[Job] = Job.objects.all()
    if not {"app", "label"} & set(given):
        rows = rows.filter(app=label)
    return narrowed(rows, given)


def narrowed(rows: QuerySet[Job], filters: Mapping[str, Any] | None) -> QuerySet[Job]:
    """Jobs that match look-ups as ``list_jobs`` takes them."""
    given = dict(filters or {})
    for name in ("status", "cached_status", "_status"):
        if name in given:
            rows = rows.filter(_status(given.pop(name)))
        if f"{name}__in" in given:
            words = given.pop(f"{name}__in")
            rows = rows.filter(pk__in=[]) if not words else rows.filter(_any_status(words))
    return rows.filter(**given)


def _status(word: str) -> Q:
    state = JobState.of_word(word)
    if state is None and word in list(JobState):
        state = JobState(word)
    if state is not None:
        return Q(state=state.value)
    return Q(state=JobState.OTHER.value, custom_status=word)


def _any_status(words: Iterable[str]) -> Q:
    wanted = Q()
    for word in words:
        wanted |= _status(word)
    return wanted


def _renamed(field: str) -> str:
    sign, name = ("-", field[1:]) if field.startswith("-") else ("", field)
    return sign + {"status": "state", "cached_status": "state", "_status": "state"}.get(name, name)
