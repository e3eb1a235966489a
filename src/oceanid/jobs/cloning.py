"""Clones: a new job from an old one, in which a person changes what is theirs to change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser

from oceanid.errors import InvalidSpecification, NotFound, NotPermitted
from oceanid.jobs.creation import create
from oceanid.jobs.manager import JobManager
from oceanid.jobs.stored import from_store, to_store
from oceanid.jobs.templates import FIELDS, JobTemplate
from oceanid.models import Job, Scheduler, WorkflowEdge, WorkflowNode
from oceanid.services import policy
from oceanid.submit import SubmitDescription

MOST_TEXT: Final = 200_000
_NEVER: Final = frozenset(
    {
        "function",
        "process_results_function",
        "workspace",
        "remote_input_files",
        "condorpy_template_name",
        "config",
    }
)
"""What only an app's code may say: what runs in the portal, and which of its files are read."""
_OF_CALL: Final = ("function", "args", "kwargs")
_OF_WORKFLOW: Final = ("max_jobs", "config")
_OF_NODE: Final = (
    "type", "attributes", "remote_input_files", "num_jobs", "pre_script", "pre_script_args",
    "post_script", "post_script_args", "pre_skip", "variables", "priority", "category", "retry",
    "retry_unless_exit_value", "abort_dag_on", "abort_dag_on_return_value", "dir", "noop", "done",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that may be changed.

    Args:
        name: As ``create_job`` calls it.
        kind: How it is written: ``line``, ``text``, ``number``, ``decimal``, ``choice`` (yes or
            no), ``lines`` (one value each) or ``json``.
        value: What stands there now, as text.
    """

    name: str
    kind: str
    value: str


class Cloning:
    """What a person may make of a job.

    The owner copies the job as it is described, and changes what its template lets users change.
    Somebody else begins with the template itself, with the job's values where they may be
    changed. Whoever has ``oceanid.submit_any`` changes the whole specification.

    Args:
        job: The job, which the person may see.
        user: The person, whose job the new one will be.

    Raises:
        NotPermitted: It has no template any more and is not theirs.
        InvalidSpecification: It is of a type that is not cloned.
    """

    def __init__(self, job: Job, user: AbstractBaseUser) -> None:
        self.job = job
        self.user = user
        self.template = _template_of(job)
        self.is_free = policy.may_submit_any(user)
        self.is_copy = self.is_free or job.user_id == user.pk
        if job.type == "BASIC":
            raise InvalidSpecification(
                "The work of this job belongs to its app, so it can't be cloned here.",
                hint="Start a new one in the app.",
            )
        if not self.is_copy and self.template is None:
            raise NotPermitted(
                "This job was not made from a template that you may use.",
                hint="Its owner can clone it, or an administrator can let you write "
                "specifications of your own (oceanid.submit_any).",
            )

    @property
    def fields(self) -> list[Field]:
        """What may be changed, the name and the description apart."""
        return [_field(name, self._present(name)) for name in self._names()]

    def make(self, name: str, description: str, given: Mapping[str, str]) -> Any:
        """The new job, not saved yet.

        Args:
            name: Its name.
            description: What people read about it.
            given: The fields' values as they were written; one that is missing stays.

        Raises:
            NotPermitted: A name is not theirs to change.
            InvalidSpecification: A value can't be used, by name.
        """
        fields = {field.name: field for field in self.fields}
        values: dict[str, Any] = {}
        for key, text in given.items():
            field = fields.get(key) or _refuse(key, fields)
            text = text.replace("\r\n", "\n")
            if text != field.value:
                values[key] = _read(field, text)
        if self.is_copy:
            made = self._copied(name, description, values)
        else:
            kept = {key: _read(field, field.value) for key, field in fields.items() if field.value}
            assert self.template is not None
            accepted = self.template.accept(kept | values)
            made = self._created(name, self.template, {**accepted, "description": description})
        made.cloned_from_id = self.job.pk
        return made

    def _copied(self, name: str, description: str, values: dict[str, Any]) -> Any:
        stored = self._stored() | {"description": description}
        changed: dict[str, Any] = {}
        if self.is_free:
            stored |= values
        elif values:
            # A copy without a template has no fields, so nothing can have been given.
            assert self.template is not None
            changed = self.template.accept(values)
        made = self._created(name, JobTemplate("", self.job.type, stored), changed)
        # What was written freely does not come from the template any more.
        made.template_name = "" if self.is_free and values else self.job.template_name
        if hasattr(made, "add_node"):
            _copy_nodes(self.job, made)
        return made

    def _created(self, name: str, template: JobTemplate, given: Mapping[str, Any]) -> Any:
        manager = JobManager(self.job.app or "portal")
        made = create(
            manager, name, self.user,
            groups=None, job_type=None, template=template, given=given,
        )  # fmt: skip
        made.app = self.job.app
        return made

    def _stored(self) -> dict[str, Any]:
        """What the job was described by, as ``create_job`` takes it."""
        job = self.job
        attributes = from_store(job.attributes)
        special: dict[str, Any] = {key: attributes.pop(key) for key in (*_OF_CALL, *_OF_WORKFLOW)
                   if key in attributes}  # fmt: skip
        return {
            "attributes": attributes,
            "remote_input_files": list(job.remote_input_files),
            "extended_properties": dict(job.extended_properties),
            "process_results_function": job.process_results_function or None,
            "num_jobs": _asked(job.spec, job.num_jobs),
            "priority": job.priority,
            "label": job.label,
            "workspace": job.workspace or None,
            "scheduler": self._scheduler(),
            **special,
        }

    def _scheduler(self) -> Scheduler | None:
        """The record that people choose, of which a person's account is a part."""
        scheduler = self.job.scheduler
        return (scheduler.parent or scheduler) if scheduler is not None else None

    def _names(self) -> list[str]:
        if self.is_free:
            names = ["attributes", "num_jobs", "priority", "scheduler"]
            if self.job.type == "CONDORWORKFLOW":
                names = ["max_jobs", "scheduler"]
            elif self.job.type == "PYTHON":
                names = ["args", "kwargs", "attributes", "priority", "scheduler"]
            return names
        editable = self.template.editable if self.template is not None else frozenset()
        return sorted(editable - _NEVER - {"description"})

    def _present(self, name: str) -> Any:
        stored = self._stored()
        if name in FIELDS:
            if name == "scheduler":
                return str(self._scheduler() or "")
            return stored.get(name)
        for values in (stored.get("kwargs") or {}, stored["attributes"]):
            for key, value in values.items():
                if key.lower() == name.lower():
                    return value
        declared = self.template.parameters if self.template is not None else {}
        for values in (declared.get("kwargs") or {}, declared.get("attributes") or {}):
            if name in values:
                return values[name]
        return None


def _template_of(job: Job) -> JobTemplate | None:
    if not job.app or not job.template_name:
        return None
    try:
        return JobManager(job.app).template(job.template_name)
    except (NotFound, InvalidSpecification):
        return None


def _asked(spec: dict[str, Any], num_jobs: int) -> int:
    """How many processes were asked for, for each item if there are items."""
    if spec.get("workflow"):
        return 1
    return SubmitDescription.from_json(spec).items.steps if spec else num_jobs


def _copy_nodes(job: Job, made: Any) -> None:
    edges = WorkflowEdge.objects.filter(child__workflow_id=job.pk).values_list(
        "child__name", "parent__name"
    )
    parents: dict[str, list[str]] = {}
    for child, parent in edges:
        parents.setdefault(child, []).append(parent)
    for node in WorkflowNode.objects.filter(workflow_id=job.pk).order_by("id"):
        fields = {name: getattr(node, name) for name in _OF_NODE}
        fields["num_jobs"] = _asked(node.spec, node.num_jobs)
        made.add_node(node.name, parents=parents.get(node.name, []), **fields)


def _field(name: str, value: Any) -> Field:
    if isinstance(value, bool):
        return Field(name, "choice", "true" if value else "false")
    if isinstance(value, int):
        return Field(name, "number", str(value))
    if isinstance(value, float):
        return Field(name, "decimal", repr(value))
    if isinstance(value, list) and all(type(each) is str and "\n" not in each for each in value):
        return Field(name, "lines", "\n".join(value))
    if isinstance(value, dict | list):
        return Field(name, "json", _json(value))
    text = "" if value is None else str(value)
    return Field(name, "text" if "\n" in text or len(text) > 60 else "line", text)


def _json(value: Any) -> str:
    plain = to_store({"value": value})["value"]
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _read(field: Field, text: str) -> Any:
    """What was written, as what stood there before.

    Raises:
        InvalidSpecification: It can't be read so.
    """
    if len(text) > MOST_TEXT:
        raise InvalidSpecification(
            "{name} is too long.", hint="Put it into a file.", name=field.name
        )
    try:
        if field.kind == "choice":
            return {"true": True, "false": False}[text]
        if field.kind == "number":
            return int(text)
        if field.kind == "decimal":
            return float(text)
        if field.kind == "json":
            return _from_json(text, like=field.value)
    except (ValueError, KeyError, RecursionError) as problem:
        what = {
            "number": "a whole number",
            "decimal": "a number",
            "json": "JSON, and of the same kind as before",
        }.get(field.kind, "true or false")
        raise InvalidSpecification(
            "{name} must be {what}: {problem}",
            hint="Correct it and try again.",
            name=field.name,
            what=what,
            problem=problem,
        ) from problem
    if field.kind == "lines":
        return text.removesuffix("\n").split("\n") if text.strip("\n") else []
    return text if text else None


def _from_json(text: str, *, like: str) -> Any:
    value = json.loads(text)
    if type(value) is not type(json.loads(like)):
        raise ValueError("it begins otherwise")
    return from_store({"value": value})["value"]


def _refuse(name: str, fields: Mapping[str, Field]) -> Field:
    offered = ", ".join(fields) or "nothing but its name and description"
    raise NotPermitted(
        "“{name}” is not yours to change.",
        hint="You may change: {offered}.",
        name=name[:60],
        offered=offered,
    )
