"""Clusters: what people want of each is kept here, and a supervisor makes it so."""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from oceanid.errors import IllegalTransition, InvalidValue, NotFound, OceanidError
from oceanid.models import Cluster, ClusterEvent, ClusterLaunch, ClusterNode, Job, Setting
from oceanid.services import audit, policy
from oceanid.services.cluster_plan import Plan, PlanLine, plan
from oceanid.services.cluster_values import (
    MOST_MACHINES,
    NAME,
    is_made,
    problems,
    spec_of,
    unreachable,
)
from oceanid.services.wake import CLOUD, wake
from oceanid.states import JOB_ACTIVE, ClusterWanted

__all__ = [
    "MOST_MACHINES", "NAME", "RUN", "Plan", "PlanLine", "create", "delete", "plan", "preflight",
    "problems", "repair", "resize", "save", "spec_of", "start", "stop", "why_it_stays",
]  # fmt: skip

RUN: Final = "oceanid.run_cluster"
OWN: Final = frozenset(
    {
        "id", "uuid", "created_at", "wanted", "force", "preflight_wanted_at", "repair_wanted_at",
        "state", "state_since", "message", "hint", "steps", "blueprint", "notes", "secrets",
        "preflight", "preflighted_at", "scheduler", "target", "idle_since", "failures",
        "looked_at", "cost", "cost_at",
    }
)  # fmt: skip
"""What a form does not write: it belongs to wishes, or to the supervisor."""

PEOPLE: Final = [field.name for field in Cluster._meta.concrete_fields if field.name not in OWN]


def save(cluster: Cluster, actor: Any) -> Cluster:
    """Keep what is wanted of a cluster; one that runs is changed by it as by :func:`resize`.

    Raises:
        InvalidValue: A value can't be used, or the name is taken; nothing was kept.
        IllegalTransition: A value can't be changed any more.
    """
    with transaction.atomic():
        audit.begin()
        before = Cluster.objects.filter(pk=cluster.pk).first()
        for problem in problems(cluster).values():
            raise problem
        changes = audit.differences(
            audit.describe(before) if before else {}, audit.describe(cluster)
        )
        if before is not None and not changes:
            return cluster
        try:
            with transaction.atomic():
                cluster.save(update_fields=PEOPLE if before is not None else None)
        except IntegrityError as problem:
            raise InvalidValue(
                "There is a cluster “{name}” in this account already.",
                hint="Give it another name.",
                name=cluster.name,
            ) from problem
        verb = "add" if before is None else "change"
        audit.write(actor, verb, audit.Thing.of(cluster), changes=changes)
        if before is not None and before.wanted != ClusterWanted.PREPARED:
            told = ", ".join(f"{each['field']} {each['after'] or '–'}" for each in changes)
            _note(cluster, f"Changed: {told}.", actor)
            wake(CLOUD)
    return cluster


def create(cluster: Cluster, actor: Any) -> Cluster:
    """Keep a cluster and want it to run: machines will be made, and cost.

    What is empty comes from the default cluster and then from the cloud's defaults. Idempotent;
    a request, not a promise: the state tells what came of it.

    Args:
        cluster: With its account, name and size; in the database already, or not.
        actor: Who wants it; None for code, which is trusted.

    Raises:
        NotPermitted: The person may not.
        InvalidValue: A value can't be used, the name is taken, or nobody said from where its
            master may be reached; nothing was kept.
    """
    _require(actor, "create a cluster")
    if problem := unreachable(cluster):
        raise problem
    with transaction.atomic():
        audit.begin()
        save(cluster, actor)
        return _want(cluster, actor, ClusterWanted.RUN, f"Create it with size {cluster.size}.")


def resize(cluster: Cluster, size: int, actor: Any, *, force: bool = False) -> Cluster:
    """Want another number of machines, the master included. Idempotent; a request.

    Of a cluster whose size follows the queue it is the size to go on from.

    Args:
        cluster: The cluster.
        size: How many; 1 is the master alone, which then works too.
        actor: Who wants it.
        force: Whether machines may go although jobs run on them.

    Raises:
        NotPermitted: The person may not.
        InvalidValue: It can't have this size.
        IllegalTransition: It is being deleted.
    """
    _require(actor, "resize a cluster")
    with transaction.atomic():
        row = _locked(cluster)
        former, row.size = row.size, size
        for name, problem in problems(row).items():
            if name in ("size", "max_size"):
                raise problem
        if (former, row.force) == (size, force) and row.target is None:
            return _same(cluster, row)
        row.force, row.failures, row.target = force, 0, None
        row.save(update_fields=["size", "force", "failures", "target"])
        how = ", although jobs may run on machines that go" if force else ""
        note = f"Resize it from {former} to {size}{how}."
        _tell(row, actor, "resize", note, field="size", before=former, after=size)
    return _same(cluster, row)


def stop(cluster: Cluster, actor: Any, *, force: bool = False) -> Cluster:
    """Want no machine to run: workers end, the master stops and keeps its disk; so does the size
    that is wanted. Running jobs end first unless ``force``. Idempotent; a request.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: It was never started, or is being deleted.
    """
    _require(actor, "stop a cluster")
    with transaction.atomic():
        row = _locked(cluster)
        if row.wanted == ClusterWanted.PREPARED:
            raise IllegalTransition(
                "“{name}” was not started.", hint="There is nothing to do.", name=row.name
            )
        how = ", at once" if force else ""
        return _want(cluster, actor, ClusterWanted.STOP, f"Stop it{how}.", force=force)


