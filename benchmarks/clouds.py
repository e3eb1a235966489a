"""How many calls of a cloud clusters cost: the same for 4, 100 and 500 machines.

    python -m benchmarks.clouds [--cloud paper] [--cloud amazon] [--cloud azure] [--smoke]

The real driver makes, looks at, halves and deletes clusters at the clouds' emulators; the pool of
their machines is a file. Prints the calls of each; the exit code is 1 when they grow with the
size, or when a look at a cluster that does not change is more than one call.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks import throwaway
from benchmarks.figures import Verdict

if TYPE_CHECKING:
    from tests.faults.clouds.ground import Ground

SIZES = (4, 100, 500)
MOST_ROUNDS = 300
LOOKS = 5
STEP_S = 900.0


def main() -> int:
    """Count, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", action="append", choices=["paper", "amazon", "azure"])
    parser.add_argument("--smoke", action="store_true", help="small numbers")
    given = parser.parse_args()
    sizes = (4, 6) if given.smoke else SIZES
    verdict = Verdict()
    with throwaway.home():
        for name in given.cloud or ["paper", "amazon", "azure"]:
            with tempfile.TemporaryDirectory() as folder:
                _measure(name, Path(folder), sizes, verdict)
    return verdict.exit_code()


class _Environment:
    """What a test's fixture would set and unset."""

    def setenv(self, name: str, value: str) -> None:
        os.environ[name] = value


def _measure(name: str, folder: Path, sizes: tuple[int, ...], verdict: Verdict) -> None:
    from tests.faults.clouds.emulated import AmazonGround, AzureGround
    from tests.faults.clouds.ground import PaperGround

    from oceanid.clouds import registry as clouds
    from oceanid.engines import registry as engines

    kinds: dict[str, Any] = {"paper": PaperGround, "amazon": AmazonGround, "azure": AzureGround}
    ground: Ground = kinds[name](folder, _Environment())
    entry = clouds.Entry(name, ground.cloud, "")
    pool = engines.Entry(ground.engine.name, ground.engine, "")
    cast(Any, clouds).installed = lambda: (entry,)
    cast(Any, engines).installed = lambda: (pool,)
    try:
        found = {size: _counted(ground, size) for size in sizes}
    finally:
        ground.close()
    least = found[sizes[0]]
    for what in least:
        counts = [found[size][what] for size in sizes]
        detail = ", ".join(f"{size}: {count:g}" for size, count in zip(sizes, counts, strict=True))
        limit = 1 if what == "an unchanged look" else least[what]
        verdict.at_most(f"{ground.cloud.title}, calls of {what}", max(counts), limit, detail)


def _counted(ground: Ground, size: int) -> dict[str, float]:
    """The calls of everything with a cluster of this size."""
    from oceanid.models import CloudAccount, Cluster
    from oceanid.services import accounts, clusters

    account = CloudAccount.objects.filter(name=ground.cloud.name).first() or accounts.save(
        CloudAccount(cloud=ground.cloud.name, name=ground.cloud.name, config=dict(ground.config)),
        None,
        given=ground.secrets,
    )
    found: dict[str, float] = {}
    row = clusters.create(
        Cluster(account=account, name=f"alps-{size}", size=size, ssh_from=["192.0.2.7/32"]), None
    )
    hand = _Hand(ground, row.pk)

    def count(what: str, wish: Callable[[], object]) -> None:
        begun = ground.calls()
        wish()
        hand.settles()
        found[what] = ground.calls() - begun

    count("create", lambda: None)
    begun = ground.calls()
    for _ in range(LOOKS):
        hand.round()
    found["an unchanged look"] = (ground.calls() - begun) / LOOKS
    count("resize", lambda: clusters.resize(row, max(2, size // 2), None))
    count("delete", lambda: clusters.delete(row, None))
    assert not ground.remains(), ground.remains()
    hand.close()
    return found


class _Hand:
    """Drives one cluster, round by round, with a clock of its own."""

    def __init__(self, ground: Ground, cluster_id: int) -> None:
        from oceanid import conf
        from oceanid.services import leases
        from oceanid.supervisor.cluster import ClusterDriver
        from oceanid.supervisor.database import Database
        from oceanid.supervisor.surroundings import Surroundings
        from oceanid.supervisor.waker import Waker

        self.ground = ground
        self.now = datetime.now(UTC)
        self.loop = asyncio.new_event_loop()
        self.db = Database(1)
        hold = leases.acquire(f"cluster:{cluster_id}", uuid.uuid4(), ttl_s=3600)
        assert hold is not None
        # An emulator takes its time over five hundred machines; how long is not measured here.
        settings = replace(conf.current().supervisor, step_timeout_s=STEP_S)
        around = Surroundings(self.db, Waker(), settings)
        self.driver = ClusterDriver(cluster_id, hold, around, clock=lambda: self.now)

    def round(self) -> bool:
        """One round; whether something is under way."""
        self.ground.tell_pool()
        self.now += timedelta(seconds=5)
        return self.loop.run_until_complete(self.driver.once())

    def settles(self) -> None:
        """Rounds until nothing is under way."""
        from oceanid.services.cluster_state import ClusterGone

        for _ in range(MOST_ROUNDS):
            try:
                if not self.round():
                    return
            except ClusterGone:
                return
        raise SystemExit(f"It does not settle in {MOST_ROUNDS} rounds.")

    def close(self) -> None:
        """Let go."""
        self.loop.run_until_complete(self.driver.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.db.close()


if __name__ == "__main__":
    sys.exit(main())
