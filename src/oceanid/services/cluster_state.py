"""What a supervisor reads of a cluster, and writes down of it, under its lease."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, Sum, When

from oceanid.clouds import blueprints
from oceanid.clouds.prices import Prices
from oceanid.clouds.specs import AccountSpec, Blueprint
from oceanid.errors import OceanidError
from oceanid.models import (
    Cluster,
    ClusterEvent,
    ClusterLaunch,
    ClusterNode,
    Job,
    Part,
    Setting,
)
from oceanid.services import outbox, prices, site_settings
from oceanid.services.accounts import spec_of
from oceanid.services.costs import Tariff, tariff
from oceanid.services.leases import Hold, guard
from oceanid.services.outbox import ClusterNews
from oceanid.states import ClusterState, ClusterWanted, JobState, Wanted, cluster_can_move

WAITING: Final = [JobState.SUBMITTED.value, JobState.RUNNING.value, JobState.VARIOUS.value]
PREFIX: Final = "oceanid."
"""Of those notes that are the supervisor's own, not the cloud's."""


class ClusterGone(OceanidError):
    """The cluster's row is no more; there is nothing to be driven."""

    code: ClassVar[str] = "cluster-gone"


@dataclass(frozen=True, slots=True)
class Facts:
    """One reading of all that the database says of a cluster.

    Args:
        row: Its row; never saved.
        cloud: The name of its cloud.
        account: Its account.
        portal: The portal's identity, for tags.
        nodes: Its machines that are not known to be gone.
        orders: Its orders that are not over, oldest first.
        masters: The tokens of all orders of masters.
        waiting: How many processes of jobs wait in the database for its pool.
        handed: How many its pool was given, of which it has not told that they ended.
        table: The prices of its cloud; None when there are none.
    """

    row: Cluster
    cloud: str
    account: AccountSpec = field(repr=False)
    portal: UUID
    nodes: tuple[ClusterNode, ...]
    orders: tuple[ClusterLaunch, ...]
    masters: frozenset[str]
    waiting: int
    handed: int
    table: Prices | None

    @property
    def blueprint(self) -> Blueprint | None:
        """What it is made of; None until that is found out."""
        return blueprints.read(self.row.blueprint) if self.row.blueprint else None

    def tariff(self, blueprint: Blueprint, *, spot: bool = False) -> Tariff:
        """What its parts cost, its first workers as spot machines or on demand."""
        return tariff(self.cloud, self.account.config, blueprint, self.table, spot=spot)

    @property
    def state(self) -> ClusterState:
        """What it was last seen to do."""
        return ClusterState(self.row.state)

    @property
    def wanted(self) -> ClusterWanted:
        """What is wanted of it."""
        return ClusterWanted(self.row.wanted)


def read(cluster_id: int) -> Facts:
    """Everything that is known of a cluster: a fixed number of queries.

    Raises:
        ClusterGone: It is no more.
        InvalidSettings: Its secrets or its account's can't be decrypted.
    """
    row = Cluster.objects.filter(pk=cluster_id).first()
    if row is None:
        raise ClusterGone("The cluster was deleted.")
    cloud, account = spec_of(row.account_id)
    launches = ClusterLaunch.objects.filter(cluster=row)
    masters = launches.filter(role="MAS").values_list("token", flat=True)
    waiting, handed = _queue_of(row.scheduler_id)
    return Facts(
        row=row,
        cloud=cloud,
        account=account,
        portal=_portal(),
        nodes=tuple(ClusterNode.objects.filter(cluster=row, gone_at=None).order_by("id")),
        orders=tuple(launches.filter(is_over=False).order_by("id")),
        masters=frozenset(str(token) for token in masters),
        waiting=waiting,
        handed=handed,
        table=prices.of_cloud(cloud),
    )


def _portal() -> UUID:
    found = Setting.objects.filter(part=Part.CLUSTER.value).values_list("identity", flat=True)
    for identity in found:
        return identity
    site_settings.ensure()
    return Setting.objects.get(part=Part.CLUSTER.value).identity


