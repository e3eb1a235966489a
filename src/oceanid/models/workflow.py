"""Workflows: nodes, each a job or an array of its own, and the edges between them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.job import Job
from oceanid.states import NodeState


class WorkflowNode(models.Model):
    """One node of a workflow; its words are those of HTCondor's DAGMan and of Tethys."""

    STATES = [(state.value, _(state.word)) for state in NodeState]

    workflow = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="node_set", db_index=False
    )
    name = models.CharField(_("name"), max_length=255)
    type = models.CharField(max_length=3, default="JOB")
    parent_nodes = models.ManyToManyField(
        "self",
        through="oceanid.WorkflowEdge",
        through_fields=("child", "parent"),
        symmetrical=False,
        related_name="children_nodes",
    )
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    remote_input_files = models.JSONField(default=list, blank=True)
    spec = models.JSONField(default=dict, editable=False)
    num_jobs = models.PositiveIntegerField(_("processes"), default=1)
    pre_script = models.CharField(max_length=1024, default="", blank=True)
    pre_script_args = models.TextField(default="", blank=True)
    post_script = models.CharField(max_length=1024, default="", blank=True)
    post_script_args = models.TextField(default="", blank=True)
    pre_skip = models.IntegerField(null=True, blank=True)
    variables = models.JSONField(default=dict, blank=True)
    priority = models.IntegerField(_("priority"), default=0)
    category = models.CharField(_("category"), max_length=255, default="", blank=True)
    retry = models.PositiveSmallIntegerField(_("retries"), default=0)
    retry_unless_exit_value = models.IntegerField(null=True, blank=True)
    abort_dag_on = models.IntegerField(null=True, blank=True)
    abort_dag_on_return_value = models.IntegerField(null=True, blank=True)
    dir = models.CharField(max_length=1024, default="", blank=True)
    noop = models.BooleanField(default=False)
    done = models.BooleanField(default=False)

    state = models.CharField(_("state"), max_length=3, choices=STATES, default="WAI")
    waiting_on = models.PositiveIntegerField(default=0, editable=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    backlog = models.PositiveIntegerField(default=0, editable=False)
    tasks_made = models.PositiveIntegerField(default=0, editable=False)
    tasks_ended = models.PositiveIntegerField(default=0, editable=False)
    tasks_failed = models.PositiveIntegerField(default=0, editable=False)
    exit_code = models.IntegerField(_("exit code"), null=True, editable=False)
    reason = models.TextField(_("reason"), default="", editable=False)
    start_time = models.DateTimeField(_("started"), null=True, editable=False)
    completion_time = models.DateTimeField(_("ended"), null=True, editable=False)

    class Meta:
        verbose_name = _("workflow node")
        verbose_name_plural = _("workflow nodes")
        constraints = [
            models.UniqueConstraint(fields=["workflow", "name"], name="oceanid_node_name_once")
        ]
        indexes = [
            models.Index("workflow", "state", name="oceanid_node_state"),
            models.Index(
                "workflow",
                "category",
                models.F("priority").desc(),
                "id",
                name="oceanid_node_ready",
                condition=Q(state="RDY", backlog=0),
            ),
            models.Index(
                "workflow", "category", name="oceanid_node_begun", condition=Q(backlog__gt=0)
            ),
            models.Index(
                "workflow",
                models.F("priority").desc(),
                "id",
                name="oceanid_node_backlog",
                condition=Q(backlog__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WorkflowEdge(models.Model):
    """``child`` may start when ``parent`` is done."""

    parent = models.ForeignKey(
        WorkflowNode, on_delete=models.CASCADE, related_name="edges_out", db_index=False
    )
    child = models.ForeignKey(WorkflowNode, on_delete=models.CASCADE, related_name="edges_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "child"], name="oceanid_edge_once")
        ]

    def __str__(self) -> str:
        return f"{self.parent_id} → {self.child_id}"
