"""What happened to a job, in the order in which it was written; rows are only ever added."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.job import Job


class EventKind(StrEnum):
    """What an event tells of."""

    STATE = "state"
    TASK = "task"
    NODE = "node"
    INTENT = "intent"
    PROGRESS = "progress"
    RESULTS = "results"
    NOTE = "note"


class JobEvent(models.Model):
    """One change of a job, of one of its tasks or of one of its nodes."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events", db_index=False)
    task_id = models.BigIntegerField(null=True)
    node_id = models.BigIntegerField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=10)
    before = models.CharField(max_length=3, default="")
    after = models.CharField(max_length=3, default="")
    at = models.DateTimeField(_("when"))
    message = models.TextField(_("what"), default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("job event")
        verbose_name_plural = _("job events")
        indexes = [
            models.Index("job", "id", name="oceanid_event_job"),
            # The job's own history, which must not be looked for among a million of its tasks'.
            models.Index(
                "job",
                "id",
                name="oceanid_event_own",
                condition=Q(task_id__isnull=True, node_id__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.before}→{self.after} {self.message}".strip()
