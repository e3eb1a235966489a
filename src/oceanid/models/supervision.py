"""Who supervises what: leases with an epoch, and each supervisor's heartbeat."""

from __future__ import annotations

import uuid

from django.db import models


class Lease(models.Model):
    """The right to drive one thing, held by one supervisor at a time.

    ``epoch`` grows each time the holder changes; every write of a supervisor checks it in its
    own transaction, so that one that slept past its lease changes nothing when it wakes.
    """

    name = models.CharField(max_length=150, primary_key=True)
    holder = models.UUIDField(null=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} #{self.epoch}"


class SupervisorBeat(models.Model):
    """A supervisor that is, or was, alive."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=50)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    stopped_at = models.DateTimeField(null=True)
    figures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
