"""Clusters: what is wanted of each, and what its supervisor last saw of it."""

from __future__ import annotations

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.fields import EncryptedJSONField
from oceanid.models.account import CloudAccount
from oceanid.models.scheduler import Scheduler
from oceanid.states import ClusterState, ClusterWanted


class Cluster(models.Model):
    """One master and its workers, in one cloud account.

    What is empty is taken from the default cluster, and then from the cloud's own defaults. The
    row stays until nothing of the cluster is left in the cloud.
    """

    WANTED = [
        (ClusterWanted.PREPARED.value, _("Prepared only")),
        (ClusterWanted.RUN.value, _("Running")),
        (ClusterWanted.STOP.value, _("Stopped")),
        (ClusterWanted.DELETE.value, _("Deleted")),
    ]
    STATES = [
        (ClusterState.PREPARED.value, _("Prepared")),
        (ClusterState.CREATING.value, _("Being made")),
        (ClusterState.RUNNING.value, _("Running")),
        (ClusterState.RESIZING.value, _("Changing its size")),
        (ClusterState.DEGRADED.value, _("Needs attention")),
        (ClusterState.STOPPING.value, _("Being stopped")),
        (ClusterState.STOPPED.value, _("Stopped")),
        (ClusterState.STARTING.value, _("Being started")),
        (ClusterState.DELETING.value, _("Being deleted")),
        (ClusterState.FAILED.value, _("Failed")),
    ]

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
    budget = models.DecimalField(
        _("budget"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    own_key = models.BooleanField(_("a key of its own"), default=False)
    ssh_from = models.JSONField(_("reached by SSH from"), default=list, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    # What is wanted of it as a whole; changed by people, by way of services/clusters.py.
    wanted = models.CharField(
        max_length=3, choices=WANTED, default=ClusterWanted.PREPARED.value, editable=False
    )
    force = models.BooleanField(default=False, editable=False)
    preflight_wanted_at = models.DateTimeField(null=True, editable=False)
    repair_wanted_at = models.DateTimeField(null=True, editable=False)

    # What its supervisor found and decided.
    state = models.CharField(
        _("state"),
        max_length=3,
        choices=STATES,
        default=ClusterState.PREPARED.value,
        editable=False,
    )
    state_since = models.DateTimeField(null=True, editable=False)
    message = models.TextField(_("what was found"), blank=True, editable=False)
    hint = models.TextField(_("what to do"), blank=True, editable=False)
    steps = models.JSONField(default=list, editable=False)
    blueprint = models.JSONField(default=dict, editable=False)
    notes = models.JSONField(default=dict, editable=False)
    secrets = EncryptedJSONField(default=dict, blank=True, editable=False)
    preflight = models.JSONField(default=list, editable=False)
    preflighted_at = models.DateTimeField(null=True, editable=False)
    scheduler = models.OneToOneField(
        Scheduler,
        verbose_name=_("scheduler"),
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="cluster",
    )
    target = models.PositiveIntegerField(
        _("size that the queue asks for"), null=True, editable=False
    )
    idle_since = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    looked_at = models.DateTimeField(_("looked at"), null=True, editable=False)
    cost = models.DecimalField(
        _("cost so far"), max_digits=14, decimal_places=6, default=0, editable=False
    )
    cost_at = models.DateTimeField(null=True, editable=False)
    usd_beside = models.DecimalField(
        _("US$ per hour beside its machines"),
        max_digits=10,
        decimal_places=5,
        null=True,
        editable=False,
    )  # None as long as nothing stands

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ["name"]
        permissions = [
            ("run_cluster", _("Can create, resize, start, stop and repair clusters")),
            ("audit_cloud", _("Can look for what is left in a cloud account, and clean it up")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="oceanid_cluster_name_once"),
            models.CheckConstraint(condition=Q(size__gte=1), name="oceanid_cluster_has_a_master"),
        ]

    def __str__(self) -> str:
        return self.name
