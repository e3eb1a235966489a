"""Schedulers: where jobs run, how it answers, and how far it has been read."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.fields import EncryptedJSONField
from oceanid.models.history import History
from oceanid.states import Health


class Scheduler(models.Model):
    """A place where jobs run: an engine with its options."""

    HEALTH = [
        (Health.UNKNOWN.value, _("Not looked at yet")),
        (Health.OK.value, _("Well")),
        (Health.DEGRADED.value, _("Degraded")),
        (Health.UNREACHABLE.value, _("Unreachable")),
    ]

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    engine = models.CharField(_("engine"), max_length=50, default="local")
    config = models.JSONField(_("options"), default=dict, blank=True)
    secrets = EncryptedJSONField(_("secrets"), default=dict, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    groups = models.ManyToManyField(
        Group,
        verbose_name=_("groups"),
        blank=True,
        related_name="oceanid_schedulers",
        help_text=_("Only members of these groups may use it; none means everyone."),
    )
    parent = models.ForeignKey(
        "self",
        verbose_name=_("account at"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="accounts",
        help_text=_("The scheduler at which this is a person's own account."),
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("person"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    report = models.JSONField(_("what a look found"), default=list, editable=False)
    offered_key = models.JSONField(default=dict, editable=False)
    check_wanted_at = models.DateTimeField(null=True, editable=False)
    health = models.CharField(
        _("health"), max_length=4, choices=HEALTH, default=Health.UNKNOWN.value, editable=False
    )
    health_message = models.TextField(_("what was found"), blank=True, editable=False)
    health_since = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(_("looked at"), null=True, editable=False)
    cursor = models.JSONField(default=dict, editable=False)
    cpus = models.PositiveIntegerField(null=True, editable=False)
    memory_mib = models.PositiveBigIntegerField(null=True, editable=False)
    max_batch = models.PositiveIntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("scheduler")
        verbose_name_plural = _("schedulers")
        ordering = ["name"]
        permissions = [
            ("test_scheduler", _("Can have a scheduler's connection tested")),
            ("accept_host_key", _("Can accept the host key of a scheduler's machine")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "person"], name="oceanid_scheduler_account_once"
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True, person__isnull=True)
                | Q(parent__isnull=False, person__isnull=False),
                name="oceanid_scheduler_account_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SchedulerEvent(History):
    """What people did to a scheduler, and what was noticed of it; rows are only ever added."""

    scheduler = models.ForeignKey(Scheduler, on_delete=models.CASCADE, related_name="events")

    class Meta(History.Meta):
        verbose_name = _("scheduler event")
        verbose_name_plural = _("scheduler events")


class AppScheduler(models.Model):
    """The scheduler that an administrator has given to an app's scheduler setting."""

    app = models.CharField(_("app"), max_length=100)
    name = models.CharField(_("setting"), max_length=100)
    description = models.TextField(blank=True)
    engine = models.CharField(max_length=50, blank=True)
    required = models.BooleanField(default=False)
    scheduler = models.ForeignKey(
        Scheduler, null=True, blank=True, on_delete=models.SET_NULL, related_name="app_settings"
    )

    class Meta:
        verbose_name = _("app's scheduler")
        verbose_name_plural = _("apps' schedulers")
        constraints = [
            models.UniqueConstraint(fields=["app", "name"], name="oceanid_app_scheduler_once")
        ]

    def __str__(self) -> str:
        return f"{self.app}: {self.name}"
