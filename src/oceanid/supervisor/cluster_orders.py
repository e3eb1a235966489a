"""Gives orders of machines: the same one until it is answered, others where room is short."""

from __future__ import annotations

from datetime import timedelta

from oceanid.clouds.userdata.plans import MasterPlan, WorkerPlan
from oceanid.errors import CapacityShort, QuotaExceeded
from oceanid.models import ClusterLaunch
from oceanid.services import launches
from oceanid.states import Role
from oceanid.supervisor.cluster_desk import Desk, Trouble
from oceanid.supervisor.cluster_sizing import Offer, offers


class Orders:
    """The orders of one cluster."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def open(self, role: Role) -> list[ClusterLaunch]:
        """Those that are not over."""
        return [each for each in self.desk.facts.orders if each.role == role]

    def coming(self, role: Role) -> int:
        """How many machines are ordered and have not been seen yet."""
        return sum(count for _, count in self.unseen(role))

    def unseen(self, role: Role) -> list[tuple[ClusterLaunch, int]]:
        """The orders of which machines have not been seen yet, and how many."""
        seen: dict[int | None, int] = {}
        for node in self.desk.facts.nodes:
            seen[node.launch_id] = seen.get(node.launch_id, 0) + 1
        found = []
        for order in self.open(role):
            promised = order.count if order.got is None else order.got
            found.append((order, max(0, promised - seen.get(order.pk, 0))))
        return found

    def why_not(self) -> Trouble | None:
        """Why no order is given now; None when one may be."""
        memory, row = self.desk.memory, self.desk.facts.row
        if row.failures >= self.desk.settings.most_failures:
            return Trouble(
                f"Machines failed {row.failures} times in a row; no more are made.",
                "Look at the console output of those that failed, then press Repair.",
                is_final=True,
            )
        if memory.not_before is not None and self.desk.now < memory.not_before:
            return Trouble(memory.short_because, memory.short_hint)
        return None

    async def give_up(self, role: Role, *, more_than: int) -> None:
        """Forget unanswered orders of more machines than are wanted, and old ones; should their
        machines come all the same, they are found by their tags."""
        for order in self.open(role):
            if order.answered_at is not None:
                continue
            is_old = order.ordered_at + launches.ASKED_WITHIN < self.desk.now
            if order.count > more_than or is_old:
                why = "is not wanted any more" if order.count > more_than else "was never answered"
                said = f"An order of {order.count} {why}; what may come of it is looked for."
                await self._over(order, said)

    async def again(self, role: Role) -> Trouble | None:
        """Give those orders again of which no answer was heard."""
        trouble = None
        for order in self.open(role):
            if order.answered_at is None:
                trouble = await self._give(order) or trouble
        return trouble

    async def new(self, role: Role, count: int, plan: MasterPlan | WorkerPlan) -> Trouble | None:
        """Order machines: all that are wanted, at once.

        Raises:
            CloudError: It is not known what came of it; the order stays open.
        """
        desk, offer = self.desk, self.offer(role)
        order = await desk.db(
            launches.write, desk.hold, desk.cluster_id, role=role, count=count,
            user_data=desk.cloud.user_data(plan), spot=offer.spot, zone=offer.zone, now=desk.now,
        )  # fmt: skip
        return await self._give(order)

    def offer(self, role: Role) -> Offer:
        """Where, and at what price, machines are asked for next."""
        blueprint = self.desk.facts.blueprint
        assert blueprint is not None
        spot = self.desk.facts.row.spot and role is Role.WORKER
        choices = offers(blueprint.zones, spot=spot)
        return choices[self.desk.memory.offer % len(choices)]

    async def _give(self, order: ClusterLaunch) -> Trouble | None:
        desk = self.desk
        try:
            came = await desk.step(desk.cloud.launch(desk.claim(), launches.spec_of(order)))
        except CapacityShort as short:
            await self._over(order, f"No room for machines: {short.message}")
            return self._next_offer(Trouble.of(short))
        except QuotaExceeded as refused:
            await self._over(order, f"The quota does not allow it: {refused.message}")
            return self._pause(Trouble.of(refused))
        if came.under_way:
            return None  # it stays unanswered, and is given again in the next round
        await desk.db(launches.answered, desk.hold, order, came, now=desk.now)
        if came.got < order.count:
            return self._next_offer(Trouble(f"Fewer machines came: {came.short_because}"))
        return None

    async def _over(self, order: ClusterLaunch, why: str) -> None:
        await self.desk.db(launches.over, self.desk.hold, order, why, now=self.desk.now)

    def _next_offer(self, short: Trouble) -> Trouble | None:
        """Another zone or price is tried at the next round; when all were, later."""
        memory, blueprint = self.desk.memory, self.desk.facts.blueprint
        assert blueprint is not None
        memory.offer += 1
        if memory.offer % len(offers(blueprint.zones, spot=self.desk.facts.row.spot)):
            return None
        return self._pause(short)

    def _pause(self, short: Trouble) -> Trouble:
        minutes = self.desk.settings.short_minutes
        memory = self.desk.memory
        memory.not_before = self.desk.now + timedelta(minutes=minutes)
        memory.short_because = short.message
        memory.short_hint = short.hint or (
            f"It is tried again every {minutes:g} minutes. Another zone, type or region may do."
        )
        return Trouble(memory.short_because, memory.short_hint)