def waiting_for(scheduler_id: int | None) -> int:
    """How many processes of jobs wait in the database for a scheduler, or for accounts at it."""
    return _queue_of(scheduler_id)[0]


def _queue_of(scheduler_id: int | None) -> tuple[int, int]:
    if scheduler_id is None:
        return 0, 0
    of_it = Q(scheduler=scheduler_id) | Q(scheduler__parent=scheduler_id)
    rows = Job.objects.filter(of_it, state__in=WAITING, wanted=Wanted.RUN.value)
    unmade = When(tasks_made=0, backlog=0, then=F("num_jobs"))
    found = rows.aggregate(
        waiting=Sum(Case(unmade, default=F("backlog"))),
        handed=Sum(F("tasks_submitted") + F("tasks_running")),
    )
    return int(found["waiting"] or 0), int(found["handed"] or 0)


def wishes(cluster_id: int) -> object:
    """What people want of a cluster, and how it is asked for: another value when that changed."""
    names = (
        "wanted", "force", "size", "min_size", "max_size", "spot", "idle_minutes", "idle_since",
        "hourly_limit", "budget", "ssh_from", "own_key", "repair_wanted_at",
        "preflight_wanted_at", "account__config",
    )  # fmt: skip
    try:
        secrets: object = Cluster.objects.values_list("account__secrets", flat=True).get(
            pk=cluster_id
        )
    except (OceanidError, Cluster.DoesNotExist) as problem:
        secrets = str(problem)
    return (Cluster.objects.filter(pk=cluster_id).values_list(*names).first(), secrets)


