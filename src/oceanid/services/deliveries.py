"""Messages on their way: which are due, which try it is, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from oceanid import conf
from oceanid.models import Delivery, DeliveryState, Subject, Webhook
from oceanid.models.delivery import UNFINISHED
from oceanid.services import notices, webhooks
from oceanid.services.bulk import plain
from oceanid.services.leases import Hold, guard

PAUSES_S = (10.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0)
MOST_PAUSE_S = 21_600.0
ON_THE_WAY_S = 120.0
"""A message whose sender died is tried again after this."""
LOOKED_AT = 2000
ANSWER_SHOWN = 1000
GONE = 410

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try.

    Args:
        ok: Whether it was delivered.
        problem: What went wrong, in words; "" when nothing did.
        status: What the target answered; None when it did not.
        answer: How the answer begins.
        is_final: Whether another try makes no sense.
        again_s: Seconds after which the target wants to be asked again; None when it does not say.
    """

    ok: bool
    problem: str = ""
    status: int | None = None
    answer: str = ""
    is_final: bool = False
    again_s: float | None = None


def key_of(message: Delivery) -> Key:
    """Whom a message goes to: of messages with the same key one goes at a time, in order."""
    return (message.user_id, message.channel, message.webhook_id, message.is_test)


def due(*, without: Collection[Key] = ()) -> tuple[list[Delivery], datetime | None]:
    """The first message of each target that is due, and when the next one will be.

    Args:
        without: Targets that are being sent to.
    """
    now = timezone.now()
    unfinished = Delivery.objects.filter(state__in=UNFINISHED)
    earlier = unfinished.filter(
        Q(webhook=OuterRef("webhook")) | Q(webhook__isnull=True),
        user=OuterRef("user"),
        channel=OuterRef("channel"),
        is_test=OuterRef("is_test"),
        pk__lt=OuterRef("pk"),
    )
    first = unfinished.filter(~Exists(earlier))
    columns = ("pk", "user_id", "channel", "webhook_id", "is_test", "due_at")
    ready = first.filter(due_at__lte=now).order_by("due_at").only(*columns)[:LOOKED_AT]
    found = [message for message in ready if key_of(message) not in without]
    later = first.filter(due_at__gt=now).order_by("due_at")
    return found, later.values_list("due_at", flat=True).first()


def claim(hold: Hold, pk: int) -> Delivery | None:
    """Begin a try: nothing is added to the message any more. None when it is not to be sent.

    Raises:
        LeaseLost: Another supervisor sends.
    """
    now = timezone.now()
    with transaction.atomic():
        guard(hold)
        mine = Delivery.objects.filter(pk=pk, state__in=UNFINISHED)
        if not mine.update(
            state=DeliveryState.WAITING,
            attempts=F("attempts") + 1,
            due_at=now + timedelta(seconds=ON_THE_WAY_S),
        ):
            return None
        message = Delivery.objects.select_related("webhook", "user").get(pk=pk)
        problem = _hindrance(message)
        if problem:
            _end(message, DeliveryState.FAILED, now, problem=problem)
            return None
        return message


def ended(hold: Hold, message: Delivery, outcome: Outcome) -> None:
    """Write down what came of a try, and when the next one is, if there is one.

    Raises:
        LeaseLost: Another supervisor sends: the message goes once more, with the same identity.
    """
    now = timezone.now()
    with transaction.atomic():
        guard(hold)
        told = {
            "status": outcome.status,
            "answer": plain(outcome.answer)[:ANSWER_SHOWN],
            "problem": plain(outcome.problem)[:ANSWER_SHOWN],
        }
        hook = Webhook.objects.filter(pk=message.webhook_id or 0)
        if outcome.ok:
            _end(message, DeliveryState.SENT, now, **told)
            hook.exclude(failures=0).update(failures=0)
            return
        hook.update(failures=F("failures") + 1)
        tries = conf.current().notifications.webhook_tries
        if outcome.is_final or message.attempts >= tries or message.is_test:
            _end(message, DeliveryState.FAILED, now, **told)
        else:
            pause = timedelta(seconds=_pause_s(message.attempts, outcome.again_s))
            rows = Delivery.objects.filter(pk=message.pk, state__in=UNFINISHED)
            rows.update(due_at=now + pause, **told)
        if message.webhook_id is not None:
            _switch_off_if_dead(message.webhook_id, outcome)


def _hindrance(message: Delivery) -> str:
    if not message.user.is_active:
        return _("The person was switched off.")
    if message.webhook is not None and not message.webhook.enabled:
        return _("The webhook was switched off.")
    return ""


def _end(message: Delivery, state: DeliveryState, now: datetime, **told: Any) -> None:
    rows = Delivery.objects.filter(pk=message.pk, state__in=UNFINISHED)
    rows.update(state=state, ended_at=now, **told)


def _pause_s(attempts: int, again_s: float | None) -> float:
    pause = PAUSES_S[min(attempts, len(PAUSES_S)) - 1]
    if again_s is not None:
        pause = max(pause, min(again_s, MOST_PAUSE_S))
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - spreads, and keeps no secret


def _switch_off_if_dead(pk: int, outcome: Outcome) -> None:
    """Give a webhook up that failed too often, or that its host says is gone; tell its owner."""
    row = Webhook.objects.filter(pk=pk, enabled=True).defer("secret").first()
    most = conf.current().notifications.webhook_failures
    if row is None or (row.failures < most and outcome.status != GONE):
        return
    note = (
        _("Its host says that it is gone.")
        if outcome.status == GONE
        else _("It failed %(count)d times in a row.") % {"count": row.failures}
    )
    Webhook.objects.filter(pk=pk).update(enabled=False, note=f"{note} {outcome.problem}"[:2000])
    webhooks.give_up_all(pk, note)
    user = get_user_model()._default_manager.filter(pk=row.user_id).first()
    if user is not None:
        notices.tell(
            user,
            {"subject": Subject.WEBHOOK.value, "id": row.pk, "name": row.url[:200],
             "word": "Switched off", "state": "", "at": timezone.now().isoformat(),
             "message": note},
        )  # fmt: skip
