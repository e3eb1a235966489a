"""Tasks, one row a process, and the batches in which engines are given them."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.job import Job
from oceanid.models.scheduler import Scheduler
from oceanid.states import BatchState, TaskState


class TaskRole(StrEnum):
    """What a task is to its job: the job itself, a node's script before or after it, or the run of
    a whole workflow by its engine."""

    JOB = "J"
    PRE = "P"
    POST = "O"
    DAG = "D"


class Batch(models.Model):
    """One submission to an engine, committed before it is made: the manifest."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4)
    scheduler = models.ForeignKey(
        Scheduler, on_delete=models.PROTECT, related_name="batches", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,  # its jobs hold the user already
    )
    state = models.CharField(max_length=3, default=BatchState.PREPARED.value)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    handle = models.JSONField(default=dict)
    size = models.PositiveIntegerField()
    open_tasks = models.PositiveIntegerField()
    cpus = models.PositiveIntegerField(default=1)
    memory_mib = models.PositiveBigIntegerField(default=0)
    gpus = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                "scheduler",
                "state",
                name="oceanid_batch_live",
                condition=~Q(state__in=["DED", "CLO"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class Task(models.Model):
    """One process of a job: process ``index`` of attempt ``attempt``."""

    STATES = [(state.value, _(state.word)) for state in TaskState]

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    node = models.ForeignKey(
        "oceanid.WorkflowNode", null=True, on_delete=models.CASCADE, related_name="tasks"
    )
    role = models.CharField(max_length=1, default=TaskRole.JOB.value)
    attempt = models.PositiveIntegerField(default=1)
    index = models.PositiveIntegerField()
    tries = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(_("state"), max_length=3, choices=STATES, default="QUE")
    batch = models.ForeignKey(
        Batch,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="tasks",
        db_index=False,
        db_constraint=False,  # a batch goes when it is over; its tasks need not be rewritten
    )
    proc = models.PositiveIntegerField(null=True)
    exit_code = models.IntegerField(_("exit code"), null=True)
    exit_signal = models.PositiveSmallIntegerField(_("signal"), null=True)
    start_time = models.DateTimeField(_("started"), null=True)
    completion_time = models.DateTimeField(_("ended"), null=True)
    cpu_s = models.FloatField(_("CPU seconds"), null=True)
    peak_memory_mib = models.FloatField(_("peak memory"), null=True)
    disk_mib = models.FloatField(_("disk"), null=True)
    host = models.CharField(_("machine"), max_length=255, default="")
    reason_code = models.CharField(max_length=64, default="")
    reason = models.TextField(_("reason"), default="")
    hint = models.TextField(default="")

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            models.Index("job", "attempt", "index", name="oceanid_task_job"),
            # The few that failed of very many, which must not be looked for among all.
            models.Index("job", "attempt", "state", "index", name="oceanid_task_job_state"),
            models.Index("batch", "proc", name="oceanid_task_batch"),
            models.Index("job", "id", name="oceanid_task_queued", condition=Q(state="QUE")),
        ]
        constraints = [
            models.UniqueConstraint(
                "job",
                "attempt",
                "index",
                condition=Q(node__isnull=True),
                name="oceanid_task_once",
            ),
            models.UniqueConstraint(
                "node",
                "attempt",
                "role",
                "index",
                condition=Q(node__isnull=False),
                name="oceanid_node_task_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}.{self.index}"
