"""Job templates: what an app offers, with defaults, and what a user of it may change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from oceanid.errors import NotPermitted
from oceanid.jobs.classic import merged

if TYPE_CHECKING:
    from oceanid.jobs.workflow import WorkflowActions
    from oceanid.models import Job

FIELDS = frozenset(
    {
        "description",
        "workspace",
        "extended_properties",
        "process_results_function",
        "scheduler",
        "num_jobs",
        "label",
        "priority",
        "remote_input_files",
        "attributes",
        "condorpy_template_name",
        "max_jobs",
        "config",
        "function",
        "args",
        "kwargs",
    }
)
"""What ``create_job`` takes for the job itself; every other name is a submit command."""

_MERGED = ("attributes", "extended_properties", "kwargs", "max_jobs")


class JobTemplate:
    """A job that an app offers.

    Args:
        name: What ``create_job(template_name=…)`` calls it.
        type: The job type: a name or a class.
        parameters: What ``create_job`` would be given; submit commands may stand among them.
        editable: The names that a user of the app may change; everything else is fixed.
        description: What a person reads where the template is offered.
    """

    default_type: str = "BASIC"

    def __init__(
        self,
        name: str,
        type: str | type[Job] | None = None,  # noqa: A002 - the name that Tethys apps use
        parameters: Mapping[str, Any] | None = None,
        *,
        editable: Collection[str] = (),
        description: str = "",
    ) -> None:
        self.name = name
        self.type = type or self.default_type
        self.parameters = gathered(parameters or {})
        self.editable = frozenset(editable)
        self.description = description

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} {self.name}>"

    def fill(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The template's parameters with a job's own over them; dictionaries are merged.

        Args:
            given: As ``create_job`` takes it.
        """
        result: dict[str, Any] = copied(self.parameters)
        for name, value in gathered(given).items():
            if name in _MERGED and isinstance(result.get(name), dict) and value is not None:
                result[name] = merged(result[name], dict(value))
            else:
                result[name] = value
        return result

    def accept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a user of the app asked for, if it is theirs to change.

        Raises:
            NotPermitted: The template does not let users change a name.
        """
        for name in values:
            if name not in self.editable:
                offered = ", ".join(sorted(self.editable)) or "nothing"
                raise NotPermitted(
                    "The template “{name}” does not let you change “{name2}”.",
                    hint="It lets you change: {offered}.",
                    name=self.name,
                    name2=str(name)[:60],
                    offered=offered,
                )
        return dict(values)

    def build(self, job: Job) -> None:
        """Add to a new job what no field holds; a workflow's nodes."""


