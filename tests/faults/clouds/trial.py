"""One trial: a real process drives a cluster, is killed at one call, and another one goes on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connections

from oceanid import conf
from oceanid.models import CloudAccount, Cluster, ClusterNode, Lease
from oceanid.services import accounts, clusters, leases
from oceanid.states import MachineState
from oceanid.supervisor.cluster import ClusterDriver
from oceanid.supervisor.database import Database
from oceanid.supervisor.surroundings import Surroundings
from oceanid.supervisor.waker import Waker
from tests.faults.clouds.ground import Ground, When

WITHIN_S: Final = 60.0
PAUSE_S: Final = 0.01
QUICK: Final = {
    "SUPERVISOR": {"LEASE_S": 30.0, "BEAT_S": 5.0, "POLL_S": 0.02, "STEP_TIMEOUT_S": 30.0},
    "CLUSTERS": {"BUSY_LOOK_S": 0.02, "LOOK_S": 0.1, "QUEUE_S": 1.0, "SSH_FROM": ["192.0.2.7/32"]},
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What a cluster comes to.

    Args:
        state: The state of its row; "" when there is none any more.
        machines: How many machines live.
    """

    state: str
    machines: int


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that is wanted of a cluster.

    Args:
        name: What people call it.
        before: What must be the case.
        do: Says that it is wanted.
        goal: What comes of it.
    """

    name: str
    before: tuple[str, ...]
    do: Callable[[Cluster, User], object]
    goal: Goal


SIZE: Final = 3
VERBS: Final = {
    each.name: each
    for each in (
        Verb("create", (), clusters.create, Goal("RUN", SIZE)),
        Verb("grow", ("create",), lambda row, by: clusters.resize(row, 5, by), Goal("RUN", 5)),
        Verb("shrink", ("create",), lambda row, by: clusters.resize(row, 1, by), Goal("RUN", 1)),
        Verb("stop", ("create",), clusters.stop, Goal("STO", 0)),
        Verb("start", ("create", "stop"), clusters.start, Goal("RUN", SIZE)),
        Verb("delete", ("create",), clusters.delete, Goal("", 0)),
    )
}


class Trial:
    """One cluster on a ground, and the process that drives it."""

    def __init__(self, ground: Ground, size: int = SIZE) -> None:
        self.ground = ground
        self.size = size
        self.boss = User.objects.filter(username="boss").first() or User.objects.create_superuser(
            "boss"
        )
        self.account = CloudAccount.objects.filter(name="ground").first() or accounts.save(
            CloudAccount(cloud=ground.cloud.name, name="ground", config=dict(ground.config)),
            None,
            given=ground.secrets,
        )
        self.row = Cluster(account=self.account, name="alps", size=size, **ground.fields)
        self.process: BaseProcess | None = None
        self.kills = 0

    def wish(self, name: str) -> None:
        """Say what is wanted."""
        row = self.row if self.row.pk is None else Cluster.objects.get(pk=self.row.pk)
        VERBS[name].do(row, self.boss)
        self.row = row

    def bring_to(self, goal: Goal) -> None:
        """Let processes drive it until a goal is reached; a killed one is followed by another.

        Raises:
            AssertionError: It is not reached; with all that is known.
        """
        until = time.monotonic() + WITHIN_S
        while not self._has_reached(goal):
            self._attend()
            if time.monotonic() > until:
                raise AssertionError(f"{goal} is not reached in {WITHIN_S} s.\n{self.told()}")
            time.sleep(PAUSE_S)

    def in_order(self, goal: Goal, whole: Counter[str]) -> None:
        """Nothing is there twice, and nothing is left over."""
        found = kinds(self.ground)
        assert found == whole, f"{found} instead of {whole}\n{self.told()}"
        alive = Counter(each.role for each in self.ground.members())
        wanted = {"MAS": 1, "WOR": goal.machines - 1} if goal.machines else {}
        assert alive == Counter(wanted), f"{alive}\n{self.told()}"

    def end(self) -> None:
        """No process drives it any more."""
        process, self.process = self.process, None
        if process is not None and process.is_alive():
            process.kill()
        if process is not None:
            process.join(10)

    def _attend(self) -> None:
        self.ground.tell_pool()
        process = self.process
        if process is None or not process.is_alive():
            if process is not None:
                self.kills += process.exitcode == -signal.SIGKILL
                process.join()
            self._begin()
        elif self.ground.is_to_be_killed():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join(10)
            self.ground.disarm()

    def _begin(self) -> None:
        # Its lease would expire by itself; nobody waits for that here.
        Lease.objects.filter(name=f"cluster:{self.row.pk}").update(holder=None)
        connections.close_all()
        context: Any = multiprocessing.get_context("fork")
        self.process = context.Process(target=_drive, args=(self.row.pk,), daemon=True)
        assert self.process is not None
        self.process.start()

    def _has_reached(self, goal: Goal) -> bool:
        row = Cluster.objects.filter(pk=self.row.pk).first()
        if row is None:
            return goal.state == ""
        if row.state != goal.state or any(step["state"] != "done" for step in row.steps):
            return False
        nodes = ClusterNode.objects.filter(cluster=row, gone_at=None).values_list(
            "state", flat=True
        )
        alive = [each for each in nodes if MachineState(each).is_alive]
        is_open = row.launches.filter(is_over=False).exists()
        members = len(self.ground.members())
        return len(alive) == goal.machines == members and not is_open

    def told(self) -> str:
        """All that is known."""
        row = Cluster.objects.filter(pk=self.row.pk).first()
        if row is None:
            return f"gone; left: {self.ground.remains()}"
        return "\n".join(
            [
                f"{row.name} wanted {row.wanted} state {row.state} {row.message} {row.hint}",
                *(f"  {event}" for event in row.events.order_by("id")),
                *(f"  {node} {node.role} {node.state} {node.gone_at}" for node in row.nodes.all()),
                *(f"  order {each} {each.got} over {each.is_over}" for each in row.launches.all()),
                f"  steps {row.steps}",
                *(f"  there: {each}" for each in self.ground.remains()),
            ]
        )


def kinds(ground: Ground) -> Counter[str]:
    """How many of each kind of thing there are."""
    return Counter(each.split()[0] for each in ground.remains())


def rehearse(ground: Ground, *names: str) -> tuple[int, Counter[str]]:
    """Do these one after the other without a fault: how many calls the last one takes, and what
    stands then. At the end nothing is left."""
    trial = Trial(ground)
    count, whole = 0, Counter[str]()
    try:
        for name in names:
            began = ground.calls()
            trial.wish(name)
            trial.bring_to(VERBS[name].goal)
            count, whole = ground.calls() - began, kinds(ground)
            trial.in_order(VERBS[name].goal, whole)
        if VERBS[names[-1]].goal.state:
            trial.wish("delete")
            trial.bring_to(VERBS["delete"].goal)
    finally:
        trial.end()
    assert ground.remains() == [], "a rehearsal leaves nothing"
    return count, whole


def survives(
    ground: Ground, name: str, call: int, when: When, whole: Counter[str], *, by: str
) -> bool:
    """Whether a verb was struck at a call; in any case it came to its goal, whole and once.

    Args:
        ground: Where.
        name: The verb.
        call: At which of its calls.
        when: Before or after it was done.
        whole: What of each kind stands at the end.
        by: ``kill`` or ``error``.
    """
    trial = Trial(ground)
    verb = VERBS[name]
    try:
        for earlier in verb.before:
            trial.wish(earlier)
            trial.bring_to(VERBS[earlier].goal)
        trial.end()
        began = ground.calls()
        (ground.kill_at if by == "kill" else ground.fail_at)(call, when)
        trial.wish(name)
        trial.bring_to(verb.goal)
        struck = ground.calls() - began > call
        ground.disarm()
        trial.in_order(verb.goal, whole)
        assert trial.kills <= struck, f"{trial.kills} kills\n{trial.told()}"
        if verb.goal.state:
            trial.wish("delete")
            trial.bring_to(VERBS["delete"].goal)
        assert ground.remains() == [], trial.told()
        return struck
    finally:
        trial.end()
        ground.disarm()


def _drive(cluster_id: int) -> None:
    """Drive one cluster, as a supervisor's process does, until it is killed or the cluster gone."""

    async def whole() -> None:
        settings = conf.current().supervisor
        db, waker = Database(), Waker()
        hold = await db(leases.acquire, f"cluster:{cluster_id}", uuid.uuid4(), ttl_s=60)
        assert hold is not None
        waking = asyncio.create_task(waker.run())
        await ClusterDriver(cluster_id, hold, Surroundings(db, waker, settings)).run()
        waking.cancel()

    try:
        asyncio.run(whole())
    finally:
        os._exit(0)
