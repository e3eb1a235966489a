"""That a job is no more: what an open page hears when even the job's events are away."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class JobGone(models.Model):
    """One deletion, told in the transaction that makes it.

    Its key is taken from the events' own numbers, so that whoever follows events by number
    meets it at its place, and an event never has the same.
    """

    id = models.BigIntegerField(primary_key=True)
    job_id = models.BigIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    groups = models.TextField(default="")
    """The keys of the groups that saw it, with commas between."""
    users = models.TextField(default="")
    """Those of the people whom it was shared with."""
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"#{self.job_id}"
