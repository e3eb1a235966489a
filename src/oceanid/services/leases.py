"""Leases: one supervisor at a time drives a thing, and one that overslept changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import models, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from oceanid.errors import LeaseLost
from oceanid.models import Lease


@dataclass(frozen=True, slots=True)
class Hold:
    """A lease that was held when it was last looked at.

    Args:
        name: What is leased.
        holder: The supervisor.
        epoch: Grows each time that the holder changes.
    """

    name: str
    holder: UUID
    epoch: int


def acquire(name: str, holder: UUID, *, ttl_s: float) -> Hold | None:
    """Take a lease that nobody holds or whose holder let it expire; None when it is held.

    Time is the database's, so that the clocks of several hosts don't matter.
    """
    with transaction.atomic():
        taken = _take(name, holder, ttl_s)
        if not taken:
            Lease.objects.bulk_create([Lease(name=name)], ignore_conflicts=True)
            taken = _take(name, holder, ttl_s)
        if not taken:
            return None
        epoch = Lease.objects.values_list("epoch", flat=True).get(name=name)
    return Hold(name, holder, epoch)


def renew(hold: Hold, *, ttl_s: float) -> bool:
    """Make a lease last longer; False when it belongs to another by now."""
    return bool(_held(hold).update(expires_at=_in(ttl_s)))


def release(hold: Hold) -> None:
    """Give a lease back, so that another supervisor need not wait for its end."""
    _held(hold).update(expires_at=None, holder=None)


def guard(hold: Hold) -> None:
    """Begin a transaction with this: it writes the lease's row, which the next holder must
    write too, so that both can't commit.

    Raises:
        LeaseLost: Somebody else holds it; the transaction must be given up.
    """
    if not _held(hold).update(epoch=F("epoch")):
        raise LeaseLost("The lease “{name}” went to another supervisor.", name=hold.name)


def _take(name: str, holder: UUID, ttl_s: float) -> bool:
    free = Q(holder__isnull=True) | Q(expires_at__lt=Now())
    return bool(
        Lease.objects.filter(free, name=name).update(
            holder=holder, epoch=F("epoch") + 1, expires_at=_in(ttl_s)
        )
    )


def _held(hold: Hold) -> models.QuerySet[Lease]:
    return Lease.objects.filter(name=hold.name, holder=hold.holder, epoch=hold.epoch)


def _in(seconds: float) -> Combinable:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