def to_drive() -> list[int]:
    """The clusters that a supervisor has something to do with."""
    idle = Q(wanted=ClusterWanted.PREPARED.value, preflight_wanted_at=None)
    return list(Cluster.objects.exclude(idle).values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a cluster's history.

    Args:
        kind: ``state``, ``machine``, ``order``, ``problem``, ``cost`` or ``decision``.
        message: What happened.
        news: What people are told of it; None for nothing.
    """

    kind: str
    message: str
    news: ClusterNews | None = None


def write(
    hold: Hold,
    cluster_id: int,
    values: Mapping[str, Any] | None = None,
    told: Iterable[Told] = (),
    *,
    now: datetime,
) -> None:
    """Write down what was found or decided, in one transaction; nothing when nothing is given.

    A state that the transition table does not allow from the present one is left out.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
        ClusterGone: It is no more.
    """
    lines = list(told)
    if not values and not lines:
        return
    with transaction.atomic():
        guard(hold)
        put(cluster_id, dict(values or {}), lines, now=now)


def put(cluster_id: int, values: dict[str, Any], told: list[Told], *, now: datetime) -> None:
    """As :func:`write`, in a transaction that is guarded already."""
    rows = Cluster.objects.filter(pk=cluster_id)
    if "state" in values:
        present = rows.values_list("state", "wanted", "idle_minutes").first()
        if present is None:
            raise ClusterGone("The cluster was deleted.")
        before, wanted, idle_minutes = present
        after = ClusterState(values.pop("state"))
        if cluster_can_move(ClusterState(before), after):
            values |= {"state": after.value, "state_since": now}
            said = values.get("message", "")
            if after is ClusterState.STOPPED and wanted == ClusterWanted.RUN:
                told = [*told, _asleep(idle_minutes)]
            else:
                told = [*told, _of_state(ClusterState(before), after, said)]
    if values and not rows.update(**values):
        raise ClusterGone("The cluster was deleted.")
    if told:
        tell(cluster_id, told, now=now)


def tell(cluster_id: int, told: list[Told], *, now: datetime) -> None:
    """Append to a cluster's history."""
    ClusterEvent.objects.bulk_create(
        [
            ClusterEvent(cluster_id=cluster_id, kind=each.kind, at=now, message=each.message)
            for each in told
        ]
    )
    for each in told:
        if each.news is not None:
            outbox.of_cluster(cluster_id, each.news, now, each.message)


def _asleep(idle_minutes: int | None) -> Told:
    said = f"Stopped: it had no job for {minutes(idle_minutes)}; it starts when one comes."
    return Told("state", said, ClusterNews.IDLE)


def minutes(count: int | None) -> str:
    """So many minutes, in words."""
    return "a minute" if count == 1 else f"{count} minutes"


def _of_state(before: ClusterState, after: ClusterState, message: str) -> Told:
    words = dict(Cluster.STATES)
    said = f"{words[after.value]}{f': {message}' if message else '.'}"
    news = None
    if after is ClusterState.RUNNING:
        is_again = before in (ClusterState.DEGRADED, ClusterState.FAILED)
        if is_again or before in (ClusterState.CREATING, ClusterState.STARTING):
            news = ClusterNews.RECOVERED if is_again else ClusterNews.RUNNING
    elif after is ClusterState.DEGRADED:
        news = ClusterNews.DEGRADED
    elif after is ClusterState.FAILED:
        news = ClusterNews.FAILED
    return Told("state", said, news)


def keep_note(hold: Hold, cluster_id: int, name: str, value: str) -> None:
    """Keep a note of a cluster; "" forgets it.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
        ClusterGone: It is no more.
    """
    with transaction.atomic():
        guard(hold)
        row = Cluster.objects.only("notes").filter(pk=cluster_id).first()
        if row is None:
            raise ClusterGone("The cluster was deleted.")
        notes = {key: each for key, each in row.notes.items() if key != name}
        if value:
            notes[name] = value
        Cluster.objects.filter(pk=cluster_id).update(notes=notes)


def keep_secrets(hold: Hold, cluster_id: int, made: Mapping[str, str]) -> dict[str, str]:
    """Keep those of these secrets that the cluster has none of that name yet; all that it has.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
        ClusterGone: It is no more.
    """
    with transaction.atomic():
        guard(hold)
        row = Cluster.objects.only("secrets").filter(pk=cluster_id).first()
        if row is None:
            raise ClusterGone("The cluster was deleted.")
        whole = {**made, **(row.secrets or {})}
        if whole != row.secrets:
            row.secrets = whole
            row.save(update_fields=["secrets"])
    return whole


def fulfilled(hold: Hold, cluster_id: int, wish: str, value: Any) -> None:
    """A wish is fulfilled, unless it was said anew since.

    Args:
        hold: The cluster's lease.
        cluster_id: The cluster.
        wish: The column that says since when it is wanted.
        value: What stood there when it was begun to be fulfilled.
    """
    with transaction.atomic():
        guard(hold)
        Cluster.objects.filter(pk=cluster_id, **{wish: value}).update(**{wish: None})


def no_force(hold: Hold, row: Cluster) -> None:
    """What was wanted by force is done, unless something else is wanted since."""
    with transaction.atomic():
        guard(hold)
        same = Cluster.objects.filter(pk=row.pk, wanted=row.wanted, size=row.size)
        same.update(force=False)


def stop_for(hold: Hold, cluster_id: int, told: Told, *, now: datetime) -> None:
    """Want a cluster to stop that is wanted to run, for a reason that no person gave."""
    with transaction.atomic():
        guard(hold)
        rows = Cluster.objects.filter(pk=cluster_id, wanted=ClusterWanted.RUN.value)
        if rows.update(wanted=ClusterWanted.STOP.value):
            tell(cluster_id, [told], now=now)


def is_finished(hold: Hold, cluster_id: int) -> None:
    """Forget a cluster of which nothing is left in the cloud.

    Raises:
        LeaseLost: Another supervisor drives the cluster.
    """
    with transaction.atomic():
        guard(hold)
        row = Cluster.objects.filter(pk=cluster_id, wanted=ClusterWanted.DELETE.value).first()
        if row is not None:
            row.delete()
