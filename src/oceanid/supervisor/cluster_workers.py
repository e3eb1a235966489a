"""Brings the workers of a cluster to the number that is wanted, and never kills a running job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from oceanid.clouds.specs import Blueprint
from oceanid.clouds.userdata.plans import WorkerPlan
from oceanid.engines.pools import PoolLook, PoolNode
from oceanid.errors import CloudError, EngineError
from oceanid.models import ClusterNode
from oceanid.services.costs import NOTHING
from oceanid.services.machines import MOST_CONSOLE, rate_of
from oceanid.states import MachineState, Role
from oceanid.supervisor.cluster_desk import Desk, Trouble
from oceanid.supervisor.cluster_orders import Orders
from oceanid.supervisor.cluster_pool import PoolDoor
from oceanid.supervisor.cluster_sizing import RAISE, affordable

MOST_CONSOLES = 3
"""Of how many machines that failed together the console is read: the calls must not grow."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the workers are.

    Args:
        settled: Whether all is as it is wanted.
        there: How many have joined and take jobs.
        trouble: What is wrong.
    """

    settled: bool
    there: int
    trouble: Trouble | None = None


class Workers:
    """One round's work on the workers, after the looks."""

    def __init__(self, desk: Desk, door: PoolDoor, look: PoolLook | None) -> None:
        self.desk, self.door, self.look = desk, door, look
        self.orders = Orders(desk)
        nodes = look.nodes if look is not None else ()
        self.inside = {node.address: node for node in nodes}

    async def bring_to(self, wanted: int, master: ClusterNode) -> Progress:
        """One step toward so many workers.

        Args:
            wanted: How many.
            master: The master, which answers.
        """
        await self.end_dead()
        await self.end_silent()
        await self.end_drained()
        alive = self.desk.alive(Role.WORKER)
        leaving = [node for node in alive if node.leaving_at is not None]
        staying = [node for node in alive if node.leaving_at is None]
        orders = self.orders
        await orders.give_up(Role.WORKER, more_than=max(0, wanted - len(staying)))
        unanswered = any(each.answered_at is None for each in orders.open(Role.WORKER))
        trouble = await orders.again(Role.WORKER)
        if unanswered:
            return Progress(False, self._there(staying), trouble)
        missing = wanted - len(staying) - orders.coming(Role.WORKER)
        if missing > 0 and leaving:
            back = leaving[:missing]
            if await self._undrain(back):
                missing -= len(back)
        if missing > 0:
            trouble = orders.why_not() or await self._order(missing, master)
        elif missing < 0:
            await self.shrink(staying, -missing)
        under_way = leaving or orders.coming(Role.WORKER) or self._ending()
        settled = missing == 0 and not under_way and all(node.joined_at for node in staying)
        return Progress(settled, self._there(staying), trouble)

    async def end_dead(self) -> None:
        """What the cloud says to have failed or stopped does not come back."""
        dead = [
            node
            for node in self.desk.facts.nodes
            if node.role == Role.WORKER
            and node.ended_at is None
            and MachineState(node.state) in (MachineState.FAILED, MachineState.STOPPED)
        ]
        if dead:
            await self.keep_console(dead)
            await self.desk.end(dead, f"{_count(dead)} failed or stopped and will be replaced.")
            if any(node.state == MachineState.FAILED for node in dead):
                await self.desk.failed(f"{_count(dead)} failed: {dead[0].problem or dead[0].state}")

    async def end_silent(self) -> None:
        """Give up what has not joined in time, or was not heard of for so long."""
        if self.look is None:
            return
        now, boot = self.desk.now, self.desk.boot
        late, lost = [], []
        for node in self.desk.alive(Role.WORKER):
            since = node.state_since or node.launched_at or now
            if node.joined_at is None and now - since > boot:
                late.append(node)
            elif node.joined_at and node.heard_at is not None and now - node.heard_at > boot:
                lost.append(node)
        minutes = f"{self.desk.settings.boot_minutes:g} minutes"
        for nodes, what in (
            (late, f"did not join the pool within {minutes}"),
            (lost, f"was not heard of in the pool for {minutes}"),
        ):
            if nodes:
                await self.keep_console(nodes)
                told = f"{_count(nodes)} {what} and will be replaced."
                await self.desk.end(nodes, told, problem=f"It {what}.")
                await self.desk.failed(told)

    async def end_drained(self) -> None:
        """End those that were drained and run nothing any more, or all of them by force."""
        force = self.desk.facts.row.force
        done = []
        for node in self.desk.alive(Role.WORKER):
            if node.leaving_at is None:
                continue
            inside = self.inside.get(node.private_address)
            is_idle = inside is not None and inside.is_leaving and not inside.jobs_running
            if is_idle or force:
                done.append(node)
        if done:
            await self.desk.end(done, f"{_count(done)} will end: not needed any more.")

    async def shrink(self, staying: Sequence[ClusterNode], surplus: int) -> None:
        """Let some go: first those that have not booted, then idle ones, then those with the
        fewest jobs. What may run a job is drained first, and ends in a later round."""
        force = self.desk.facts.row.force
        order = sorted(staying, key=lambda node: (self._rank(node), -node.pk))
        unborn = [node for node in order if node.state == MachineState.PENDING][:surplus]
        if unborn:
            await self.desk.end(unborn, f"{_count(unborn)} will end before having booted.")
            surplus -= len(unborn)
        others = [node for node in order if node.state != MachineState.PENDING]
        if force:
            chosen = others[:surplus]
            if chosen:
                await self.desk.end(chosen, f"{_count(chosen)} will end at once, by force.")
            return
        # One that runs and has not joined could get a job in this very moment: it is waited for.
        chosen = [node for node in others if node.joined_at is not None][:surplus]
        if chosen:
            await self.drain(chosen)

    async def drain(self, nodes: Sequence[ClusterNode]) -> None:
        """These take no new jobs; said again to those of which the pool says otherwise."""
        deaf = [node for node in nodes if not self._is_leaving(node)]
        fresh = [node for node in nodes if node.leaving_at is None]
        if fresh:
            busy = sum(node.jobs_running > 0 for node in fresh)
            told = f"{_count(fresh)} drained" + (f"; {busy} of them with jobs." if busy else ".")
            ids = [node.cloud_id for node in fresh]
            await self.desk.mark(ids, told, leaving_at=self.desk.now)
        if deaf:
            await self.door.drain([node.private_address for node in deaf])

    async def drain_again(self) -> None:
        """Tell those to drain that did not hear it: a crash may have come between."""
        leaving = [node for node in self.desk.alive(Role.WORKER) if node.leaving_at is not None]
        deaf = [
            node
            for node in leaving
            if node.private_address in self.inside and not self._is_leaving(node)
        ]
        if deaf:
            await self.door.drain([node.private_address for node in deaf])

    async def _undrain(self, nodes: Sequence[ClusterNode]) -> bool:
        if not await self.door.undrain([node.private_address for node in nodes]):
            return False
        ids = [node.cloud_id for node in nodes]
        await self.desk.mark(ids, f"{_count(nodes)} stay after all.", leaving_at=None)
        return True

    async def undrain_strays(self) -> None:
        """Those that the pool drains although they shall stay take jobs again."""
        strays = [
            node
            for node in self.desk.alive(Role.WORKER)
            if node.leaving_at is None and self._is_leaving(node)
        ]
        if strays:
            await self.door.undrain([node.private_address for node in strays])

    async def _order(self, count: int, master: ClusterNode) -> Trouble | None:
        desk = self.desk
        row, blueprint = desk.facts.row, desk.facts.blueprint
        offer = self.orders.offer(Role.WORKER)
        if row.hourly_limit is not None and blueprint is not None:
            # Some may be spot machines and others not, so what there is tells what is left.
            each = desk.facts.tariff(blueprint, spot=offer.spot).each
            count = affordable(row.hourly_limit, self._spent(blueprint), each, count)
            if not count:
                how = "More" if offer.spot or not row.spot else "On demand,"
                return Trouble(f"{how} workers would cost more than the hourly limit.", RAISE)
        try:
            token = await self.door.token(desk.settings.token_days)
        except EngineError as problem:
            return Trouble.of(problem)
        plan = WorkerPlan(desk.facts.row.name, master.private_address, token, offer.spot)
        return await self.orders.new(Role.WORKER, count, plan)

    def _spent(self, blueprint: Blueprint) -> Decimal:
        """What all costs by the hour that stays, and that is ordered and has not been seen."""
        facts = self.desk.facts
        stays = [node for node in facts.nodes if node.ended_at is None]
        spent = rate_of(stays, facts.row.usd_beside)
        for order, count in self.orders.unseen(Role.WORKER):
            each = facts.tariff(blueprint, spot=order.spot).each
            spent += count * (each or NOTHING)
        return spent

    async def keep_console(self, nodes: Sequence[ClusterNode]) -> None:
        """Keep the last of what some of these wrote to their consoles, before they end."""
        desk = self.desk
        for node in nodes[:MOST_CONSOLES]:
            if node.console:
                continue
            try:
                text = await desk.step(desk.cloud.console(desk.claim(), node.cloud_id))
            except CloudError as problem:
                text = f"It could not be read: {problem}"
            if text:
                await desk.mark([node.cloud_id], console=text[-MOST_CONSOLE:])

    def _ending(self) -> bool:
        return any(
            node.role == Role.WORKER and node.ended_at is not None for node in self.desk.facts.nodes
        )

    def _is_leaving(self, node: ClusterNode) -> bool:
        inside: PoolNode | None = self.inside.get(node.private_address)
        return inside is not None and inside.is_leaving

    def _rank(self, node: ClusterNode) -> tuple[int, int]:
        inside = self.inside.get(node.private_address)
        if inside is None:
            return (0, 0)
        return (1, inside.jobs_running)

    def _there(self, nodes: Sequence[ClusterNode]) -> int:
        return sum(node.joined_at is not None for node in nodes)


def _count(nodes: Sequence[ClusterNode]) -> str:
    return "1 worker" if len(nodes) == 1 else f"{len(nodes)} workers"
