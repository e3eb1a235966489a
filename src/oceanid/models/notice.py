"""What people are told: changes to tell of, notices in the pages, and who wants to hear what."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.job import Job


class Subject(models.TextChoices):
    """What a change is of."""

    JOB = "job", _("job")
    SHARE = "share", _("share of a job")
    SCHEDULER = "scheduler", _("scheduler")
    CLUSTER = "cluster", _("cluster")
    WEBHOOK = "webhook", _("webhook")


class NoticeKind(models.TextChoices):
    """What people choose to be told of."""

    DONE = "done", _("A job of mine is complete")
    FAILED = "failed", _("A job of mine failed, whole or in part")
    HELD = "held", _("A job of mine is held")
    STOPPED = "stopped", _("A job of mine was stopped")
    WORKFLOW = "workflow", _("A workflow of mine ended or is held")
    WATCHED = "watched", _("A job that I follow ended")
    SHARED = "shared", _("A job is shared with me")
    SCHEDULER = "scheduler", _("A scheduler went away or came back")
    CLUSTER = "cluster", _("A cluster of mine changed")


class Channel(models.TextChoices):
    """How people are told."""

    PAGE = "page", _("In the page")
    EMAIL = "email", _("By e-mail")
    WEBHOOK = "webhook", _("By webhook")


class Outbox(models.Model):
    """A change that somebody may want to hear of, written with the change itself.

    It stands by itself, so that nothing is looked up while a state changes; a supervisor finds out
    whom it concerns, and removes it.
    """

    subject = models.CharField(max_length=10, choices=Subject.choices)
    subject_id = models.BigIntegerField()
    attempt = models.PositiveIntegerField(default=0)
    before = models.CharField(max_length=4, default="")
    after = models.CharField(max_length=4, default="")
    at = models.DateTimeField()
    message = models.CharField(max_length=500, default="")

    def __str__(self) -> str:
        return f"{self.subject} {self.subject_id} {self.before}→{self.after}"


class Told(models.Model):
    """Some changes that are told together; many of them make one digest.

    ``counts`` says how many changes there are of each word; ``items`` holds the first of them.
    """

    MOST_ITEMS = 50

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    count = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    items = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    def add(self, item: dict[str, Any]) -> None:
        """Tell of one more change; only the first are kept in full."""
        self.count += 1
        word = item["word"]
        self.counts = {**self.counts, word: self.counts.get(word, 0) + 1}
        if len(self.items) < self.MOST_ITEMS:
            self.items = [*self.items, item]

    @property
    def only(self) -> dict[str, Any] | None:
        """The one change that it tells of; None for a digest."""
        return self.items[0] if self.count == 1 and self.items else None


class Notice(Told):
    """What somebody is told in the pages, until they have read it; a digest takes more in."""

    changed_at = models.DateTimeField(_("when"))
    read_at = models.DateTimeField(_("read"), null=True)
    is_digest = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index("user", "id", name="oceanid_notice_user"),
            models.Index(
                "user", "id", name="oceanid_notice_unread", condition=Q(read_at__isnull=True)
            ),
            models.Index("created_at", name="oceanid_notice_created"),
        ]

    def __str__(self) -> str:
        return f"{self.count} for {self.user_id}"


class NoticePreference(models.Model):
    """What somebody wants to be told of, and how; who has none gets the defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    channels = models.JSONField(default=dict)
    min_run_s = models.PositiveIntegerField(_("only jobs that ran longer"), default=0)

    def __str__(self) -> str:
        return f"of {self.user_id}"


class JobWatch(models.Model):
    """Somebody's wish to be told when a job ends; it goes when it is fulfilled."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="watches", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "user"], name="oceanid_watch_once")]

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.job_id}"
