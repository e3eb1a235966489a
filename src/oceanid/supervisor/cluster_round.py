"""One round of a cluster's reconciler: look, write down, take one step toward what is wanted."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint, Claim, Ground, Inventory
from oceanid.engines.pools import PoolLook
from oceanid.errors import OceanidError
from oceanid.models import ClusterNode
from oceanid.services import cluster_scheduler, cluster_state, machines
from oceanid.services.cluster_state import ClusterGone, Told
from oceanid.services.cluster_values import effective, reached_from, unreachable
from oceanid.services.outbox import ClusterNews
from oceanid.specs import Step
from oceanid.states import ClusterState, ClusterWanted, MachineState, Role
from oceanid.supervisor.cluster_desk import Desk, Trouble
from oceanid.supervisor.cluster_endings import Endings
from oceanid.supervisor.cluster_keys import Keys, keys_of
from oceanid.supervisor.cluster_master import Master, Mastery, own_master
from oceanid.supervisor.cluster_pool import PoolDoor, of_those_there
from oceanid.supervisor.cluster_sizing import RAISE, Size, capped, wanted_size
from oceanid.supervisor.cluster_steps import making, run_state
from oceanid.supervisor.cluster_workers import Workers

GROUND: Final = cluster_state.PREFIX + "ground"
PASSED: Final = cluster_state.PREFIX + "preflight"
QUIET: Final = cluster_state.PREFIX + "quiet"
"""How many processes were thought to be in the queue when it was last seen to be empty."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What this round's looks found.

    Args:
        master: The master's node; None without one.
        look: At the pool; None when it was not asked or did not answer.
        strangers: Masters that are not ours to use.
    """

    master: ClusterNode | None
    look: PoolLook | None
    strangers: tuple[ClusterNode, ...] = ()


class Round:
    """All that is done between two pauses.

    Args:
        desk: The cluster's desk, with its facts read.
        door: The way to its pool.
    """

    def __init__(self, desk: Desk, door: PoolDoor) -> None:
        self.desk, self.door = desk, door
        self.handed = desk.facts.handed

    async def go(self) -> bool:
        """Take a step; whether something is under way, so that the next one should come soon.

        Raises:
            ClusterGone: Nothing is left of it.
            OceanidError: What went wrong; nothing was lost by it.
        """
        desk = self.desk
        if desk.facts.row.preflight_wanted_at is not None:
            await self._preflight_wished()
        wanted = await self._wanted()
        if wanted is ClusterWanted.PREPARED:
            return False
        if desk.facts.blueprint is None:
            if wanted is ClusterWanted.DELETE:
                await desk.db(cluster_state.is_finished, desk.hold, desk.cluster_id)
                raise ClusterGone("Nothing was made of it.")
            if wanted is ClusterWanted.STOP:
                await desk.say(state=ClusterState.STOPPED, message="", hint="", steps=[])
                return False
            await self._resolve()
        await desk.must_own()
        if desk.facts.row.repair_wanted_at is not None:
            await self._begin_repair()
        keys = await keys_of(desk)
        endings = Endings(desk, self.door)
        if wanted is ClusterWanted.DELETE and endings.goes_at_once():
            return await endings.delete()
        sight = await self._look(keys)
        await self.desk.end_again()
        await self._end_strangers(sight)
        if wanted is ClusterWanted.STOP and await self._is_roused(sight):
            wanted = ClusterWanted.RUN
        if wanted is ClusterWanted.DELETE:
            return await endings.empty_then_delete(sight.master, sight.look)
        if wanted is ClusterWanted.STOP:
            return await endings.stop(sight.master, sight.look)
        return await self._run(sight, keys)

    # What is wanted of it

    async def _wanted(self) -> ClusterWanted:
        """What is wanted, by people, by the budget, and of one without jobs by the clock."""
        desk, row = self.desk, self.desk.facts.row
        wanted = desk.facts.wanted
        if wanted is not ClusterWanted.RUN:
            return wanted
        cost = machines.cost_now(row, desk.facts.nodes, desk.now)
        if row.budget is not None and cost >= row.budget:
            told = f"Its budget of US$ {row.budget} is used up: it is stopped."
            line = Told("cost", told, ClusterNews.BUDGET)
            await desk.db(cluster_state.stop_for, desk.hold, desk.cluster_id, line, now=desk.now)
            row.wanted = ClusterWanted.STOP.value
            return ClusterWanted.STOP
        if row.idle_minutes is None or row.idle_since is None:
            return wanted
        if desk.facts.waiting or desk.facts.handed > int(desk.notes.get(QUIET) or 0):
            await desk.say([Told("decision", "A job waits: it is started.")], idle_since=None)
            return wanted
        is_asleep = desk.now - row.idle_since >= timedelta(minutes=row.idle_minutes)
        return ClusterWanted.STOP if is_asleep else wanted

    async def _is_roused(self, sight: Sight) -> bool:
        """Whether jobs came into the queue of one that was to stop for want of them."""
        desk, look = self.desk, sight.look
        is_asleep = desk.facts.wanted is ClusterWanted.RUN
        if not is_asleep or look is None or not (look.running_jobs or look.idle_jobs):
            return False
        await desk.say([Told("decision", "A job has come: it stays.")], idle_since=None)
        return True

    async def _count_idle(self, look: PoolLook) -> None:
        row = self.desk.facts.row
        is_idle = not (look.running_jobs or look.idle_jobs or self.desk.facts.waiting)
        if row.idle_minutes is None or not is_idle:
            await self.desk.say(idle_since=None)
            return
        if row.idle_since is None:
            await self.desk.say(idle_since=self.desk.now)
        # What was handed over before the look, and is not in the queue, has ended or is lost.
        await self.desk.notes.keep(QUIET, str(self.handed))

    # Before anything is made

    async def _resolve(self) -> None:
        desk = self.desk
        # One that failed stays so until something has changed: it is tried again without a word.
        if desk.facts.state is not ClusterState.FAILED or desk.facts.row.repair_wanted_at:
            await desk.say(state=ClusterState.CREATING, steps=making("resolve"))
            await desk.fulfilled("repair_wanted_at")
        found = await desk.step(desk.cloud.resolve(await desk.db(effective, desk.facts.row)))
        told = Told("decision", f"Made of {found.node_type} in {found.region}.")
        await desk.say([told], blueprint=blueprints.written(found))

    async def _preflight_wished(self) -> None:
        desk = self.desk
        try:
            blueprint = desk.facts.blueprint
            if blueprint is None:
                spec = await desk.db(effective, desk.facts.row)
                blueprint = await desk.step(desk.cloud.resolve(spec))
            await self._preflight(desk.claim(blueprint))
        except OceanidError as problem:
            if problem.transient:
                raise
            bad = Step("resolve", False, problem.message, problem.hint)
            await desk.say(preflight=[asdict(bad)], preflighted_at=desk.now)
        await desk.fulfilled("preflight_wanted_at")

    async def _preflight(self, claim: Claim) -> Trouble | None:
        desk = self.desk
        steps = list(await desk.step(desk.cloud.preflight(claim, size=desk.facts.row.size)))
        if problem := await desk.db(unreachable, desk.facts.row):
            steps.append(Step("reached by SSH", False, problem.message, problem.hint))
        await desk.say(preflight=[asdict(each) for each in steps], preflighted_at=desk.now)
        for each in steps:
            if not each.ok:
                return Trouble(each.found, each.hint, is_final=True)
        return None

    async def _prepared(self, claim: Claim, keys: Keys) -> Trouble | bool | None:
        """True when all stands; False while it is under way; else what is wrong."""
        desk = self.desk
        if problem := await desk.db(unreachable, desk.facts.row):
            return Trouble(problem.message, problem.hint, is_final=True)
        ground = Ground(keys.public_key, await desk.db(reached_from, desk.facts.row))
        mark = hashlib.sha256(repr(ground).encode()).hexdigest()[:16]
        if desk.notes.get(GROUND) == mark:
            return True
        if not desk.notes.get(PASSED):
            await desk.say(steps=making("preflight"))
            if trouble := await self._preflight(claim):
                return trouble
            await desk.notes.keep(PASSED, "1")
        await desk.say(steps=making("prepare"))
        if not await desk.step(desk.cloud.prepare(claim, ground)):
            return False
        await desk.notes.keep(GROUND, mark)
        return True

    async def _begin_repair(self) -> None:
        """Everything that was given up is tried anew; what stands is looked at again."""
        memory = self.desk.memory
        memory.offer, memory.not_before = 0, None
        if memory.away_since is None:
            await self.desk.notes.keep(GROUND, "")
            await self.desk.fulfilled("repair_wanted_at")

    # Looks

    async def _look(self, keys: Keys) -> Sight:
        desk = self.desk
        blueprint = desk.facts.blueprint
        assert blueprint is not None
        found = await desk.step(desk.cloud.look(desk.claim()))
        desk.memory.still_paid = frozenset(each.id for each in found.machines if each.still_paid)
        own = own_master(found.machines, desk.facts.masters, has_keys=True)
        look = None
        master = next((each for each in found.machines if each.id == own), None)
        if master is not None and master.state is MachineState.RUNNING:
            node = ClusterNode(
                cloud_id=master.id,
                public_address=master.public_address,
                private_address=master.private_address,
            )
            look = await self.door.look(node, keys)
            look = of_those_there(look, found.machines) if look is not None else None
        elif master is None or not master.state.is_alive:
            await self.door.close()
            desk.memory.away_since = None
        seen = machines.Seen(
            found.machines, self._lost(found), look, look is not None,
            desk.facts.tariff(blueprint), self._stands(found), desk.facts.row.usd_beside,
        )  # fmt: skip
        joined = await desk.db(machines.observe, desk.hold, desk.cluster_id, seen, now=desk.now)
        await desk.read()
        if joined and desk.facts.row.failures:
            await desk.say(failures=0)
        nodes = {node.cloud_id: node for node in desk.facts.nodes}
        strangers = tuple(
            node
            for node in desk.facts.nodes
            if node.role == Role.MASTER and node.cloud_id != own
            and node.state not in (MachineState.ENDING, MachineState.GONE)
            and node.cloud_id in {each.id for each in found.machines}
        )  # fmt: skip
        return Sight(nodes.get(own), look, strangers)

    def _stands(self, found: Inventory) -> bool:
        """Whether there is anything of it: what it stands on costs from its first part on."""
        if found.is_standing is not None:
            return found.is_standing
        return bool(found.machines or self.desk.notes.get(PASSED) or self.desk.notes.get(GROUND))

    def _lost(self, found: Inventory) -> frozenset[str]:
        """Known machines that are gone: those that were to end at once, others at the second look
        that does not find them, because a cloud's lists lag behind."""
        there = {each.id for each in found.machines if each.state is not MachineState.GONE}
        told_gone = {each.id for each in found.machines if each.state is MachineState.GONE}
        missing, lost = self.desk.memory.missing, set()
        for node in self.desk.facts.nodes:
            if node.cloud_id in there:
                missing.pop(node.cloud_id, None)
                continue
            missing[node.cloud_id] = missing.get(node.cloud_id, 0) + 1
            was_ending = node.ended_at is not None or node.state == MachineState.ENDING
            if was_ending or node.cloud_id in told_gone or missing[node.cloud_id] > 1:
                lost.add(node.cloud_id)
                missing.pop(node.cloud_id, None)
                self.desk.memory.asked_to_end.pop(node.cloud_id, None)
        return frozenset(lost)

    async def _end_strangers(self, sight: Sight) -> None:
        if sight.strangers:
            told = f"Masters whose keys are not known end: {len(sight.strangers)}."
            await self.desk.end(sight.strangers, told)

    # Toward a cluster that runs

    async def _run(self, sight: Sight, keys: Keys) -> bool:
        desk, claim = self.desk, self.desk.claim()
        prepared = await self._prepared(claim, keys)
        if prepared is not True:
            trouble = prepared if isinstance(prepared, Trouble) else None
            at = "prepare" if desk.notes.get(PASSED) else "preflight"
            await self._tell(at, "", sight, trouble=trouble)
            return trouble is None
        if sight.master is None and self._is_only_missing():
            return True
        size = await self._size(sight)
        master = Master(desk, self.door, keys, sight.look)
        mastery = await master.bring_up(
            sight.master, works=size.total == 1, barred="" if size.may_run else size.capped_because
        )  # fmt: skip
        if not mastery.is_ready or mastery.node is None or mastery.look is None:
            await self._tell("master", mastery.doing, sight, trouble=mastery.trouble)
            return mastery.trouble is None or mastery.node is not None
        return await self._with_master(mastery, mastery.node, mastery.look, keys, size)

    async def _with_master(
        self, mastery: Mastery, node: ClusterNode, look: PoolLook, keys: Keys, size: Size
    ) -> bool:
        desk = self.desk
        await desk.fulfilled("repair_wanted_at")
        await desk.db(
            cluster_scheduler.ensure, desk.hold, desk.cluster_id, self.door.reached(node, keys),
            now=desk.now,
        )  # fmt: skip
        await self._count_idle(look)
        workers = Workers(desk, self.door, look)
        await workers.drain_again()
        await workers.undrain_strays()
        progress = await workers.bring_to(size.total - 1, node)
        has_helpers = progress.there > 0
        await self.door.let_master_work(
            size.total == 1 or (desk.memory.master_works is True and not has_helpers)
        )
        trouble = progress.trouble
        if trouble is None and self.door.problem is not None:
            trouble = Trouble.of(self.door.problem)
        if trouble is None and size.capped_because:
            trouble = Trouble(size.capped_because, RAISE)
        at = "" if progress.settled else "workers"
        sight = Sight(node, look)
        await self._tell(at, "", sight, trouble=trouble, done=progress.there, of=size.total - 1)
        if progress.settled:
            desk.memory.offer = 0
            await desk.no_force()
        return not progress.settled and not (trouble is not None and trouble.is_final)

    def _is_only_missing(self) -> bool:
        """Whether the master was there a moment ago and only this look did not find it."""
        return bool(self.desk.alive(Role.MASTER))

    async def _size(self, sight: Sight) -> Size:
        desk, row = self.desk, self.desk.facts.row
        blueprint: Blueprint | None = desk.facts.blueprint
        assert blueprint is not None
        workers = [node for node in desk.facts.nodes if node.role == Role.WORKER]
        wanted = wanted_size(
            row, sight.look, desk.memory.damping,
            waiting=desk.facts.waiting, cpus=blueprint.node_shape.cpus,
            workers=frozenset(node.private_address for node in workers),
            now=desk.now, for_s=desk.settings.damping_minutes * 60,
        )  # fmt: skip
        size = capped(row, wanted, desk.facts.tariff(blueprint, spot=row.spot))
        if row.max_size is not None and row.target != size.total:
            before = row.target or row.size
            how = "grows" if size.total > before else "shrinks"
            told = [Told("decision", f"By its queue it {how} from {before} to {size.total}.")]
            await desk.say(told if before != size.total else [], target=size.total)
        elif row.max_size is None and row.target is not None:
            await desk.say(target=None)
        return size

    async def _tell(
        self, at: str, found: str, sight: Sight, *, trouble: Trouble | None = None, done: int = 0,
        of: int = 0,
    ) -> None:  # fmt: skip
        desk = self.desk
        before = desk.facts.state
        state = run_state(
            before,
            was_up=desk.facts.row.scheduler_id is not None,
            is_ready=sight.look is not None,
            is_settled=at == "",
            trouble=trouble,
        )
        message = trouble.message if trouble else ""
        if state is ClusterState.DEGRADED and trouble is None:
            is_there = sight.master is not None and sight.master.state == MachineState.RUNNING
            if is_there and before in (ClusterState.RUNNING, ClusterState.RESIZING):
                state = before  # it did not answer one look: that is no reason to alarm anybody
            else:
                message = f"The master is not there. {found}"
        await desk.say(
            state=state,
            message=message,
            hint=trouble.hint if trouble else "",
            steps=making(at, found, trouble=trouble, done=done, of=of),
        )
