"""Orders of machines: written down before they are given, and what came of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from oceanid.clouds.specs import Launch, Launched
from oceanid.models import ClusterLaunch, ClusterNode
from oceanid.services.cluster_state import Told, tell
from oceanid.services.leases import Hold, guard
from oceanid.states import Role

SEEN_WITHIN: Final = timedelta(minutes=5)
"""Machines that were promised and do not show for so long do not come."""

ASKED_WITHIN: Final = timedelta(minutes=30)
"""An order whose answer was never heard is not given again after so long."""


def write(
    hold: Hold,
    cluster_id: int,
    *,
    role: Role,
    count: int,
    user_data: str,
    spot: bool,
    zone: str,
    now: datetime,
) -> ClusterLaunch:
    """Write down an order that is about to be given.

    Raises:
        LeaseLost: Another supervisor drives the cluster; the order must not be given.
    """
    with transaction.atomic():
        guard(hold)
        order = ClusterLaunch(
            cluster_id=cluster_id, role=role.value, count=count, spot=spot, zone=zone,
            ordered_at=now,
        )  # fmt: skip
        order.secrets = {"user_data": user_data}
        order.save()
        what = "the master" if role is Role.MASTER else f"{count} worker{'s' * (count > 1)}"
        kind = " as spot machines" * spot + f" in {zone}" * bool(zone)
        tell(cluster_id, [Told("order", f"Asks for {what}{kind}.")], now=now)
    return order


def spec_of(order: ClusterLaunch) -> Launch:
    """An order as the cloud reads it."""
    return Launch(
        token=str(order.token),
        role=Role(order.role),
        count=order.count,
        user_data=(order.secrets or {}).get("user_data", ""),
        spot=order.spot,
        zone=order.zone,
        machine_type=order.machine_type,
    )


def answered(hold: Hold, order: ClusterLaunch, came: Launched, *, now: datetime) -> None:
    """Write down the cloud's answer to an order."""
    with transaction.atomic():
        guard(hold)
        ClusterLaunch.objects.filter(pk=order.pk).update(
            answered_at=now, got=came.got, outcome=came.short_because[:2000]
        )
        if came.got < order.count:
            told = f"{came.got} of {order.count} machines come: {came.short_because}"
            tell(order.cluster_id, [Told("order", told)], now=now)


def over(
    hold: Hold, order: ClusterLaunch, outcome: str, *, now: datetime, kind: str = "order"
) -> None:
    """An order has come to nothing more; what its machines boot with is forgotten.

    Args:
        hold: The cluster's lease.
        order: The order.
        outcome: Why; "" when all of it came.
        now: The time.
        kind: Of the line in the cluster's history; without an outcome there is none.
    """
    with transaction.atomic():
        guard(hold)
        close([order.pk], outcome)
        if outcome:
            tell(order.cluster_id, [Told(kind, outcome)], now=now)


def close(orders: list[int], outcome: str = "") -> None:
    """Orders are over, in a transaction that is guarded already."""
    values: dict[str, object] = {"is_over": True, "secrets": {}}
    if outcome:
        values["outcome"] = outcome[:2000]
    ClusterLaunch.objects.filter(pk__in=orders).update(**values)


def settled(cluster_id: int, *, now: datetime) -> list[int]:
    """Those orders of which everything has been seen, or will not be any more."""
    found = []
    for order in ClusterLaunch.objects.filter(cluster=cluster_id, is_over=False):
        promised = order.count if order.got is None else order.got
        is_late = order.answered_at is not None and order.answered_at + SEEN_WITHIN < now
        # All that was asked for is there, whether or not an answer was heard.
        if is_late or ClusterNode.objects.filter(launch=order).count() >= promised:
            found.append(order.pk)
    return found
