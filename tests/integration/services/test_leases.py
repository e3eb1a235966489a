"""One supervisor at a time drives a thing, and one that overslept changes nothing."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from oceanid.errors import LeaseLost
from oceanid.models import Lease
from oceanid.services import leases

pytestmark = pytest.mark.django_db
ONE, OTHER = uuid.uuid4(), uuid.uuid4()


def expire(name: str = "thing") -> None:
    """Let a lease run out."""
    Lease.objects.filter(name=name).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_lease_that_is_held_is_not_given_to_another() -> None:
    first = leases.acquire("thing", ONE, ttl_s=60)
    assert first is not None
    assert leases.acquire("thing", OTHER, ttl_s=60) is None
    assert leases.acquire("another thing", OTHER, ttl_s=60) is not None


def test_each_change_of_the_holder_raises_the_epoch() -> None:
    epochs = []
    for holder in (ONE, OTHER, ONE):
        hold = leases.acquire("thing", holder, ttl_s=60)
        assert hold is not None
        epochs.append(hold.epoch)
        expire()
    assert epochs == [1, 2, 3]


def test_one_that_overslept_can_neither_renew_nor_write_nor_release() -> None:
    slept = leases.acquire("thing", ONE, ttl_s=60)
    assert slept is not None
    expire()
    holds = leases.acquire("thing", OTHER, ttl_s=60)
    assert holds is not None
    assert not leases.renew(slept, ttl_s=60)
    with pytest.raises(LeaseLost), transaction.atomic():
        leases.guard(slept)
    leases.release(slept)
    assert leases.renew(holds, ttl_s=60)
    leases.guard(holds)


def test_its_own_earlier_lease_is_not_its_present_one() -> None:
    earlier = leases.acquire("thing", ONE, ttl_s=60)
    assert earlier is not None
    expire()
    assert leases.acquire("thing", ONE, ttl_s=60) is not None
    assert not leases.renew(earlier, ttl_s=60)


def test_what_is_given_back_can_be_taken_at_once() -> None:
    hold = leases.acquire("thing", ONE, ttl_s=3600)
    assert hold is not None
    leases.release(hold)
    assert leases.acquire("thing", OTHER, ttl_s=60) is not None


def test_one_that_is_late_and_was_not_replaced_goes_on() -> None:
    hold = leases.acquire("thing", ONE, ttl_s=60)
    assert hold is not None
    expire()
    assert leases.renew(hold, ttl_s=60)
    assert leases.acquire("thing", OTHER, ttl_s=60) is None
