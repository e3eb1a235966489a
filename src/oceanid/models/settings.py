"""The three parts of the site admin's Settings: there from the beginning, and only edited."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.cluster import Cluster
from oceanid.models.scheduler import Scheduler


class Part(StrEnum):
    """The parts; those of a cloud are named as the cloud is."""

    AZURE = "azure"
    AMAZON = "amazon"
    CLUSTER = "cluster"


class Setting(models.Model):
    """One part. Credentials stand in the default account of their cloud, not here."""

    PARTS = [
        (Part.AZURE.value, _("Azure Credentials")),
        (Part.AMAZON.value, _("Amazon Credentials")),
        (Part.CLUSTER.value, _("Cluster Management")),
    ]

    part = models.CharField(_("part"), max_length=10, primary_key=True, choices=PARTS)
    scheduler = models.ForeignKey(
        Scheduler, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    default_cluster = models.ForeignKey(
        Cluster, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    identity = models.UUIDField(
        default=uuid.uuid4,
        editable=False,
        help_text="Of the part “cluster”: the portal's, in the tags of all that it makes.",
    )
    changed_at = models.DateTimeField(_("changed"), null=True, editable=False)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("part of the settings")
        verbose_name_plural = _("settings")
        default_permissions = ("view", "change")
        constraints = [
            models.CheckConstraint(
                condition=Q(part=Part.CLUSTER.value)
                | Q(scheduler__isnull=True, default_cluster__isnull=True),
                name="oceanid_setting_of_clusters",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_part_display())
