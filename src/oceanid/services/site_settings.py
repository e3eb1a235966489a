"""The site admin's Settings: three parts that are always there, and what a save of them does."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from oceanid.clouds.keyfiles import public_half
from oceanid.errors import InvalidValue, OceanidError
from oceanid.models import Cluster, Part, Scheduler, Setting
from oceanid.services import audit

RECORD: Final = "cluster-management"
ENGINE: Final = "htcondor"
HOST: Final = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
)


def ensure() -> None:
    """Make the three parts where they are missing. Idempotent; runs after each ``migrate``."""
    Setting.objects.bulk_create([Setting(part=part.value) for part in Part], ignore_conflicts=True)


def write_parts(**_: Any) -> None:
    """Make the three parts after a ``migrate`` that made their table."""
    if Setting._meta.db_table in connection.introspection.table_names():
        ensure()


def touched(part: Part, actor: Any) -> None:
    """Remember who changed a part last; in the transaction of the change."""
    Setting.objects.filter(pk=part.value).update(
        changed_at=timezone.now(), changed_by_id=getattr(actor, "pk", None)
    )


def host_problem(host: str) -> OceanidError | None:
    """Why a text is neither an address nor a machine's name; None when it is, or is empty."""
    if not host:
        return None
    try:
        ip_address(host)
    except ValueError:
        # Four numbers are an address, and then a wrong one.
        if HOST.fullmatch(host) and not re.fullmatch(r"[\d.]+", host):
            return None
        return InvalidValue(
            "This is neither an IP address nor the name of a machine.",
            hint="It looks like 192.0.2.10, 2001:db8::10 or condor.example.org, without a port "
            "or a user name.",
        )
    return None


def key_problem(path: str) -> OceanidError | None:
    """Why a file can't be the scheduler's key; None when it can, or none is named."""
    if not path:
        return None
    try:
        public_half(path)
    except InvalidValue as problem:
        return problem
    return None


def save_cluster_management(
    *, scheduler_ip: str, key_location: str, default_cluster: Cluster | None, actor: Any
) -> Setting:
    """Keep the third part. The scheduler of this address becomes a record among the schedulers,
    and takes the jobs that name none.

    A record that has had jobs is never turned into another machine: with another address there
    is a new one, and the jobs of the former one are watched on.

    Args:
        scheduler_ip: The submit host; "" for none: jobs go where OCEANID says.
        key_location: The private key's path on the portal's machine.
        default_cluster: The cluster that will take the jobs that name no scheduler.
        actor: Who did it.

    Raises:
        InvalidValue: A value can't be used; nothing was kept.
    """
    for problem in (host_problem(scheduler_ip), key_problem(key_location)):
        if problem is not None:
            raise problem
    if key_location and not scheduler_ip:
        raise InvalidValue(
            "There is a key, but no scheduler that it opens.", hint="Give the scheduler's IP too."
        )
    with transaction.atomic():
        audit.begin()
        ensure()
        row = Setting.objects.select_related("scheduler", "default_cluster").get(
            pk=Part.CLUSTER.value
        )
        before = _described(row)
        row.scheduler = _record(row.scheduler, scheduler_ip, key_location, actor)
        row.default_cluster = default_cluster
        changes = audit.differences(before, _described(row))
        if changes:
            row.changed_at, row.changed_by = timezone.now(), actor
            row.save()
            audit.write(actor, "change", audit.Thing.of(row), changes=changes)
    return row


def _record(present: Scheduler | None, host: str, key: str, actor: Any) -> Scheduler | None:
    if not host:
        return None
    if present is None or present.config.get("host") != host:
        same = Scheduler.objects.filter(engine=ENGINE, parent=None, config__host=host)
        other = same.order_by("pk").first()
        if other is not None or (present is not None and present.jobs.exists()):
            present = other
    is_new = present is None
    record = present or Scheduler(name=_free_name(), engine=ENGINE)
    before = {} if is_new else audit.describe(record)
    config = dict(record.config)
    if config.get("host") != host:
        config.pop("host_key", None)  # it was that of another machine
    config["host"] = host
    config.pop("key_path", None)
    if key:
        config["key_path"] = key
    record.config = config
    changes = audit.differences(before, audit.describe(record))
    if is_new or changes:
        record.save()
        audit.write(actor, "add" if is_new else "change", audit.Thing.of(record), changes=changes)
    return record


def _free_name() -> str:
    names = set(Scheduler.objects.filter(name__startswith=RECORD).values_list("name", flat=True))
    tried, number = RECORD, 2
    while tried in names:
        tried, number = f"{RECORD}-{number}", number + 1
    return tried


def _described(row: Setting) -> dict[str, Any]:
    config = row.scheduler.config if row.scheduler else {}
    return {
        "scheduler_ip": config.get("host"),
        "scheduler_key_location": config.get("key_path"),
        "scheduler": row.scheduler and row.scheduler.name,
        "default_cluster": row.default_cluster and row.default_cluster.name,
    }