class BasicJobTemplate(JobTemplate):
    """A job whose work and status belong to the app."""

    def __init__(
        self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(name, "BASIC", parameters, **options)


class CondorJobDescription:
    """What one program needs, for a template of a job or of a node.

    Args:
        condorpy_template_name: A classic template to begin with.
        remote_input_files: Files of the portal, copied into the job's directory.
        attributes: Submit commands.
    """

    def __init__(
        self,
        condorpy_template_name: str | None = None,
        remote_input_files: Iterable[str] | None = None,
        **attributes: Any,
    ) -> None:
        self.condorpy_template_name = condorpy_template_name
        self.remote_input_files = list(remote_input_files or ())
        self.attributes = attributes

    @property
    def parameters(self) -> dict[str, Any]:
        """The same as ``create_job`` takes it."""
        found: dict[str, Any] = {"attributes": self.attributes}
        if self.condorpy_template_name:
            found["condorpy_template_name"] = self.condorpy_template_name
        if self.remote_input_files:
            found["remote_input_files"] = self.remote_input_files
        return found


class CondorJobTemplate(JobTemplate):
    """A program, or an array of processes of it.

    Args:
        name: What ``create_job(template_name=…)`` calls it.
        job_description: The program; its submit commands may also be given by their names here.
        editable: The names that a user of the app may change.
        description: What a person reads.
        parameters: Submit commands, and what else ``create_job`` takes.
    """

    default_type = "CONDOR"

    def __init__(
        self,
        name: str,
        job_description: CondorJobDescription | None = None,
        *,
        type: str | type[Job] | None = None,  # noqa: A002
        editable: Collection[str] = (),
        description: str = "",
        **parameters: Any,
    ) -> None:
        both = dict(job_description.parameters) if job_description else {}
        for key, value in gathered(parameters).items():
            both[key] = merged(both.get(key, {}), value) if key == "attributes" else value
        super().__init__(name, type, both, editable=editable, description=description)


class PythonJobTemplate(JobTemplate):
    """A call of a Python function.

    Args:
        name: What ``create_job(template_name=…)`` calls it.
        function: The function or its path.
        args, kwargs: Its arguments.
        editable: The names of keyword arguments, or of job fields, that a user may change.
        description: What a person reads.
        parameters: Submit commands, and what else ``create_job`` takes.
    """

    default_type = "PYTHON"

    def __init__(
        self,
        name: str,
        function: Any,
        *,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        editable: Collection[str] = (),
        description: str = "",
        **parameters: Any,
    ) -> None:
        call = {"function": function, "args": list(args), "kwargs": dict(kwargs or {})}
        super().__init__(
            name, None, {**parameters, **call}, editable=editable, description=description
        )

    def accept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As every template's; what names no field is a keyword argument of the function."""
        allowed = super().accept(values)
        fields = {name: value for name, value in allowed.items() if name in FIELDS}
        arguments = {name: value for name, value in allowed.items() if name not in FIELDS}
        return {**fields, "kwargs": arguments} if arguments else fields


class CondorWorkflowJobTemplate:
    """A node of a workflow's template.

    Args:
        name: The node's name.
        job_description: What it runs.
        parents: The node templates, or their names, that must be done before it.
        parameters: As ``CondorWorkflowJobNode`` takes them (``category``, ``retry`` …).
    """

    def __init__(
        self,
        name: str,
        job_description: CondorJobDescription,
        *,
        parents: Iterable[CondorWorkflowJobTemplate | str] = (),
        **parameters: Any,
    ) -> None:
        self.name = name
        self.parameters = {**job_description.parameters, **parameters}
        self.parents = list(parents)

    def add_dependency(self, dependency: CondorWorkflowJobTemplate | str) -> None:
        """Let this node start only when another is done."""
        self.parents.append(dependency)


class CondorWorkflowTemplate(JobTemplate):
    """A workflow with its nodes.

    Args:
        name: What ``create_job(template_name=…)`` calls it.
        parameters: What else ``create_job`` takes.
        jobs: The nodes' templates; parents of theirs that are missing here come along.
        max_jobs: How many nodes of each category may run at once.
        config: The path of a DAGMan configuration file.
        editable: The names that a user of the app may change.
        description: What a person reads.
    """

    default_type = "CONDORWORKFLOW"

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        jobs: Iterable[CondorWorkflowJobTemplate] = (),
        max_jobs: Mapping[str, int] | None = None,
        config: str = "",
        *,
        editable: Collection[str] = (),
        description: str = "",
        **more: Any,
    ) -> None:
        given = {**(parameters or {}), **more, "max_jobs": dict(max_jobs or {}), "config": config}
        super().__init__(name, None, given, editable=editable, description=description)
        self.node_templates = list(jobs or ())

    def build(self, job: Job) -> None:
        """Add the nodes to the new workflow."""
        workflow: WorkflowActions = job  # type: ignore[assignment]
        for node in self._all_nodes():
            names = [each if isinstance(each, str) else each.name for each in node.parents]
            workflow.add_node(node.name, parents=names, **copied(node.parameters))

    def _all_nodes(self) -> list[CondorWorkflowJobTemplate]:
        found: dict[int, CondorWorkflowJobTemplate] = {}
        waiting = list(reversed(self.node_templates))
        while waiting:
            node = waiting.pop()
            if id(node) not in found:
                found[id(node)] = node
                waiting.extend(each for each in node.parents if not isinstance(each, str))
        return list(found.values())


def gathered(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with their submit commands moved into ``attributes``."""
    result = {name: value for name, value in given.items() if name in FIELDS}
    commands = {name: value for name, value in given.items() if name not in FIELDS}
    if commands:
        result["attributes"] = merged(
            dict(result.get("attributes") or {}), commands, keep_none=True
        )
    return result


def copied(value: Any) -> Any:
    """A copy of dictionaries and lists; records and functions in them are shared."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value
