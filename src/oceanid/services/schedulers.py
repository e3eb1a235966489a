"""Scheduler records: found, made ready, and their health written down."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from oceanid import conf
from oceanid.errors import NotFound, NotPermitted, OceanidError
from oceanid.models import Scheduler
from oceanid.services.leases import Hold, guard
from oceanid.specs import CheckReport
from oceanid.states import Health


def ensure_local() -> Scheduler:
    """The record “local” of the embedded engine, made when it is missing."""
    found = Scheduler.objects.filter(name="local").first()
    if found is not None:
        return found
    Scheduler.objects.bulk_create([Scheduler(name="local", engine="local")], ignore_conflicts=True)
    return Scheduler.objects.get(name="local")


def default_scheduler() -> Scheduler:
    """The scheduler of jobs that name none.

    Raises:
        NotFound: The settings name one that does not exist.
    """
    name = conf.current().default_scheduler
    found = Scheduler.objects.filter(name=name).first()
    if found is not None:
        return found
    if name == "local":
        return ensure_local()
    raise NotFound(
        f"There is no scheduler named “{name}”.",
        hint="Make it in the admin, or change OCEANID['DEFAULT_SCHEDULER'].",
    )


def resolve(wanted: Scheduler | str | None) -> Scheduler:
    """The scheduler that a job means: a record, a name, or None for the default.

    Raises:
        NotFound: There is none of this name.
        NotPermitted: It is switched off.
    """
    if isinstance(wanted, Scheduler):
        found = wanted
    elif not wanted:
        found = default_scheduler()
    else:
        named = Scheduler.objects.filter(name=wanted).first()
        if named is None:
            raise NotFound(f"There is no scheduler named “{wanted}”.")
        found = named
    if not found.enabled:
        raise NotPermitted(
            f"The scheduler “{found.name}” is switched off.", hint="Choose another one."
        )
    return found


def described(scheduler_id: int) -> object:
    """How a scheduler's record describes it; another value when somebody changed it.

    Secrets that can't be decrypted are a description too.
    """
    row = Scheduler.objects.filter(pk=scheduler_id)
    try:
        return row.values_list("name", "engine", "config", "secrets").first()
    except OceanidError as problem:
        return str(problem)


def report_health(hold: Hold, scheduler_id: int, report: CheckReport) -> None:
    """Write down what a look at a scheduler came to."""
    with transaction.atomic():
        guard(hold)
        record = Scheduler.objects.get(pk=scheduler_id)
        now = timezone.now()
        changed = record.health != report.health.value
        capacity = report.capacity
        Scheduler.objects.filter(pk=scheduler_id).update(
            health=report.health.value,
            health_message=report.message,
            health_since=now if changed or record.health_since is None else record.health_since,
            checked_at=now,
            cpus=capacity.cpus if capacity else None,
            memory_mib=capacity.memory_mib if capacity else None,
            max_batch=capacity.max_batch if capacity else None,
        )


def report_failure(hold: Hold, scheduler_id: int, message: str, *, reachable: bool) -> None:
    """Write down that a scheduler did not answer or answered wrongly; says nothing of a job."""
    health = Health.DEGRADED if reachable else Health.UNREACHABLE
    with transaction.atomic():
        guard(hold)
        now = timezone.now()
        Scheduler.objects.filter(pk=scheduler_id).exclude(health=health.value).update(
            health_since=now
        )
        Scheduler.objects.filter(pk=scheduler_id).update(
            health=health.value, health_message=message[:2000], checked_at=now
        )
