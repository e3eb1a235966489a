"""Output of running tasks that somebody looks at right now, as far as a supervisor has read it."""

from __future__ import annotations

from django.db import models

from oceanid.models.job import Job
from oceanid.models.scheduler import Scheduler


class TailWish(models.Model):
    """Somebody has a page open that shows the end of a task's stdout or stderr.

    It lives as long as pages renew it, and some seconds more.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    task_id = models.BigIntegerField()
    scheduler = models.ForeignKey(
        Scheduler, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    stream = models.CharField(max_length=6)
    wanted_until = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    offset = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    data = models.BinaryField(default=bytes)
    error = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint("task_id", "stream", name="oceanid_tail_once")]
        indexes = [models.Index("scheduler", "wanted_until", name="oceanid_tail_wanted")]

    def __str__(self) -> str:
        return f"{self.task_id} {self.stream}"
