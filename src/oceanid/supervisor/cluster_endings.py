"""Stops a cluster, or takes it down until nothing is left: jobs that run end first."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from oceanid.engines.pools import PoolLook
from oceanid.models import ClusterNode
from oceanid.services import cluster_scheduler, cluster_state, launches
from oceanid.services.cluster_state import ClusterGone
from oceanid.services.machines import cost_now, rate_of
from oceanid.states import ClusterState, ClusterWanted, MachineState, Role
from oceanid.supervisor.cluster_desk import Desk
from oceanid.supervisor.cluster_orders import Orders
from oceanid.supervisor.cluster_pool import PoolDoor
from oceanid.supervisor.cluster_steps import DONE, LATER, NOW, end_state, step
from oceanid.supervisor.cluster_workers import Workers

LATE_S: Final = 60.0
"""An order that was given so recently may still have machines made of it."""

EMPTY: Final = cluster_state.PREFIX + "empty"
"""The note that nothing runs on a cluster any more that shall be deleted."""


class Endings:
    """One round's work on a cluster that shall not run."""

    def __init__(self, desk: Desk, door: PoolDoor) -> None:
        self.desk, self.door = desk, door

    def goes_at_once(self) -> bool:
        """Whether nothing on it need be waited for: it is forced, or was found empty before."""
        return self.desk.facts.row.force or bool(self.desk.notes.get(EMPTY))

    async def delete(self) -> bool:
        """Take everything down, again and again until nothing is left."""
        desk = self.desk
        await desk.db(cluster_scheduler.close, desk.hold, desk.cluster_id)
        left = len(desk.facts.nodes)
        await self._tell(
            ClusterWanted.DELETE,
            [
                step("jobs", DONE),
                step("machines", NOW if left else DONE, of=left),
                step("rest", NOW),
            ],
        )
        await self.door.close()
        if not await desk.step(desk.cloud.dismantle(desk.claim())):
            return True
        recent = desk.now - timedelta(seconds=LATE_S)
        for order in desk.facts.orders:
            # Whoever gave it may have died before the cloud got it: it may come to something yet.
            if order.answered_at is None and order.ordered_at > recent:
                return True
        for order in desk.facts.orders:
            await desk.db(launches.over, desk.hold, order, "", now=desk.now)
        await desk.db(cluster_scheduler.remove, desk.hold, desk.cluster_id)
        await desk.db(cluster_state.is_finished, desk.hold, desk.cluster_id)
        raise ClusterGone("Nothing is left of it.")

    async def empty_then_delete(self, master: ClusterNode | None, look: PoolLook | None) -> bool:
        """Wait until no job runs on it, then take it down."""
        await self.desk.db(cluster_scheduler.close, self.desk.hold, self.desk.cluster_id)
        has_jobs = look is not None and bool(look.running_jobs or look.idle_jobs)
        if (not has_jobs and look is not None) or await self._emptied(master, look):
            await self.desk.notes.keep(EMPTY, "1")
            return await self.delete()
        running = look.running_jobs if look is not None else 0
        found = f"{running} jobs run" if running else ""
        await self._tell(
            ClusterWanted.DELETE,
            [step("jobs", NOW, found), step("machines", LATER), step("rest", LATER)],
        )
        return True

    async def stop(self, master: ClusterNode | None, look: PoolLook | None) -> bool:
        """End the workers, then stop the master."""
        desk = self.desk
        is_over = await self._emptied(master, look)
        if master is not None and master.state == MachineState.FAILED:
            await desk.end([master], f"The master failed: {master.problem}")
        elif is_over and master is not None and self._is_paid(master):
            await desk.step(desk.cloud.stop(desk.claim(), (master.cloud_id,)))
            await self.door.close()
        stopped = master is None or (
            master.state == MachineState.STOPPED and not self._is_paid(master)
        )
        is_over = is_over and stopped
        running = look.running_jobs if look is not None else 0
        workers = [node for node in desk.facts.nodes if node.role == Role.WORKER]
        found = f"{running} jobs run" if running else ""
        steps = [
            step("jobs", NOW if running else DONE, found),
            step("workers", NOW if workers else DONE, of=len(workers)),
            step("master", DONE if is_over else LATER if workers else NOW),
        ]
        await self._tell(ClusterWanted.STOP, steps, is_over=is_over)
        if is_over:
            await desk.no_force()
        return not is_over

    async def _emptied(self, master: ClusterNode | None, look: PoolLook | None) -> bool:
        """One step toward a cluster without workers and without running jobs; whether it is."""
        desk = self.desk
        orders = Orders(desk)
        await orders.give_up(Role.WORKER, more_than=0)
        await orders.give_up(Role.MASTER, more_than=0)
        alive = desk.alive(Role.WORKER)
        if self._nothing_can_run(master, look):
            if alive:
                how_many = "1 worker ends." if len(alive) == 1 else f"{len(alive)} workers end."
                await desk.end(alive, how_many)
        elif look is not None:
            workers = Workers(desk, self.door, look)
            await self.door.let_master_work(False)
            await workers.end_dead()
            await workers.end_silent()
            await workers.end_drained()
            await workers.drain_again()
            staying = [node for node in alive if node.leaving_at is None and not node.ended_at]
            if staying:
                await workers.shrink(staying, len(staying))
            if look.running_jobs:
                return False
        else:
            return False
        left = [node for node in desk.facts.nodes if node.role == Role.WORKER]
        return not left and not orders.coming(Role.WORKER) and not orders.coming(Role.MASTER)

    def _is_paid(self, master: ClusterNode) -> bool:
        """Whether it has to be stopped, also when it has shut itself down but costs on."""
        has_slept = master.cloud_id in self.desk.memory.still_paid
        return master.state == MachineState.RUNNING or has_slept

    def _spent(self) -> Decimal:
        facts = self.desk.facts
        return cost_now(facts.row, facts.nodes, self.desk.now)

    def _nothing_can_run(self, master: ClusterNode | None, look: PoolLook | None) -> bool:
        if self.desk.facts.row.force or master is None or master.joined_at is None:
            return True
        if look is not None:
            return not (look.running_jobs or look.idle_jobs)
        if not MachineState(master.state).is_alive:
            return True
        return self.door.is_away_for(self.desk.boot)

    async def _tell(
        self, wanted: ClusterWanted, steps: list[dict[str, Any]], *, is_over: bool = False
    ) -> None:
        state: ClusterState = end_state(wanted, is_over=is_over)
        row = self.desk.facts.row
        message = ""
        if is_over and row.wanted == ClusterWanted.RUN:
            minutes = cluster_state.minutes(row.idle_minutes)
            message = f"No job for {minutes}: it starts when one comes."
        elif is_over and row.budget is not None and self._spent() >= row.budget:
            message = f"Its budget of US$ {row.budget} is used up."
        hint = ""
        if message.startswith("Its budget"):
            left = rate_of(self.desk.facts.nodes, row.usd_beside)
            hint = "Raise the budget, then start it." + (
                f" What is left of it costs US$ {left:.3f} an hour until it is deleted."
                if left else ""
            )  # fmt: skip
        await self.desk.say(state=state, message=message, hint=hint, steps=steps)
