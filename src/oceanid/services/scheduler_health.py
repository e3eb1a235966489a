"""How schedulers answer: looks that are wanted, what they found, host keys to accept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from oceanid.errors import IllegalTransition
from oceanid.models import Scheduler, SchedulerEvent
from oceanid.services import audit, outbox, policy
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import wake
from oceanid.specs import CheckReport, OfferedKey, Step
from oceanid.states import Health

TEST = "oceanid.test_scheduler"
ACCEPT = "oceanid.accept_host_key"


def want_check(scheduler: Scheduler, actor: AbstractBaseUser) -> None:
    """Ask for a look at a scheduler; a supervisor makes it and writes down what it finds.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: It is switched off, so no supervisor looks at it.
    """
    policy.require_permission(actor, TEST, "have a scheduler tested")
    if not scheduler.enabled or (scheduler.parent and not scheduler.parent.enabled):
        raise IllegalTransition(
            "“{name}” is switched off.", hint="Switch it on to have it tested.", name=scheduler.name
        )
    with transaction.atomic():
        Scheduler.objects.filter(pk=scheduler.pk).update(check_wanted_at=timezone.now())
        _note(scheduler.pk, "check-wanted", "A test of the connection was asked for.", actor)
        audit.write(actor, "test", audit.Thing.of(scheduler))
        wake()


def accept_host_key(scheduler: Scheduler, fingerprint: str, actor: AbstractBaseUser) -> None:
    """Take the host key that the scheduler's machine showed for its own from now on.

    Args:
        scheduler: The record; a person's account accepts for its scheduler.
        fingerprint: Of the key that the person looked at.
        actor: Who accepts it.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: The machine shows another key by now, or another one was accepted
            before and must be removed first.
    """
    policy.require_permission(actor, ACCEPT, "accept a host key")
    with transaction.atomic():
        Scheduler.objects.filter(pk=scheduler.pk).update(check_wanted_at=timezone.now())
        record = Scheduler.objects.select_related("parent").get(pk=scheduler.pk)
        offered = record.offered_key
        if not offered or offered["fingerprint"] != fingerprint:
            raise IllegalTransition(
                "The machine shows another host key by now.", hint="Look at it again."
            )
        if offered["is_changed"]:
            raise IllegalTransition(
                "Another host key was accepted before; this one is refused.",
                hint="If the machine was reinstalled, remove the accepted key from the record.",
            )
        owner = record.parent or record
        owner.config = {**owner.config, offered["option"]: offered["key"]}
        Scheduler.objects.filter(pk=owner.pk).update(config=owner.config)
        Scheduler.objects.filter(pk=record.pk).update(offered_key={})
        told = f"The host key {fingerprint} of {offered['host']} was accepted."
        _note(record.pk, "host-key-accepted", told, actor)
        audit.write(actor, "accept-host-key", audit.Thing.of(record), note=told)
        wake()


def wanted_since(scheduler_id: int) -> datetime | None:
    """Since when a look is wanted; None when nobody waits for one."""
    return Scheduler.objects.values_list("check_wanted_at", flat=True).get(pk=scheduler_id)


def report_health(
    hold: Hold, scheduler_id: int, report: CheckReport, *, wanted: datetime | None = None
) -> None:
    """Write down what a look at a scheduler came to.

    Args:
        hold: The scheduler's lease.
        scheduler_id: The record.
        report: What was found.
        wanted: Since when this look was wanted, as it stood before; that wish is fulfilled.
    """
    capacity = report.capacity
    with transaction.atomic():
        guard(hold)
        _write(
            scheduler_id,
            report.health,
            report.message,
            wanted,
            report=[asdict(step) for step in report.steps],
            offered_key=asdict(report.offered_key) if report.offered_key else {},
            cpus=capacity.cpus if capacity else None,
            memory_mib=capacity.memory_mib if capacity else None,
            max_batch=capacity.max_batch if capacity else None,
        )


def report_failure(
    hold: Hold,
    scheduler_id: int,
    message: str,
    *,
    reachable: bool,
    was_look: bool = False,
    wanted: datetime | None = None,
) -> None:
    """Write down that a scheduler did not answer or answered wrongly; says nothing of a job.

    Args:
        hold: The scheduler's lease.
        scheduler_id: The record.
        message: What happened.
        reachable: Whether it answered at all.
        was_look: Whether it was a look that failed altogether.
        wanted: See :func:`report_health`.
    """
    health = Health.DEGRADED if reachable else Health.UNREACHABLE
    steps = [asdict(Step("check", False, message[:2000]))]
    with transaction.atomic():
        guard(hold)
        values: dict[str, Any] = {"report": steps} if was_look else {}
        _write(scheduler_id, health, message[:2000], wanted, **values)


def _write(
    scheduler_id: int, health: Health, message: str, wanted: datetime | None, **values: Any
) -> None:
    record = Scheduler.objects.get(pk=scheduler_id)
    now = timezone.now()
    changed = record.health != health.value
    if changed or record.health_since is None:
        values["health_since"] = now
    Scheduler.objects.filter(pk=scheduler_id).update(
        health=health.value, health_message=message, checked_at=now, **values
    )
    if wanted is not None:
        Scheduler.objects.filter(pk=scheduler_id, check_wanted_at=wanted).update(
            check_wanted_at=None
        )
    if changed:
        _note(scheduler_id, "health", f"{health.name.capitalize()}: {message}")
        outbox.of_scheduler(scheduler_id, Health(record.health), health, now, message)
    offered = values.get("offered_key") or {}
    if offered and offered["fingerprint"] != record.offered_key.get("fingerprint"):
        key = OfferedKey(**offered)
        kind = "host-key-changed" if key.is_changed else "host-key-unknown"
        _note(scheduler_id, kind, f"{key.host} shows the host key {key.fingerprint}.")


def _note(
    scheduler_id: int, kind: str, message: str, actor: AbstractBaseUser | None = None
) -> None:
    SchedulerEvent.objects.create(
        scheduler_id=scheduler_id,
        kind=kind,
        at=timezone.now(),
        message=message,
        actor_id=actor.pk if actor else None,
    )
