"""Whom a job is shared with, beside the groups that its app gave it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.job import Job


class ShareRight(models.TextChoices):
    """What a share lets somebody do; who may act may view."""

    VIEW = "view", _("may view")
    ACT = "act", _("may view and act")


class JobShare(models.Model):
    """A right to one job that its owner gave to a person or to a group."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shares", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    group = models.ForeignKey(
        Group,
        verbose_name=_("group"),
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    right = models.CharField(_("right"), max_length=4, choices=ShareRight.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("share of a job")
        verbose_name_plural = _("shares of jobs")
        indexes = [
            # The newest that are shared with somebody are read from these, not looked for.
            models.Index("user", "job", name="oceanid_share_user"),
            models.Index("group", "job", name="oceanid_share_group"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "user"], name="oceanid_share_user_once"),
            models.UniqueConstraint(fields=["job", "group"], name="oceanid_share_group_once"),
            models.CheckConstraint(
                condition=Q(user__isnull=True, group__isnull=False)
                | Q(user__isnull=False, group__isnull=True),
                name="oceanid_share_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} → {self.user or self.group} ({self.right})"
