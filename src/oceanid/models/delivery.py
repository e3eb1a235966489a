"""What goes out of the portal: people's webhooks, and each message with what came of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oceanid.fields import EncryptedJSONField
from oceanid.models.notice import Channel, Told

UNFINISHED = ("OPE", "WAI")


class Webhook(models.Model):
    """An address to which a person has what they are told sent; the secret is write-only."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=True
    )
    url = models.CharField(_("address"), max_length=2000)
    secret = EncryptedJSONField(default=dict)
    enabled = models.BooleanField(_("enabled"), default=True)
    note = models.TextField(_("note"), default="", blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    """How far a message is."""

    OPEN = "OPE", _("Collecting")
    WAITING = "WAI", _("Waiting")
    SENT = "SNT", _("Delivered")
    FAILED = "FAI", _("Given up")


class Delivery(Told):
    """One message by e-mail or to a webhook: collected, tried, delivered or given up."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    webhook = models.ForeignKey(
        Webhook,
        null=True,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
    )
    is_test = models.BooleanField(default=False)
    state = models.CharField(
        _("state"), max_length=3, choices=DeliveryState.choices, default=DeliveryState.OPEN
    )
    due_at = models.DateTimeField(_("next try"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    answer = models.TextField(_("answer"), default="")
    problem = models.TextField(_("problem"), default="")
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index("webhook", "id", name="oceanid_delivery_hook"),
            models.Index("user", "channel", "ended_at", name="oceanid_delivery_user"),
            models.Index("created_at", name="oceanid_delivery_created"),
            models.Index("due_at", name="oceanid_delivery_due", condition=Q(state__in=UNFINISHED)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "channel"],
                name="oceanid_delivery_one_mail",
                condition=Q(state="OPE", webhook__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["webhook"],
                name="oceanid_delivery_one_open",
                condition=Q(state="OPE", webhook__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.uuid} ({self.state})"
