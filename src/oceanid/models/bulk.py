"""Actions on very many jobs at once: what was asked for, how far it is, what came of each."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class BulkVerb(models.TextChoices):
    """What can be asked of many jobs."""

    STOP = "stop", _("Stop")
    PAUSE = "pause", _("Pause")
    RESUME = "resume", _("Resume")
    RESUBMIT = "resubmit", _("Resubmit")
    DELETE = "delete", _("Delete")


class BulkState(models.TextChoices):
    """Where an action stands; each may become CANCELLED until it has ended."""

    COUNTING = "CNT", _("Counting")
    READY = "RDY", _("To be confirmed")
    RUNNING = "RUN", _("Under way")
    DONE = "DON", _("Done")
    CANCELLED = "CAN", _("Cancelled")
    FAILED = "FAI", _("Failed")

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens."""
        return self in (BulkState.DONE, BulkState.CANCELLED, BulkState.FAILED)


WORKED_ON = (BulkState.COUNTING.value, BulkState.RUNNING.value)
"""What the supervisor sees to."""


class BulkAction(models.Model):
    """A wish about many jobs: those of an address, or certain ones, that were there by then."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="oceanid_bulk_actions",
        db_index=False,
    )
    verb = models.CharField(max_length=10, choices=BulkVerb.choices)
    state = models.CharField(max_length=3, choices=BulkState.choices)
    parameters = models.JSONField(default=dict)
    job_ids = models.JSONField(null=True)
    upper_id = models.PositiveBigIntegerField(default=0)
    cursor = models.PositiveBigIntegerField(default=0)
    foreseen = models.JSONField(default=dict)
    outcomes = models.JSONField(default=dict)
    message = models.TextField(default="", blank=True)
    origin = models.CharField(max_length=10, default="code")
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        indexes = [
            models.Index("actor", "id", name="oceanid_bulk_actor"),
            models.Index("id", name="oceanid_bulk_worked_on", condition=Q(state__in=WORKED_ON)),
        ]

    def __str__(self) -> str:
        return f"{self.verb} #{self.pk}"


class BulkResult(models.Model):
    """What came of a bulk action for one job; the job may be gone since."""

    action = models.ForeignKey(
        BulkAction, on_delete=models.CASCADE, related_name="results", db_index=False
    )
    job_id = models.PositiveBigIntegerField()
    name = models.CharField(max_length=200, default="")
    outcome = models.CharField(max_length=20)
    message = models.CharField(max_length=500, default="")

    class Meta:
        verbose_name = _("result of a bulk action")
        verbose_name_plural = _("results of bulk actions")
        indexes = [models.Index("action", "outcome", "id", name="oceanid_bulk_outcome")]
        constraints = [
            models.UniqueConstraint(fields=["action", "job_id"], name="oceanid_bulk_once")
        ]

    def __str__(self) -> str:
        return f"#{self.job_id}: {self.outcome}"