def start(cluster: Cluster, actor: Any) -> Cluster:
    """Want it to run again, with the size that is wanted. Idempotent; a request.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: It is being deleted.
    """
    _require(actor, "start a cluster")
    with transaction.atomic():
        return _want(cluster, actor, ClusterWanted.RUN, "Start it.")


def repair(cluster: Cluster, actor: Any) -> Cluster:
    """Want all that was given up to be tried again, and a master that stays away to be replaced.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: It is not wanted to run, or is being deleted.
    """
    _require(actor, "repair a cluster")
    with transaction.atomic():
        row = _locked(cluster)
        if row.wanted != ClusterWanted.RUN:
            raise IllegalTransition(
                "“{name}” is not wanted to run.", hint="Start it first.", name=row.name
            )
        row.repair_wanted_at, row.failures = timezone.now(), 0
        row.save(update_fields=["repair_wanted_at", "failures"])
        _tell(row, actor, "repair", "Repair it.")
    return _same(cluster, row)


def preflight(cluster: Cluster, actor: Any) -> Cluster:
    """Want to know what would fail if it were made now; nothing is made.

    Raises:
        NotPermitted: The person may not.
    """
    _require(actor, "have a cluster looked at")
    with transaction.atomic():
        row = _locked(cluster)
        row.preflight_wanted_at = timezone.now()
        row.save(update_fields=["preflight_wanted_at"])
        _tell(row, actor, "preflight", "Look what would fail.")
    return _same(cluster, row)


def why_it_stays(cluster: Cluster, *, force: bool = False) -> OceanidError | None:
    """Why a cluster can't be deleted; None when it can."""
    if Setting.objects.filter(default_cluster=cluster).exists():
        return IllegalTransition(
            "“{name}” is the default cluster.",
            hint="Choose another one under Settings, Cluster Management.",
            name=cluster.name,
        )
    if force or cluster.scheduler_id is None:
        return None
    jobs = Job.objects.filter(scheduler=cluster.scheduler_id, state__in=JOB_ACTIVE)
    if count := jobs.count():
        what = "job has" if count == 1 else "jobs have"
        return IllegalTransition(
            "{count} {what} not ended on “{name}”.",
            hint="Stop them first, or delete it by force: what runs on it is lost then.",
            count=count,
            what=what,
            name=cluster.name,
        )
    return None


def delete(cluster: Cluster, actor: Any, *, force: bool = False) -> None:
    """Want nothing of a cluster to be left. One of which nothing was ever made goes at once; the
    row of another one stays until its supervisor has seen that nothing is left in the cloud.

    Args:
        cluster: The cluster.
        actor: Who wants it.
        force: Whether jobs that have not ended are lost.

    Raises:
        NotPermitted: The person may not.
        IllegalTransition: See :func:`why_it_stays`.
    """
    with transaction.atomic():
        row = _locked(cluster, also_deleting=True)
        if problem := why_it_stays(row, force=force):
            raise problem
        if _has_nothing(row):
            changes = audit.differences(audit.describe(row), {})
            thing = audit.Thing.of(row)
            row.delete()
            audit.write(actor, "delete", thing, changes=changes)
            return
        _require(actor, "delete a cluster")
        if row.wanted == ClusterWanted.DELETE and row.force >= force:
            return
        row.wanted, row.force = ClusterWanted.DELETE.value, force
        row.save(update_fields=["wanted", "force"])
        _tell(row, actor, "delete", "Delete it and all that is in the cloud of it.")
    _same(cluster, row)


def _want(
    cluster: Cluster, actor: Any, wanted: ClusterWanted, note: str, *, force: bool = False
) -> Cluster:
    row = _locked(cluster)
    if row.wanted == wanted and row.force == force and row.idle_since is None:
        return _same(cluster, row)
    before = row.wanted
    row.wanted, row.force, row.failures, row.idle_since = wanted.value, force, 0, None
    row.save(update_fields=["wanted", "force", "failures", "idle_since"])
    _tell(row, actor, wanted.name.lower(), note, field="wanted", before=before, after=wanted.value)
    return _same(cluster, row)


def _locked(cluster: Cluster, *, also_deleting: bool = False) -> Cluster:
    audit.begin()
    row = Cluster.objects.select_for_update().filter(pk=cluster.pk).first()
    if row is None:
        raise NotFound("There is no cluster “{name}” any more.", name=cluster.name)
    if row.wanted == ClusterWanted.DELETE and not also_deleting:
        raise IllegalTransition(
            "“{name}” is being deleted.", hint="Make another one when it is gone.", name=row.name
        )
    return row


def _has_nothing(row: Cluster) -> bool:
    return not is_made(row) and not any(
        model.objects.filter(cluster=row).exists() for model in (ClusterLaunch, ClusterNode)
    )


def _require(actor: Any, what: str) -> None:
    if actor is not None:
        policy.require_permission(actor, RUN, what)


def _tell(
    row: Cluster, actor: Any, verb: str, note: str, *, field: str = "", before: Any = "",
    after: Any = "",
) -> None:  # fmt: skip
    changes = (
        [{"field": field, "before": str(before), "after": str(after)}] if before != after else []
    )
    audit.write(actor, verb, audit.Thing.of(row), changes=changes, note=note)
    _note(row, note, actor)
    wake(CLOUD)


def _note(row: Cluster, note: str, actor: Any) -> None:
    ClusterEvent.objects.create(
        cluster=row, kind="intent", at=timezone.now(), message=note, actor=actor
    )


def _same(cluster: Cluster, row: Cluster) -> Cluster:
    """Let the caller's row say what the database says of the wishes."""
    for name in ("wanted", "force", "size", "repair_wanted_at", "preflight_wanted_at", "target"):
        setattr(cluster, name, getattr(row, name))
    return cluster
