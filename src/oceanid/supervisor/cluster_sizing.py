"""How many machines a cluster should have now: pure reckoning, without a database or a cloud."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil, floor

from oceanid.engines.pools import PoolLook
from oceanid.models import Cluster
from oceanid.services.costs import Tariff

RAISE = "Raise the limit, take smaller machines, or load newer prices."


@dataclass(slots=True)
class Damping:
    """Remembers since when fewer machines would be enough."""

    lower_since: datetime | None = None

    def damped(self, wanted: int, present: int, *, now: datetime, for_s: float) -> int:
        """More at once; fewer only when fewer were enough for so long."""
        if wanted >= present:
            self.lower_since = None
            return wanted
        self.lower_since = self.lower_since or now
        if now - self.lower_since < timedelta(seconds=for_s):
            return present
        return wanted


@dataclass(frozen=True, slots=True)
class Size:
    """What size a cluster should have.

    Args:
        total: Machines, the master included; at least 1.
        capped_because: Why it is not more, for a person; "" when nothing caps it.
        may_run: Whether even the master may run.
    """

    total: int
    capped_because: str = ""
    may_run: bool = True


def asked_by_queue(
    row: Cluster,
    look: PoolLook | None,
    *,
    waiting: int,
    cpus: int,
    present: int,
    workers: frozenset[str],
) -> int:
    """How many machines the jobs ask for, between the minimum and the maximum.

    Args:
        row: The cluster.
        look: At the pool; None when it could not be asked.
        waiting: Processes of jobs that wait in the database; each is counted as one processor.
        cpus: Processors of a worker.
        present: How many machines are wanted at present.
        workers: The private addresses of workers.
    """
    low, high = row.min_size or 1, row.max_size or row.size
    if look is None:
        # What runs there is not known: nothing may go.
        return min(max(present + ceil(waiting / max(cpus, 1)), low), high)
    busy = sum(1 for node in look.nodes if node.jobs_running and node.address in workers)
    waits = max(look.idle_cpus, look.idle_jobs) + waiting
    return min(max(1 + busy + ceil(waits / max(cpus, 1)), low), high)


def wanted_size(
    row: Cluster,
    look: PoolLook | None,
    damping: Damping,
    *,
    waiting: int,
    cpus: int,
    workers: frozenset[str],
    now: datetime,
    for_s: float,
) -> int:
    """What size is wanted: as a person said, or as the queue asks for."""
    if row.max_size is None:
        return row.size
    present = row.target if row.target is not None else row.size
    low, high = row.min_size or 1, row.max_size
    present = min(max(present, low), high)
    asked = asked_by_queue(row, look, waiting=waiting, cpus=cpus, present=present, workers=workers)
    return damping.damped(asked, present, now=now, for_s=for_s)


def capped(row: Cluster, total: int, tariff: Tariff) -> Size:
    """The size within the hourly limit; without a price nothing may run under a limit."""
    limit = row.hourly_limit
    if limit is None:
        return Size(total)
    alone, each = tariff.of(0), tariff.each
    if alone is None or (total > 1 and each is None):
        return Size(
            1,
            "There is an hourly limit, and the price of these machines is not known.",
            may_run=alone is not None and alone <= limit,
        )
    if alone > limit:
        return Size(1, f"The master alone costs more than the limit of US$ {limit} an hour.", False)
    most = total if not each else 1 + floor((limit - alone) / each)
    if most >= total:
        return Size(total)
    return Size(most, f"The hourly limit of US$ {limit} allows {most} of {total} machines.")


def affordable(limit: Decimal, spent: Decimal, each: Decimal | None, count: int) -> int:
    """How many of so many workers the hourly limit still allows; none without a price."""
    if each is None:
        return 0
    return count if each == 0 else max(0, min(count, floor((limit - spent) / each)))


@dataclass(frozen=True, slots=True)
class Offer:
    """Where, and at what price, machines are asked for.

    Args:
        zone: "" for any.
        spot: Whether the cloud may take them back.
    """

    zone: str = ""
    spot: bool = False


def offers(zones: tuple[str, ...], *, spot: bool) -> tuple[Offer, ...]:
    """What is tried, one after the other: every zone as spot, then every zone on demand."""
    places = zones or ("",)
    cheap = tuple(Offer(zone, True) for zone in places) if spot else ()
    return cheap + tuple(Offer(zone, False) for zone in places)


@dataclass(slots=True)
class Memory:
    """What a driver remembers from round to round; it can be lost without harm.

    Args:
        damping: See there.
        missing: How many looks in a row did not find a machine, by its id.
        offer: Which of the offers is tried next.
        not_before: No order before this time.
        short_because, short_hint: Why, for a person.
        master_works: What the pool was told last.
        away_since: Since when the pool does not answer; None while it does.
        away_because: Why.
        still_paid: The stopped machines that cost as if they ran, by their ids.
        is_owner: Whether the credentials are known to be of the account that the cluster is in.
        asked_to_end: When this driver asked the cloud to end a machine, by its id.
    """

    damping: Damping = field(default_factory=Damping)
    missing: dict[str, int] = field(default_factory=dict)
    offer: int = 0
    not_before: datetime | None = None
    short_because: str = ""
    short_hint: str = ""
    master_works: bool | None = None
    away_since: datetime | None = None
    away_because: str = ""
    still_paid: frozenset[str] = frozenset()
    is_owner: bool = False
    asked_to_end: dict[str, datetime] = field(default_factory=dict)
