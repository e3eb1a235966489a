"""A workflow's nodes, with the constructor and the verbs that Tethys apps know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from oceanid.errors import IllegalTransition, InvalidSpecification
from oceanid.jobs import classic
from oceanid.jobs.stored import to_store
from oceanid.models import Job, WorkflowEdge, WorkflowNode
from oceanid.states import NodeState, Wanted

NODE_NAME_LENGTH = 255
_EMPTY_WHEN_NONE = (
    "pre_script", "pre_script_args", "post_script", "post_script_args", "category", "dir",
    "priority", "retry", "variables", "remote_input_files", "num_jobs",
)  # fmt: skip


class CondorWorkflowJobNode(WorkflowNode):
    """A node that runs a program, or an array of processes of it.

    Args:
        workflow: The workflow; it must have been saved before the node is saved.
        name: Unique in the workflow.
        attributes: Submit commands.
        condorpy_template_name: A classic template to begin with (``vanilla_transfer_files`` …).
        remote_input_files: Files of the portal, copied into the workflow's directory.
        num_jobs: Processes.
        pre_script, pre_script_args, post_script, post_script_args: Programs to run before and
            after it, in the workflow's directory.
        variables: Values for ``$(NAME)`` in the attributes.
        priority, category, retry, retry_unless_exit_value, pre_skip, abort_dag_on,
        abort_dag_on_return_value, dir, noop, done: As in DAGMan (HTCondor manual, "DAGMan
            Workflows").
    """

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("workflow node")

    def __init__(
        self,
        *args: Any,
        condorpy_template_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if args:
            super().__init__(*args, **kwargs)
            return
        for name in _EMPTY_WHEN_NONE:
            if name in kwargs and kwargs[name] is None:
                del kwargs[name]
        attributes = dict(kwargs.get("attributes") or {})
        if condorpy_template_name is not None:
            attributes = classic.merged(classic.template(condorpy_template_name), attributes)
        kwargs["attributes"] = attributes
        if "remote_input_files" in kwargs:
            kwargs["remote_input_files"] = [str(each) for each in kwargs["remote_input_files"]]
        super().__init__(**kwargs)

    def save(
        self,
        force_insert: bool | tuple[Any, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the node down as part of its workflow's draft.

        Raises:
            InvalidSpecification: Its name, directory or a number can't be used.
            IllegalTransition: The workflow was not saved, or was executed already.
        """
        self.validate()
        with transaction.atomic():
            lock_draft(self.workflow)
            if self._state.adding:
                self._refuse_second()
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=using,
                update_fields=update_fields,
            )

    def add_parent(self, parent: WorkflowNode) -> None:
        """Let this node start only when the parent is done. Idempotent.

        Raises:
            InvalidSpecification: The parent is in another workflow, or is the node itself.
            IllegalTransition: The workflow was executed already, or a node was not saved.
        """
        if parent is self or (parent.pk is not None and parent.pk == self.pk):
            raise InvalidSpecification("The node “{name}” can't be its own parent.", name=self.name)
        pending = getattr(self.workflow, "add_edges", None)
        if self._state.adding or parent._state.adding:
            if pending is None:
                raise IllegalTransition("A node was not saved.", hint="Save both nodes first.")
            pending([(parent, self)])
            return
        if parent.workflow_id != self.workflow_id:
            raise InvalidSpecification(
                "“{name}” and “{self_name}” are in different workflows.",
                name=parent.name,
                self_name=self.name,
            )
        with transaction.atomic():
            lock_draft(self.workflow)
            WorkflowEdge.objects.bulk_create(
                [WorkflowEdge(parent=parent, child=self)], ignore_conflicts=True
            )

    def add_child(self, child: CondorWorkflowJobNode) -> None:
        """Let the child start only when this node is done. Idempotent."""
        child.add_parent(self)

    @property
    def parents(self) -> QuerySet[CondorWorkflowJobNode]:
        """The nodes that this one waits for."""
        return CondorWorkflowJobNode.objects.filter(edges_out__child_id=self.pk)

    @property
    def children(self) -> QuerySet[CondorWorkflowJobNode]:
        """The nodes that wait for this one."""
        return CondorWorkflowJobNode.objects.filter(edges_in__parent_id=self.pk)

    @property
    def status(self) -> str:
        """What it is doing, in DAGMan's words."""
        return NodeState(self.state).word

    def get_attribute(self, name: str) -> Any:
        """A submit command's value, its name in any case; None when it is not set."""
        return next((value for key, value in self.attributes.items()
                     if key.lower() == name.lower()), None)  # fmt: skip

    def set_attribute(self, name: str, value: Any) -> None:
        """Set a submit command, its name in any case; None takes it out."""
        self.attributes = classic.merged(self.attributes, {name: value})

    def validate(self) -> None:
        """Refuse what can't be stored or run.

        Raises:
            InvalidSpecification: By the node's name.
        """
        name = self.name
        if not isinstance(name, str) or not name.strip() or len(name) > NODE_NAME_LENGTH:
            raise InvalidSpecification(
                "The node's name “{name}” can't be used.",
                hint="Give it 1 to {node_name_length} characters.",
                name=str(name)[:60],
                node_name_length=NODE_NAME_LENGTH,
            )
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
            raise InvalidSpecification(
                "The node's name {name!r} has a line break or another control character.",
                name=name[:60],
            )
        self.attributes = to_store(self.attributes or {})
        if self.dir and (PurePosixPath(self.dir).is_absolute() or ".." in self.dir.split("/")):
            raise InvalidSpecification(
                "Node “{name}”: the directory “{dir}” is not below the workflow's.",
                hint="Give a relative path without “..”.",
                name=name,
                dir=self.dir[:200],
            )
        for what in ("num_jobs", "retry"):
            value, least = getattr(self, what), 1 if what == "num_jobs" else 0
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidSpecification(
                    "Node “{name}”: {what} must be a whole number of at least {least}.",
                    name=name,
                    what=what,
                    least=least,
                )

    def _refuse_second(self) -> None:
        same = WorkflowNode.objects.filter(workflow_id=self.workflow_id, name=self.name)
        if same.exists():
            raise InvalidSpecification(
                "The workflow has a node “{name}” already.",
                hint="Name it otherwise.",
                name=self.name[:60],
            )


def lock_draft(workflow: Job) -> None:
    """Begin a transaction that changes a workflow's nodes with a write to its row.

    Raises:
        IllegalTransition: It was not saved, or was executed already.
    """
    if workflow._state.adding or workflow.pk is None:
        raise IllegalTransition("The workflow was not saved.", hint="Save it before its nodes.")
    drafts = Job.objects.filter(pk=workflow.pk, wanted=Wanted.DRAFT.value)
    if not drafts.update(version=F("version") + 1):
        raise IllegalTransition(
            "The workflow was executed already; its nodes can't be changed.",
            hint="Make a new one, or resubmit it as it is.",
        )


CondorWorkflowNode = CondorWorkflowJobNode
