"""What the overview reads: sums of what happened, and how much stands where."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from oceanid.models.scheduler import Scheduler

SLOT_S = 300
"""How long a slot lasts; it is known by its number since 1970 (UTC)."""


class Tally(models.Model):
    """What happened to processes within a slot at one scheduler: a person's, or everyone's."""

    slot = models.BigIntegerField()
    scheduler = models.ForeignKey(
        Scheduler, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+",
        db_index=False,
    )  # fmt: skip
    submitted = models.BigIntegerField(default=0)
    started = models.BigIntegerField(default=0)
    complete = models.BigIntegerField(default=0)
    error = models.BigIntegerField(default=0)
    aborted = models.BigIntegerField(default=0)
    waited = models.BigIntegerField(default=0)
    wait_s = models.FloatField(default=0.0)
    ran = models.BigIntegerField(default=0)
    run_s = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "scheduler"],
                condition=Q(user__isnull=True),
                name="oceanid_tally_everyone",
            ),
            models.UniqueConstraint(
                fields=["user", "slot", "scheduler"],
                condition=Q(user__isnull=False),
                name="oceanid_tally_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slot} {self.scheduler_id}"


class FailureTally(models.Model):
    """How many processes failed within a slot at one scheduler, by the code of the reason."""

    slot = models.BigIntegerField()
    scheduler = models.ForeignKey(
        Scheduler, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+",
        db_index=False,
    )  # fmt: skip
    code = models.CharField(max_length=64)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "scheduler", "code"],
                condition=Q(user__isnull=True),
                name="oceanid_failures_everyone",
            ),
            models.UniqueConstraint(
                fields=["user", "slot", "scheduler", "code"],
                condition=Q(user__isnull=False),
                name="oceanid_failures_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slot} {self.code}: {self.count}"


class Standing(models.Model):
    """How much of a person's stood at a scheduler when that was last looked at: processes."""

    scheduler = models.ForeignKey(
        Scheduler, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    jobs = models.PositiveIntegerField(default=0)
    waiting = models.PositiveBigIntegerField(default=0)
    running = models.PositiveBigIntegerField(default=0)
    paused = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)
    held_for = models.JSONField(default=dict)
    """How many are held for each reason, by its code."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scheduler", "user"], name="oceanid_standing_once")
        ]

    def __str__(self) -> str:
        return f"{self.scheduler_id}: {self.running} run, {self.waiting} wait"


class Depth(models.Model):
    """How much stood, at its most, within a slot: a person's, or everyone's."""

    slot = models.BigIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+",
        db_index=False,
    )  # fmt: skip
    waiting = models.BigIntegerField(default=0)
    running = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot"], condition=Q(user__isnull=True), name="oceanid_depth_everyone"
            ),
            models.UniqueConstraint(
                fields=["user", "slot"],
                condition=Q(user__isnull=False),
                name="oceanid_depth_person",
            ),
        ]
        indexes = [models.Index(F("slot"), name="oceanid_depth_slot")]

    def __str__(self) -> str:
        return f"{self.slot}: {self.running} run, {self.waiting} wait"
