"""The scheduler record of a cluster's master: made when it answers, gone when the cluster is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from oceanid.models import Cluster, Scheduler, SchedulerEvent
from oceanid.services.cluster_state import Told, tell
from oceanid.services.leases import Hold, guard
from oceanid.services.wake import wake


@dataclass(frozen=True, slots=True)
class Reached:
    """How jobs reach a master.

    Args:
        engine: The engine's name.
        config: Its options, host and account among them.
        secrets: Its secrets.
    """

    engine: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


def ensure(hold: Hold, cluster_id: int, reached: Reached, *, now: datetime) -> int:
    """See to it that a record leads to the cluster's master; its key.

    Nothing is written when it does already. What an administrator added to its options stays.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
    """
    row = Cluster.objects.select_related("scheduler").get(pk=cluster_id)
    record = row.scheduler
    if record is not None and _leads(record, reached):
        return record.pk
    with transaction.atomic():
        guard(hold)
        if record is None:
            record = Scheduler(name=_free_name(row.name), engine=reached.engine)
        record.engine = reached.engine
        record.config = {**record.config, **reached.config}
        record.secrets = dict(reached.secrets)
        is_new = record.pk is None
        record.enabled = True
        record.save()
        Cluster.objects.filter(pk=cluster_id).update(scheduler=record)
        host = reached.config.get("host", "")
        said = f"Jobs reach the master at {host}, as the scheduler “{record.name}”."
        tell(cluster_id, [Told("machine", said)], now=now)
        if not is_new:
            SchedulerEvent.objects.create(
                scheduler=record, kind="changed", at=now, message=f"Its host is {host} now."
            )
        wake()
    return record.pk


def _leads(record: Scheduler, reached: Reached) -> bool:
    same = all(record.config.get(name) == value for name, value in reached.config.items())
    secrets = (record.secrets or {}) == dict(reached.secrets)
    return record.enabled and same and secrets and record.engine == reached.engine


def _free_name(name: str) -> str:
    taken = set(Scheduler.objects.filter(name__startswith=name).values_list("name", flat=True))
    tried, number = name, 2
    while tried in taken:
        tried, number = f"{name}-{number}", number + 1
    return tried


def close(hold: Hold, cluster_id: int) -> None:
    """No job goes to the cluster any more.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
    """
    key = Cluster.objects.filter(pk=cluster_id).values_list("scheduler", flat=True).first()
    if key is None or not Scheduler.objects.filter(pk=key, enabled=True).exists():
        return
    with transaction.atomic():
        guard(hold)
        Scheduler.objects.filter(pk=key).update(enabled=False)


def remove(hold: Hold, cluster_id: int) -> None:
    """The cluster is gone: its record goes too, or is switched off when jobs ran there.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
    """
    with transaction.atomic():
        guard(hold)
        row = Cluster.objects.filter(pk=cluster_id).first()
        if row is None or row.scheduler_id is None:
            return
        key = row.scheduler_id
        Cluster.objects.filter(pk=cluster_id).update(scheduler=None)
        try:
            with transaction.atomic():
                Scheduler.objects.filter(pk=key).delete()
        except ProtectedError:  # jobs ran there, or the settings name it
            Scheduler.objects.filter(pk=key).update(enabled=False)
