"""Brings a cluster's master up: ordered once, waited for, started again, replaced when it died."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from oceanid.clouds.specs import Machine
from oceanid.clouds.userdata.plans import MasterPlan
from oceanid.engines.pools import PoolLook
from oceanid.errors import CapacityShort
from oceanid.models import ClusterNode
from oceanid.services.cluster_state import Told
from oceanid.states import ClusterState, MachineState, Role
from oceanid.supervisor.cluster_desk import Desk, Trouble
from oceanid.supervisor.cluster_keys import Keys
from oceanid.supervisor.cluster_orders import Orders
from oceanid.supervisor.cluster_pool import PoolDoor
from oceanid.supervisor.cluster_sizing import RAISE
from oceanid.supervisor.cluster_workers import Workers

PATIENCE: Final = timedelta(minutes=1)
"""A master that does not answer for so long is told of; less is a hitch of the network."""
STARTS: Final = (ClusterState.STOPPED, ClusterState.STOPPING, ClusterState.STARTING)


@dataclass(frozen=True, slots=True)
class Mastery:
    """How the master is.

    Args:
        node: The master; None while there is none.
        look: At its pool; None unless it answered in this round.
        trouble: What is wrong with it.
        doing: What it is about, for the step that tells of it.
    """

    node: ClusterNode | None
    look: PoolLook | None = None
    trouble: Trouble | None = None
    doing: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.node is not None and self.look is not None


def own_master(machines: tuple[Machine, ...], tokens: frozenset[str], *, has_keys: bool) -> str:
    """The id of the machine that is the master; "" when none is.

    Of several it is the youngest whose order and whose keys are known.
    """
    if not has_keys:
        return ""
    found = [
        machine
        for machine in machines
        if machine.role is Role.MASTER
        and machine.launch in tokens
        and machine.state not in (MachineState.ENDING, MachineState.GONE)
    ]
    found.sort(key=lambda each: (each.launched_at is not None, each.launched_at, each.id))
    return found[-1].id if found else ""


class Master:
    """One round's work on the master, after the looks."""

    def __init__(self, desk: Desk, door: PoolDoor, keys: Keys, look: PoolLook | None) -> None:
        self.desk, self.door, self.keys, self.look = desk, door, keys, look
        self.orders = Orders(desk)

    async def bring_up(self, node: ClusterNode | None, *, works: bool, barred: str) -> Mastery:
        """One step toward a master that answers.

        Args:
            node: It, as it was just seen.
            works: Whether it takes jobs from the start.
            barred: Why it may not be made or started at all; "" when it may.
        """
        if node is None:
            return await self._make(works=works, barred=barred)
        state = MachineState(node.state)
        if state is MachineState.FAILED:
            await self._replace(node, f"The master failed: {node.problem or 'without a reason'}")
            return Mastery(None, doing="It failed and will be replaced.")
        if state is MachineState.STOPPED:
            return await self._start(node, barred=barred)
        if not state.is_alive:
            return Mastery(node, doing=f"It is {state.name.lower()}.")
        if self.look is not None:
            return Mastery(node, self.look)
        return await self._wait(node)

    async def _make(self, *, works: bool, barred: str) -> Mastery:
        if await self._orphans():
            return Mastery(None, doing="Workers without a master end first.")
        orders = self.orders
        await orders.give_up(Role.MASTER, more_than=1)
        if orders.open(Role.MASTER):
            trouble = await orders.again(Role.MASTER)
            return Mastery(None, trouble=trouble, doing="It is ordered.")
        trouble = orders.why_not()
        if trouble is None and barred:
            trouble = Trouble(barred, RAISE)
        if trouble is not None:
            return Mastery(None, trouble=trouble)
        plan = MasterPlan(
            cluster=self.desk.facts.row.name,
            public_key=self.keys.public_key,
            host_key=self.keys.host_key,
            host_public_key=self.keys.host_public_key,
            works=works,
        )
        trouble = await orders.new(Role.MASTER, 1, plan)
        return Mastery(None, trouble=trouble, doing="It is ordered.")

    async def _orphans(self) -> bool:
        """Workers of a master that is no more can't join another one's pool."""
        orphans = self.desk.alive(Role.WORKER)
        if orphans:
            await self.desk.end(orphans, f"{len(orphans)} workers end: their master is gone.")
        return bool(orphans)

    async def _start(self, node: ClusterNode, *, barred: str) -> Mastery:
        blocked = self.orders.why_not()
        if barred:
            blocked = Trouble(barred, RAISE)
        if blocked is not None and not blocked.is_final:
            return Mastery(node, trouble=blocked)
        try:
            await self.desk.step(self.desk.cloud.start(self.desk.claim(), (node.cloud_id,)))
        except CapacityShort as short:
            return Mastery(node, trouble=Trouble.of(short))
        await self.desk.say([Told("machine", "The master is being started.")])
        return Mastery(node, doing="It is being started.")

    async def _wait(self, node: ClusterNode) -> Mastery:
        since = node.state_since or node.launched_at or self.desk.now
        is_late = self.desk.now - since > self.desk.boot
        memory, minutes = self.desk.memory, self.desk.settings.boot_minutes
        if node.joined_at is None:
            if not is_late:
                return Mastery(node, doing="It boots.")
            why = f": {memory.away_because}" if memory.away_because else "."
            await Workers(self.desk, self.door, None).keep_console([node])
            told = f"The master did not answer within {minutes:g} minutes{why}"
            await self._replace(node, told)
            return Mastery(None, doing="It did not answer and will be replaced.")
        wants_repair = self.desk.facts.row.repair_wanted_at is not None
        if wants_repair and is_late and self.door.is_away_for(self.desk.boot):
            await self._replace(node, "The master stays away and is replaced, as was asked for.")
            await self.desk.fulfilled("repair_wanted_at")
            return Mastery(None, doing="It will be replaced.")
        is_starting = self.desk.facts.state in STARTS and not is_late
        if is_starting or node.state == MachineState.PENDING or not self.door.is_away_for(PATIENCE):
            return Mastery(node, doing="It is waited for.")
        return Mastery(
            node,
            trouble=Trouble(
                f"The master does not answer: {memory.away_because}",
                f"Jobs run on. Look at the network between; Repair replaces it once it has been "
                f"away for {minutes:g} minutes, and its queue is lost then.",
            ),
        )

    async def _replace(self, node: ClusterNode, told: str) -> None:
        await self.desk.end([node], told, problem=told)
        await self.desk.failed(told)
