"""People's webhooks: made with a secret that is shown once, tried, switched off and on."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oceanid import conf
from oceanid.errors import LimitExceeded, NotFound, NotPermitted
from oceanid.models import Channel, Delivery, DeliveryState, Subject, Webhook
from oceanid.models.delivery import UNFINISHED
from oceanid.services import audit, targets
from oceanid.services.wake import NOTICE, wake

MOST = 10
"""Webhooks of one person."""
SECRET_BYTES = 32


def of(user: Any) -> list[Webhook]:
    """A person's webhooks, without their secrets."""
    return list(Webhook.objects.filter(user=user.pk).defer("secret").order_by("pk"))


def one(user: Any, pk: int) -> Webhook:
    """One of a person's webhooks, without its secret.

    Raises:
        NotFound: They have no such one.
    """
    found = Webhook.objects.filter(user=user.pk, pk=pk).defer("secret").first()
    if found is None:
        raise NotFound(_("There is no such webhook."))
    return found


def allowed() -> targets.Allowed:
    """What an administrator lists."""
    return targets.Allowed(conf.current().notifications.webhook_targets)


def create(user: AbstractBaseUser, url: str) -> tuple[Webhook, str]:
    """Make a webhook; the secret is told now and never again.

    Raises:
        NotPermitted: Webhooks are off, or none can go there.
        LimitExceeded: The person has enough.
    """
    if not conf.current().notifications.webhooks:
        raise NotPermitted(_("Webhooks are switched off here."))
    url = url.strip()
    targets.parse(url, allowed())
    secret = f"ocs_{secrets.token_urlsafe(SECRET_BYTES)}"
    kept: Any = {"key": secret}
    row = Webhook(user_id=user.pk, url=url, secret=kept, created_at=timezone.now())
    with transaction.atomic():
        row.save(force_insert=True)
        if Webhook.objects.filter(user=user.pk).count() > MOST:
            raise LimitExceeded(
                _("You have %(most)d webhooks already.") % {"most": MOST},
                hint=_("Remove one that you don't need."),
            )
        audit.write(user, "add", audit.Thing.of(row))
    return row, secret


def delete(user: AbstractBaseUser, pk: int) -> None:
    """Remove a webhook with the log of its deliveries.

    Raises:
        NotFound: The person has no such one.
    """
    row = one(user, pk)
    with transaction.atomic():
        audit.write(user, "delete", audit.Thing.of(row))
        Webhook.objects.filter(pk=row.pk).delete()


def switch(user: AbstractBaseUser, pk: int, *, enabled: bool) -> None:
    """Switch a webhook on or off; what waited for one that is off is given up.

    Raises:
        NotFound: The person has no such one.
    """
    row = one(user, pk)
    with transaction.atomic():
        Webhook.objects.filter(pk=row.pk).update(enabled=enabled, failures=0, note="")
        if not enabled:
            give_up_all(row.pk, _("The webhook was switched off."))
        audit.write(user, "enable" if enabled else "disable", audit.Thing.of(row))


def test(user: AbstractBaseUser, pk: int) -> None:
    """Send a message that says that it is a test.

    Raises:
        NotFound: The person has no such webhook.
        NotPermitted: It is switched off.
        LimitExceeded: A test is under way.
    """
    row = one(user, pk)
    if not row.enabled:
        raise NotPermitted(_("The webhook is switched off."), hint=_("Switch it on first."))
    now = timezone.now()
    with transaction.atomic():
        Webhook.objects.filter(pk=row.pk).update(enabled=True)
        tests = Delivery.objects.filter(webhook=row.pk, is_test=True, state__in=UNFINISHED)
        if tests.exists():
            raise LimitExceeded(_("A test is under way."), hint=_("Wait for what comes of it."))
        message = Delivery(
            user_id=user.pk, channel=Channel.WEBHOOK, webhook_id=row.pk, is_test=True,
            state=DeliveryState.WAITING, created_at=now, due_at=now,
        )  # fmt: skip
        message.add(
            {"subject": Subject.WEBHOOK.value, "id": row.pk, "name": row.url[:200],
             "word": "Test", "state": "", "at": now.isoformat(), "message": ""}
        )  # fmt: skip
        message.save(force_insert=True)
        audit.write(user, "test", audit.Thing.of(row))
        wake(NOTICE)


def give_up_all(pk: int, problem: str) -> None:
    """Nothing that waits for a webhook goes to it any more; within a transaction."""
    waiting = Delivery.objects.filter(webhook=pk, state__in=UNFINISHED)
    waiting.update(state=DeliveryState.FAILED, problem=problem, ended_at=timezone.now())


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """What proves that a message comes from here: HMAC-SHA256 over the time, a dot and the body."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
