"""A cluster's machines, the orders that made them, its activity, and what things cost."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from oceanid.fields import EncryptedJSONField
from oceanid.models.account import CloudAccount
from oceanid.models.cluster import Cluster
from oceanid.models.history import History
from oceanid.states import MachineState, Role


class ClusterLaunch(models.Model):
    """One order of machines, written before it is given: after a crash the same token is given
    again, and makes no machine twice.

    ``secrets`` holds what the machines boot with (a worker's token is in it), under the key
    ``user_data``, until the order is over.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="launches")
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    role = models.CharField(max_length=3, choices=[(each.value, each.name) for each in Role])
    count = models.PositiveIntegerField()
    spot = models.BooleanField(default=False)
    zone = models.CharField(max_length=50, blank=True)
    machine_type = models.CharField(max_length=100, blank=True)
    secrets = EncryptedJSONField(default=dict, blank=True)
    ordered_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    got = models.PositiveIntegerField(null=True)
    outcome = models.TextField(blank=True)
    is_over = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.count} × {self.role}"


class ClusterNode(models.Model):
    """One machine of a cluster, from the look that found it first; gone ones are kept a while."""

    STATES = [
        (MachineState.PENDING.value, _("Starting")),
        (MachineState.RUNNING.value, _("Running")),
        (MachineState.STOPPING.value, _("Stopping")),
        (MachineState.STOPPED.value, _("Stopped")),
        (MachineState.ENDING.value, _("Ending")),
        (MachineState.FAILED.value, _("Failed")),
        (MachineState.GONE.value, _("Gone")),
    ]
    ROLES = [(Role.MASTER.value, _("Master")), (Role.WORKER.value, _("Worker"))]

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    launch = models.ForeignKey(
        ClusterLaunch, null=True, on_delete=models.SET_NULL, related_name="nodes"
    )
    cloud_id = models.CharField(_("id at the cloud"), max_length=400)
    role = models.CharField(_("role"), max_length=3, choices=ROLES)
    name = models.CharField(_("name"), max_length=200, blank=True)
    host_name = models.CharField(_("host name"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=3, choices=STATES)
    state_since = models.DateTimeField(null=True)
    machine_type = models.CharField(_("type"), max_length=100, blank=True)
    zone = models.CharField(_("zone"), max_length=50, blank=True)
    spot = models.BooleanField(_("spot"), default=False)
    public_address = models.CharField(_("address"), max_length=255, blank=True)
    private_address = models.CharField(_("private address"), max_length=255, blank=True)
    launched_at = models.DateTimeField(_("made"), null=True)
    joined_at = models.DateTimeField(_("joined the pool"), null=True)
    heard_at = models.DateTimeField(_("last heard of in the pool"), null=True)
    leaving_at = models.DateTimeField(_("drained since"), null=True)
    ended_at = models.DateTimeField(_("end asked for"), null=True)
    gone_at = models.DateTimeField(_("gone"), null=True)
    jobs_running = models.PositiveIntegerField(_("jobs running"), default=0)
    usd_per_hour = models.DecimalField(
        _("US$ per hour"), max_digits=10, decimal_places=5, null=True
    )  # as long as it runs, with its disk and its address
    usd_stopped = models.DecimalField(
        _("US$ per hour while stopped"), max_digits=10, decimal_places=5, null=True
    )
    problem = models.TextField(_("problem"), blank=True)
    console = models.TextField(_("console output"), blank=True)

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")
        ordering = ["role", "id"]
        constraints = [
            models.UniqueConstraint(fields=["cluster", "cloud_id"], name="oceanid_node_once")
        ]

    def __str__(self) -> str:
        return self.name or self.cloud_id


class ClusterEvent(History):
    """What people did to a cluster, and what its supervisor did and found; rows are only added."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="events")

    class Meta(History.Meta):
        verbose_name = _("cluster event")
        verbose_name_plural = _("cluster events")


class PriceTable(models.Model):
    """Prices of one cloud that an administrator has loaded; without a row the shipped ones hold."""

    cloud = models.CharField(max_length=50, primary_key=True)
    dated = models.DateField(_("prices of"))
    prices = models.JSONField(default=dict)
    source = models.CharField(max_length=255, blank=True)
    loaded_at = models.DateTimeField(_("loaded"))
    loaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.cloud}, {self.dated}"


class FoundEstate(models.Model):
    """What a survey of an account found with the tags of one cluster, and what shall become of
    it."""

    class Verdict(models.TextChoices):
        KNOWN = "KNO", _("known")
        ORPHANED = "ORP", _("orphaned")
        LEAKING = "LEA", _("leaking")
        FOREIGN = "FOR", _("another portal's")

    account = models.ForeignKey(CloudAccount, on_delete=models.CASCADE, related_name="estates")
    cluster_uuid = models.UUIDField()
    name = models.CharField(max_length=100, blank=True)
    portal = models.UUIDField(null=True)
    region = models.CharField(max_length=50, blank=True)
    verdict = models.CharField(max_length=3, choices=Verdict.choices)
    blueprint = models.JSONField(default=dict)
    resources = models.JSONField(default=list)
    found_at = models.DateTimeField()
    wish = models.CharField(max_length=10, blank=True)
    wished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "cluster_uuid"], name="oceanid_estate_once")
        ]

    def __str__(self) -> str:
        return f"{self.name or self.cluster_uuid} ({self.verdict})"
