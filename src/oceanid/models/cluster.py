"""Clusters: what is wanted of each; their machines are made by the supervisor."""

from __future__ import annotations

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.models.account import CloudAccount


class Cluster(models.Model):
    """One master and its workers, in one cloud account.

    What is empty is taken from the default cluster, and then from the cloud's own defaults.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(
        CloudAccount,
        verbose_name=_("cloud account"),
        on_delete=models.PROTECT,
        related_name="clusters",
    )
    name = models.CharField(
        _("name"),
        max_length=40,
        help_text=_("Unique in the account: small letters, digits and hyphens."),
    )
    size = models.PositiveIntegerField(
        _("size"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("The number of machines, the master included; with 1 the master works too."),
    )
    master_image = models.CharField(_("Master Image ID"), max_length=500, blank=True)
    master_type = models.CharField(_("Master Instance Type"), max_length=100, blank=True)
    node_image = models.CharField(_("Node Image ID"), max_length=500, blank=True)
    node_type = models.CharField(_("Node Instance Type"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=50, blank=True)
    zones = models.JSONField(_("zones"), default=list, blank=True)
    spot = models.BooleanField(_("spot machines"), default=False)
    min_size = models.PositiveIntegerField(_("minimum size"), null=True, blank=True)
    max_size = models.PositiveIntegerField(_("maximum size"), null=True, blank=True)
    idle_minutes = models.PositiveIntegerField(_("idle minutes"), null=True, blank=True)
    hourly_limit = models.DecimalField(
        _("hourly cost limit"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    network = models.CharField(_("existing network"), max_length=500, blank=True)
    resource_group = models.CharField(_("existing resource group"), max_length=90, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="oceanid_cluster_name_once"),
            models.CheckConstraint(condition=Q(size__gte=1), name="oceanid_cluster_has_a_master"),
        ]

    def __str__(self) -> str:
        return self.name
