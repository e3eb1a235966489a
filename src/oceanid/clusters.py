"""Clusters from Python: create, watch, resize, stop, start, repair and delete them.

    from oceanid import clusters

    alps = clusters.create("alps", size=4, account="ours", node_type="m7a.large")
    clusters.wait(alps)
    clusters.resize(alps, 8)

Everything here writes down what is wanted and returns; a supervisor makes it so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet

from oceanid.errors import InvalidValue, NotFound, OceanidError, WaitTimeout
from oceanid.models import CloudAccount, Cluster, Setting
from oceanid.services import cluster_costs
from oceanid.services import clusters as services
from oceanid.services.cluster_costs import ClusterCost, CostPart
from oceanid.services.clusters import Plan, PlanLine
from oceanid.states import ClusterState, ClusterWanted

__all__ = [
    "ClusterCost", "CostPart", "Plan", "PlanLine", "cost", "create", "delete", "get",
    "list_clusters", "plan", "preflight", "repair", "resize", "start", "stop", "wait",
]  # fmt: skip

Until = Literal["running", "stopped", "deleted"]
OPTIONS: Final = frozenset(
    {
        "master_image", "master_type", "node_image", "node_type", "region", "zones", "spot",
        "min_size", "max_size", "idle_minutes", "hourly_limit", "budget", "network",
        "resource_group", "own_key", "ssh_from",
    }
)  # fmt: skip
PAUSE_S: Final = 1.0


def create(
    name: str,
    *,
    size: int = 1,
    account: CloudAccount | str | None = None,
    user: AbstractBaseUser | None = None,
    **options: Any,
) -> Cluster:
    """Want a cluster; machines will be made, and cost. Idempotent: the same again changes nothing.

    Args:
        name: Unique in the account: small letters, digits and hyphens, 40 at most.
        size: Machines, the master included; 1 is the master alone, which then works too.
        account: An account or its name, ``cloud:name`` where two clouds have one of this name;
            None for that of the default cluster, else the only default account.
        user: Who wants it, for permissions and the audit history; None for trusted code.
        **options: ``master_image``, ``master_type``, ``node_image``, ``node_type``, ``region``,
            ``zones`` (a list), ``spot``, ``min_size``, ``max_size``, ``idle_minutes``,
            ``hourly_limit`` and ``budget`` (US$), ``network``, ``resource_group``, ``own_key``,
            ``ssh_from`` (a list of networks). What is left out comes from the default cluster,
            then from the cloud's defaults.

    Raises:
        InvalidValue: A value can't be used; nothing was kept.
        NotFound: There is no such account.
        NotPermitted: The person may not.
        IllegalTransition: There is one of this name that is made of something else.
    """
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        known = ", ".join(sorted(OPTIONS))
        raise InvalidValue(
            "A cluster has no option “{unknown}”.",
            hint="Known are: {known}.",
            unknown=unknown[0],
            known=known,
        )
    where = _account(account)
    row = Cluster.objects.filter(account=where, name=name).first()
    row = row or Cluster(account=where, name=name)
    row.size = size
    for option, value in options.items():
        setattr(row, option, value)
    return services.create(row, user)


def get(name: str, *, account: CloudAccount | str | None = None) -> Cluster:
    """The cluster of this name.

    Args:
        name: Its name.
        account: In which account; None for any.

    Raises:
        NotFound: There is none, or there are several and no account is named.
    """
    rows = Cluster.objects.select_related("account", "scheduler").filter(name=name)
    if account is not None:
        rows = rows.filter(account=_account(account))
    found = list(rows[:2])
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound("There is no cluster “{name}”.", name=name)
    raise NotFound("Several accounts have a cluster “{name}”.", hint="Name the account.", name=name)


def list_clusters() -> QuerySet[Cluster]:
    """All clusters, with their accounts and schedulers."""
    return Cluster.objects.select_related("account", "scheduler").order_by("name", "pk")


def plan(
    cluster: Cluster | str, *, size: int | None = None, wanted: ClusterWanted | None = None
) -> Plan:
    """What would be made, ended and kept, and what it costs by the hour before and after.

    Nothing is changed, and nothing is asked of a cloud.

    Args:
        cluster: A cluster, its name, or an unsaved one.
        size: What size would be wanted; the present wish when None.
        wanted: What would be wanted; running when None and it was only prepared.
    """
    return services.plan(_cluster(cluster), size=size, wanted=wanted)


def cost(cluster: Cluster | str) -> ClusterCost:
    """What a cluster costs now, by its parts and together, per hour, and in all until now.

    Nothing is asked of a cloud: it is reckoned from the machines of the last look, and the prices
    in use.
    """
    return cluster_costs.cost(_cluster(cluster))


def preflight(cluster: Cluster | str, *, user: AbstractBaseUser | None = None) -> Cluster:
    """Want to know what would fail; the answer comes into ``cluster.preflight``."""
    return services.preflight(_cluster(cluster), user)


def resize(
    cluster: Cluster | str, size: int, *, user: AbstractBaseUser | None = None, force: bool = False
) -> Cluster:
    """Want another number of machines; running jobs end first unless ``force``.

    Raises:
        InvalidValue: It can't have this size.
        IllegalTransition: It is being deleted.
        NotPermitted: The person may not.
    """
    return services.resize(_cluster(cluster), size, user, force=force)


def stop(
    cluster: Cluster | str, *, user: AbstractBaseUser | None = None, force: bool = False
) -> Cluster:
    """Want no machine to run: workers end, the master stops and keeps its disk and its queue."""
    return services.stop(_cluster(cluster), user, force=force)


def start(cluster: Cluster | str, *, user: AbstractBaseUser | None = None) -> Cluster:
    """Want it to run again, with the size that was wanted."""
    return services.start(_cluster(cluster), user)


def repair(cluster: Cluster | str, *, user: AbstractBaseUser | None = None) -> Cluster:
    """Want all that was given up to be tried again."""
    return services.repair(_cluster(cluster), user)


def delete(
    cluster: Cluster | str, *, user: AbstractBaseUser | None = None, force: bool = False
) -> None:
    """Want nothing of it to be left in the cloud; its row goes when that is so.

    Raises:
        IllegalTransition: It is the default cluster, or has jobs that have not ended and is not
            to be deleted by ``force``.
        NotPermitted: The person may not.
    """
    services.delete(_cluster(cluster), user, force=force)


def wait(
    cluster: Cluster | str,
    *,
    until: Until = "running",
    timeout_s: float = 1800.0,
    told: Callable[[Cluster], None] | None = None,
) -> Cluster | None:
    """Wait until a cluster is as it was wanted; reads the database, never in a request.

    Args:
        cluster: The cluster.
        until: ``running``, ``stopped`` or ``deleted``.
        timeout_s: The most seconds to wait; it goes on without being waited for.
        told: Is called with the row now and then, for who shows progress.

    Returns:
        The row as it is then; None for one that is no more.

    Raises:
        WaitTimeout: It is not there in time.
        OceanidError: It failed, with what is to be done as the hint; code ``cluster-failed``.
        NotFound: It is no more, and something else was waited for.
    """
    key = _cluster(cluster).pk
    deadline = time.monotonic() + timeout_s
    while True:
        row = Cluster.objects.filter(pk=key).first()
        if row is None and until == "deleted":
            return None
        if row is None:
            raise NotFound("The cluster was deleted.")
        if told is not None:
            told(row)
        if row.state == {"running": ClusterState.RUNNING, "stopped": ClusterState.STOPPED}.get(
            until
        ):
            return row
        if row.state == ClusterState.FAILED and until == "running":
            raise OceanidError(
                "“{name}” failed: {said}",
                hint=row.hint,
                code="cluster-failed",
                name=row.name,
                said=row.message,
            )
        if time.monotonic() + PAUSE_S > deadline:
            raise WaitTimeout(
                "“{name}” is {state} after {timeout_s:g} s; it goes on.",
                hint=row.message or "Look whether a supervisor runs: oceanid doctor.",
                name=row.name,
                state=row.get_state_display(),
                timeout_s=timeout_s,
            )
        time.sleep(PAUSE_S)


def _cluster(given: Cluster | str) -> Cluster:
    return get(given) if isinstance(given, str) else given


def _account(given: CloudAccount | str | None) -> CloudAccount:
    if isinstance(given, CloudAccount):
        return given
    if given is None:
        return _offered()
    cloud, _, name = given.rpartition(":")
    rows = CloudAccount.objects.filter(name=name)
    if cloud:
        rows = rows.filter(cloud=cloud)
    found = list(rows[:2])
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(
            "There is no cloud account “{given}”.", hint="Make it under Settings.", given=given
        )
    raise NotFound(
        "Several clouds have an account “{given}”.", hint="Write cloud:name.", given=given
    )


def _offered() -> CloudAccount:
    chosen = Setting.objects.filter(default_cluster__isnull=False)
    setting = chosen.select_related("default_cluster__account").first()
    if setting is not None and setting.default_cluster is not None:
        return setting.default_cluster.account
    defaults = list(CloudAccount.objects.filter(is_default=True)[:2])
    if len(defaults) == 1:
        return defaults[0]
    raise NotFound(
        "Which account is meant is not known." if defaults else "There is no cloud account.",
        hint="Name it." if defaults else "Give its credentials under Settings first.",
    )
