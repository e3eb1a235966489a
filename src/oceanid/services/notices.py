"""Turns changes into notices and messages, each change once; and notices that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from oceanid import conf
from oceanid.models import (
    Channel,
    Delivery,
    DeliveryState,
    JobWatch,
    Notice,
    Outbox,
)
from oceanid.models.delivery import UNFINISHED
from oceanid.services.leases import Hold, guard
from oceanid.services.telling import Item, Target, gather

CHUNK = 1000
SINGLE = 5
"""More changes than these at once make a digest."""
CALM = timedelta(minutes=10)
MANY_RECENTLY = 20
"""Whoever was told as often within CALM, and has not read it, is told the rest in a digest."""
FIRST_WAIT = {Channel.EMAIL.value: 15.0, Channel.WEBHOOK.value: 1.0}
"""Seconds that a message collects changes before it goes."""
MOST_WAIT = {Channel.EMAIL.value: 600.0, Channel.WEBHOOK.value: 10.0}
SHOWN_UNREAD = 99


def fan_out(hold: Hold) -> int:
    """Take changes from the outbox, and write down who is told what of them.

    One transaction: each change is told once, whatever dies. Returns how many there were.

    Args:
        hold: The lease on notices.

    Raises:
        LeaseLost: Another supervisor does it.
    """
    if not Outbox.objects.exists():
        return 0
    with transaction.atomic():
        guard(hold)
        changes = list(Outbox.objects.order_by("pk")[:CHUNK])
        found = gather(changes)
        now = timezone.now()
        _write_notices(found.told, now)
        _write_deliveries(found.told, now)
        JobWatch.objects.filter(pk__in=found.watched).delete()
        Outbox.objects.filter(pk__in=[each.pk for each in changes])._raw_delete("default")
    return len(changes)


def tell(user: Any, item: Item) -> None:
    """Tell somebody of one thing in the pages, whatever they prefer; within a transaction."""
    now = timezone.now()
    notice = Notice(user_id=user.pk, created_at=now, changed_at=now)
    notice.add(item)
    notice.save(force_insert=True)


def unread(user: Any) -> int:
    """How many notices somebody has not read, up to SHOWN_UNREAD and one: one query."""
    mine = Notice.objects.filter(user=user.pk, read_at__isnull=True)
    return mine.order_by("pk")[: SHOWN_UNREAD + 1].count()


def mark_read(user: Any, keys: Collection[int] | None = None, *, until: int | None = None) -> None:
    """Somebody has read some of their notices, or all up to one."""
    mine = Notice.objects.filter(user=user.pk, read_at__isnull=True)
    if keys is not None:
        mine = mine.filter(pk__in=keys)
    if until is not None:
        mine = mine.filter(pk__lte=until)
    mine.update(read_at=timezone.now())


def forget_old(now: datetime | None = None) -> int:
    """Remove notices and ended messages that are past their time; returns how many rows."""
    before = (now or timezone.now()) - timedelta(days=conf.current().notifications.keep_days)
    removed = 0
    rows: Iterable[Any] = (
        Notice.objects.filter(created_at__lt=before),
        Delivery.objects.filter(created_at__lt=before).exclude(state__in=UNFINISHED),
    )
    for each in rows:
        while True:
            keys = list(each.order_by("created_at").values_list("pk", flat=True)[:CHUNK])
            if not keys:
                break
            with transaction.atomic():
                removed += each.model.objects.filter(pk__in=keys)._raw_delete("default")
    return removed


def _write_notices(told: dict[Target, list[Item]], now: datetime) -> None:
    of_page = {
        target.user_id: items for target, items in told.items() if target.channel == Channel.PAGE
    }
    if not of_page:
        return
    recent = Notice.objects.filter(
        user__in=list(of_page), created_at__gte=now - CALM, read_at__isnull=True
    )
    many = recent.order_by().values("user_id").annotate(told=Count("pk"))
    crowded = {row["user_id"] for row in many if row["told"] >= MANY_RECENTLY}
    digests = {each.user_id: each for each in recent.filter(is_digest=True).order_by("pk")}
    fresh: list[Notice] = []
    for user_id, items in of_page.items():
        if len(items) <= SINGLE and user_id not in crowded:
            fresh += [_notice(user_id, [item], now) for item in items]
            continue
        digest = digests.get(user_id)
        if digest is None:
            fresh.append(_notice(user_id, items, now, is_digest=True))
            continue
        for item in items:
            digest.add(item)
        digest.changed_at = now
        digest.save(update_fields=["count", "counts", "items", "changed_at"])
    Notice.objects.bulk_create(fresh)


def _notice(
    user_id: Any, items: Sequence[Item], now: datetime, *, is_digest: bool = False
) -> Notice:
    notice = Notice(user_id=user_id, created_at=now, changed_at=now, is_digest=is_digest)
    for item in items:
        notice.add(item)
    return notice


def _write_deliveries(told: dict[Target, list[Item]], now: datetime) -> None:
    """Add to the messages that are still collecting, and begin others."""
    outward = {target: items for target, items in told.items() if target.channel != Channel.PAGE}
    if not outward:
        return
    people = list({target.user_id for target in outward})
    ended = Q(ended_at__gte=now - CALM, state=DeliveryState.SENT)
    near = Delivery.objects.filter(Q(state=DeliveryState.OPEN) | ended, user__in=people)
    open_now: dict[Target, Delivery] = {}
    recently: dict[Target, int] = {}
    rows = near.filter(state=DeliveryState.OPEN).order_by("pk")
    for row in rows:
        open_now[Target(row.user_id, row.channel, row.webhook_id)] = row
    counted = near.filter(state=DeliveryState.SENT).order_by()
    for each in counted.values("user_id", "channel", "webhook_id").annotate(sent=Count("pk")):
        target = Target(each["user_id"], each["channel"], each["webhook_id"])
        recently[target] = each["sent"]
    fresh: list[Delivery] = []
    for target, items in outward.items():
        collecting = open_now.get(target)
        wait = timedelta(seconds=_wait_s(target.channel, recently.get(target, 0)))
        message = collecting or _delivery(target, now, due_at=now + wait)
        for item in items:
            message.add(item)
        if collecting is None:
            fresh.append(message)
        else:
            message.save(update_fields=["count", "counts", "items"])
    Delivery.objects.bulk_create(fresh)


def _wait_s(channel: str, recently: int) -> float:
    """The more messages went lately, the longer the next one collects."""
    return float(min(MOST_WAIT[channel], FIRST_WAIT[channel] * 2 ** min(recently, 10)))


def _delivery(target: Target, now: datetime, *, due_at: datetime) -> Delivery:
    return Delivery(
        user_id=target.user_id,
        channel=target.channel,
        webhook_id=target.webhook_id,
        created_at=now,
        due_at=due_at,
    )
