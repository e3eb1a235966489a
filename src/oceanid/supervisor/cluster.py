"""Drives one cluster while it holds its lease: round after round, soon while much is under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from oceanid import conf
from oceanid.clouds.registry import cloud_class
from oceanid.clouds.specs import AccountSpec
from oceanid.errors import LeaseLost, OceanidError
from oceanid.services import cluster_state, leases
from oceanid.services.cluster_state import ClusterGone
from oceanid.services.leases import Hold
from oceanid.services.wake import CLOUD
from oceanid.states import ClusterState, ClusterWanted
from oceanid.supervisor.cluster_desk import Desk
from oceanid.supervisor.cluster_pool import PoolDoor
from oceanid.supervisor.cluster_round import Round
from oceanid.supervisor.cluster_steps import stuck
from oceanid.supervisor.steps import back_off
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

SEEN_EVERY = timedelta(minutes=1)
TOLD_AFTER = 2
"""A cloud that is away for one call is not worth a word."""


class ClusterDriver:
    """One cluster, from the taking of its lease until it is lost, or the cluster is gone.

    Args:
        cluster_id: Which.
        hold: Its lease.
        around: The supervisor's.
        clock: Tells the time.
    """

    def __init__(
        self,
        cluster_id: int,
        hold: Hold,
        around: Surroundings,
        *,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.cluster_id, self.hold, self.around = cluster_id, hold, around
        self.db = around.db
        self.settings = conf.current().clusters
        self.desk = Desk(
            cluster_id, hold, around.db, self.settings,
            step_s=around.settings.step_timeout_s, clock=clock,
        )  # fmt: skip
        self.door = PoolDoor(self.desk)
        self.failures = 0
        self._account: tuple[str, AccountSpec] | None = None

    async def run(self) -> None:
        """Drive until cancelled, or nothing is left of the cluster.

        Raises:
            LeaseLost: Another supervisor drives it now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew())
                await self._rounds()
                renewing.cancel()
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Give back what is open."""
        await self.door.close()
        await self._forget_cloud()

    async def once(self) -> bool:
        """Go one round; whether something is under way.

        Raises:
            ClusterGone: Nothing is left of the cluster.
            OceanidError: What went wrong.
        """
        facts = await self.desk.read()
        if self._account != (facts.cloud, facts.account):
            # Other credentials: what the former ones could not do is tried at once.
            await self._forget_cloud()
            self.desk.cloud = cloud_class(facts.cloud)(facts.account)
            self._account = (facts.cloud, facts.account)
            self.desk.memory.is_owner = False
        is_busy = await Round(self.desk, self.door).go()
        await self._looked()
        return is_busy

    async def _looked(self) -> None:
        """Write down now and then that it was looked at, also when nothing was found."""
        before, now = self.desk.facts.row.looked_at, self.desk.now
        if before is None or now - before >= SEEN_EVERY:
            await self.desk.say(looked_at=now)

    async def _rounds(self) -> None:
        pause_s = self.settings.busy_look_s
        async with self.around.waker.listening(CLOUD) as woken:
            while True:
                woken.clear()
                wishes = await self.db(cluster_state.wishes, self.cluster_id)
                try:
                    is_busy = await self.once()
                    self.failures = 0
                    longest = self.settings.look_s
                    pause_s = self.settings.busy_look_s if is_busy else min(2 * pause_s, longest)
                except ClusterGone as gone:
                    log.info(
                        "Cluster %s: %s", self.cluster_id, gone,
                        extra={"action": "cluster.gone", "cluster": self.cluster_id},
                    )  # fmt: skip
                    return
                except LeaseLost:
                    raise
                except OceanidError as problem:
                    self.failures += 1
                    await self.tell(problem)
                    pause_s = max(self.settings.busy_look_s, back_off(self.failures))
                await self._sleep(woken, pause_s, wishes)

    async def _sleep(self, woken: asyncio.Event, pause_s: float, wishes: object) -> None:
        """Until it is time, or other things are wanted, or a job waits that did not before."""
        until = monotonic() + pause_s
        waiting = await self._waiting()
        while (left_s := until - monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, self.settings.queue_s)):
                    await woken.wait()
            woken.clear()
            if await self.db(cluster_state.wishes, self.cluster_id) != wishes:
                return
            if await self._waiting() > waiting:
                return

    async def _waiting(self) -> int:
        row = self.desk.facts.row if self._account is not None else None
        if row is None or (row.max_size is None and row.idle_minutes is None):
            return 0
        return await self.db(cluster_state.waiting_for, row.scheduler_id)

    async def tell(self, problem: OceanidError) -> None:
        """Write down what went wrong; nothing is forgotten, and nothing undone by it."""
        log.warning(
            "Cluster %s: %s: %s", self.cluster_id, type(problem).__name__, problem,
            exc_info=problem.__cause__ if problem.slug == "cloud-fault" else None,
            extra={"action": "cluster.failed", "cluster": self.cluster_id},
        )  # fmt: skip
        if problem.transient and self.failures < TOLD_AFTER:
            return
        try:
            facts = await self.desk.read()
            values: dict[str, Any] = {"message": problem.message, "hint": problem.hint}
            values["looked_at"] = self.desk.now
            values["steps"] = stuck(facts.row.steps, problem.message, problem.hint)
            if not problem.transient and facts.wanted is ClusterWanted.RUN:
                was_up = facts.row.scheduler_id is not None
                values["state"] = ClusterState.DEGRADED if was_up else ClusterState.FAILED
            await self.desk.say(**values)
        except (ClusterGone, DatabaseError):
            return
        except LeaseLost:
            raise
        except OceanidError as unreadable:
            await self.db(
                cluster_state.write, self.hold, self.cluster_id,
                {"message": unreadable.message, "hint": unreadable.hint}, now=self.desk.now,
            )  # fmt: skip

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost(
                    "Cluster {cluster_id} went to another supervisor.", cluster_id=self.cluster_id
                )

    async def _forget_cloud(self) -> None:
        if self._account is None:
            return
        self._account = None
        with suppress(OceanidError, OSError, TimeoutError):
            async with asyncio.timeout(self.around.settings.stop_grace_s):
                await self.desk.cloud.close()
