"""Accounts of clouds: with what machines are asked for, and what a look at them found."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.fields import EncryptedJSONField
from oceanid.models.scheduler import Scheduler
from oceanid.states import Health


class CloudAccount(models.Model):
    """One account of a cloud; of each cloud one is the default."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    cloud = models.CharField(_("cloud"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    is_default = models.BooleanField(
        _("default"),
        default=False,
        editable=False,
        help_text=_("The account that Settings edit, and that new clusters are offered first."),
    )
    config = models.JSONField(_("options"), default=dict, blank=True)
    secrets = EncryptedJSONField(_("secrets"), default=dict, blank=True)
    report = models.JSONField(_("what a look found"), default=list, editable=False)
    check_wanted_at = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(_("looked at"), null=True, editable=False)
    survey_wanted_at = models.DateTimeField(null=True, editable=False)
    surveyed_at = models.DateTimeField(_("surveyed at"), null=True, editable=False)
    survey_problem = models.TextField(blank=True, editable=False)
    health = models.CharField(
        _("health"),
        max_length=4,
        choices=Scheduler.HEALTH,
        default=Health.UNKNOWN.value,
        editable=False,
    )
    health_message = models.TextField(_("what was found"), blank=True, editable=False)

    class Meta:
        verbose_name = _("cloud account")
        verbose_name_plural = _("cloud accounts")
        ordering = ["cloud", "-is_default", "name"]
        permissions = [("test_cloudaccount", _("Can have a cloud account tested"))]
        constraints = [
            models.UniqueConstraint(fields=["cloud", "name"], name="oceanid_account_name_once"),
            models.UniqueConstraint(
                fields=["cloud"],
                condition=Q(is_default=True),
                name="oceanid_account_one_default",
            ),
        ]

    def __str__(self) -> str:
        return self.name
