"""A cluster of paper and its driver, in the test's own thread: rounds by hand, a clock by hand."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from django.contrib.auth.models import User

from oceanid import conf
from oceanid.clouds import registry as clouds
from oceanid.clouds.testing import PaperCloud, World
from oceanid.clouds.testing.world import Crash, PaperJob, PaperMachine, State
from oceanid.engines import registry as engines
from oceanid.errors import OceanidError
from oceanid.models import CloudAccount, Cluster, ClusterNode, Lease
from oceanid.services import accounts, cluster_state, clusters, leases
from oceanid.services.cluster_state import ClusterGone
from oceanid.states import MachineState, Role
from oceanid.supervisor.cluster import ClusterDriver
from oceanid.supervisor.database import Database
from oceanid.supervisor.surroundings import Surroundings
from oceanid.supervisor.waker import Waker
from tests.clouds.paper_engine import PaperEngine
from tests.property.house import Crash as ProcessDied
from tests.property.house import Interruptible

LEASE_S = 3600.0
MOST_ROUNDS = 120


def offer(monkeypatch: Any) -> None:
    """Let the paper cloud and its engine be installed."""
    some = (clouds.Entry("paper", PaperCloud, ""), *clouds.installed())
    monkeypatch.setattr(clouds, "installed", lambda: some)
    others = (engines.Entry("paper", PaperEngine, ""), *engines.installed())
    monkeypatch.setattr(engines, "installed", lambda: others)


class PaperHouse:
    """One cluster, the paper that it stands on, and whoever supervises it."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.world = World(folder)
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.loop = asyncio.new_event_loop()
        self.boss = User.objects.filter(username="boss").first() or User.objects.create_superuser(
            "boss"
        )
        found = CloudAccount.objects.filter(cloud="paper", name="paper").first()
        self.account = found or accounts.save(
            CloudAccount(cloud="paper", name="paper", config={"folder": str(folder)}), None
        )
        given = {"name": "alps", "size": 3} | fields
        self.cluster = clusters.create(Cluster(account=self.account, **given), self.boss)
        self.driver: ClusterDriver | None = None
        self.problems: list[OceanidError] = []

    # The supervisor

    def begin(self) -> ClusterDriver:
        """A supervisor starts."""
        hold = leases.acquire(f"cluster:{self.cluster.pk}", uuid.uuid4(), ttl_s=LEASE_S)
        assert hold is not None
        db = cast(Database, Interruptible())
        around = Surroundings(db, Waker(), conf.current().supervisor)
        self.driver = ClusterDriver(self.cluster.pk, hold, around, clock=lambda: self.now)
        return self.driver

    def interrupt(self, calls: int, then: Callable[[], None], *, after: bool) -> None:
        """Let something happen at one of the next calls of the database."""
        driver = self.driver or self.begin()
        cast(Interruptible, driver.db).interrupt(calls, then, after=after)

    def die(self) -> None:
        """The supervisor's process is no more; its lease is left to expire."""
        self.driver = None
        Lease.objects.filter(name=f"cluster:{self.cluster.pk}").update(holder=None)

    def round(self) -> bool:
        """One round; whether the cluster is still there. A crash is survived by a restart."""
        driver = self.driver or self.begin()
        self.now += timedelta(seconds=5)
        try:
            self.loop.run_until_complete(driver.once())
        except ClusterGone:
            self.driver = None
            return False
        except (Crash, ProcessDied):
            self.die()
        except OceanidError as problem:
            self.problems.append(problem)
            driver.failures += 1
            try:
                self.loop.run_until_complete(driver.tell(problem))
            except (Crash, ProcessDied):
                self.die()
        return True

    def until(self, look: Callable[[], bool], *, what: str, rounds: int = MOST_ROUNDS) -> None:
        """Rounds until something is the case."""
        for _ in range(rounds):
            if not self.round() or look():
                assert look(), f"{what}: the cluster went\n{self.told()}"
                return
        raise AssertionError(f"Never in {rounds} rounds: {what}\n{self.told()}")

    def gone(self, *, rounds: int = MOST_ROUNDS) -> None:
        """Rounds until nothing is left."""
        for _ in range(rounds):
            if not self.round():
                break
        assert not Cluster.objects.filter(pk=self.cluster.pk).exists(), self.told()

    def settles(self, *, rounds: int = MOST_ROUNDS) -> None:
        """Rounds until two in a row have nothing under way."""
        calm = 0
        for _ in range(rounds):
            driver = self.driver or self.begin()
            self.now += timedelta(seconds=5)
            try:
                busy = self.loop.run_until_complete(driver.once())
            except (Crash, ProcessDied):
                self.die()
                continue
            except OceanidError as problem:
                self.problems.append(problem)
                driver.failures += 1
                self.loop.run_until_complete(driver.tell(problem))
                continue
            except ClusterGone:
                return
            calm = 0 if busy else calm + 1
            if calm == 2:
                return
        raise AssertionError(f"It never settles\n{self.told()}")

    def pass_time(self, **by: float) -> None:
        """The clock goes on."""
        self.now += timedelta(**by)

    # What there is

    @property
    def row(self) -> Cluster:
        """The cluster's row."""
        return Cluster.objects.get(pk=self.cluster.pk)

    @property
    def state(self) -> State:
        """The paper."""
        return self.world.read()

    def machines(self, role: Role = Role.WORKER) -> list[PaperMachine]:
        """Those that work or are about to."""
        return [each for each in self.state.machines if each.role == role and each.is_alive]

    def nodes(self, role: Role = Role.WORKER) -> list[ClusterNode]:
        """Rows of those that the database says to be alive."""
        rows = ClusterNode.objects.filter(cluster=self.cluster, gone_at=None, role=role.value)
        return [each for each in rows if MachineState(each.state).is_alive]

    def submit(self, count: int, *, looks: int = -1) -> None:
        """Put jobs into the queue of the master."""
        with self.world.open() as state:
            (master,) = [each for each in state.machines if each.role == Role.MASTER]
            begun = len(state.jobs)
            state.jobs += [
                PaperJob(number, master.id, looks) for number in range(begun, begun + count)
            ]

    def finish(self) -> None:
        """All jobs end."""
        with self.world.open() as state:
            for job in state.jobs:
                job.machine, job.done = "", True

    def told(self) -> str:
        """All that is known, for a failing test to show."""
        row = Cluster.objects.filter(pk=self.cluster.pk).first()
        if row is None:
            return f"gone; the paper: {self.state}"
        lines = [
            f"{row.name} wanted {row.wanted} state {row.state} size {row.size} target {row.target} "
            f"force {row.force} failures {row.failures}: {row.message} {row.hint}",
            *(f"  {each.at:%X} {each}" for each in row.events.order_by("id")),
            *(
                f"  node {each.cloud_id} {each.role} {each.state} joined {each.joined_at} "
                f"leaving {each.leaving_at} ended {each.ended_at} gone {each.gone_at}"
                for each in row.nodes.order_by("id")
            ),
            *(f"  order {each} over {each.is_over} got {each.got}" for each in row.launches.all()),
            *(f"  paper {each}" for each in self.state.machines),
            f"  jobs {self.state.jobs} killed {self.state.killed}",
            f"  problems {self.problems[-5:]}",
            f"  facts {cluster_state.read(row.pk).waiting}",
        ]
        return "\n".join(lines)

    def close(self) -> None:
        """The end of the test."""
        self.loop.close()
