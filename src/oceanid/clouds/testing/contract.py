"""The rules of the contract, each a test."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from oceanid.clouds.specs import Claim
from oceanid.clouds.testing.stage import Actor, Stage
from oceanid.errors import CapacityShort, CloudDenied, CloudError, CloudUnavailable, NameTaken
from oceanid.states import MachineState, Role

Scenario = Callable[[Stage], Awaitable[None]]


class CloudContract:
    """Subclass it as ``TestMyCloud``, give :meth:`make_stage`, and let pytest collect it.

    A test gets the fixture ``tmp_path``; nothing else of pytest is needed.
    """

    many: ClassVar[int] = 30
    """How many machines are many."""

    timeout_s: ClassVar[float] = 120.0
    """The most that one test takes, seconds."""

    def make_stage(self, tmp_path: Path) -> Stage:
        """An empty account."""
        raise NotImplementedError

    def run(self, tmp_path: Path, scenario: Scenario) -> None:
        stage = self.make_stage(tmp_path)

        async def whole() -> None:
            async with asyncio.timeout(self.timeout_s):
                await scenario(stage)

        try:
            asyncio.run(whole())
        finally:
            stage.close()

    def test_what_was_left_open_is_found_out_and_concrete(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            cloud = stage.make_cloud()
            assert await cloud.identity() == await stage.make_cloud().identity()
            found = await cloud.resolve(stage.spec("alps"))
            assert found.region and found.master_image and found.node_image
            assert found.master_type and found.node_type
            assert found.node_shape.cpus >= 1 and found.node_shape.memory_mib >= 256
            assert stage.remains() == [], "resolve() makes nothing"

        self.run(tmp_path, scenario)

    def test_what_costs_beside_machines_is_told_as_it_will_be(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            config = actor.cloud.account.config
            blueprint = (await actor.claimed()).blueprint
            asked = stage.calls()
            told = actor.cloud.beside(blueprint, config)
            likely = actor.cloud.beside(replace(blueprint, more={}), config)
            assert stage.calls() == asked, "beside() asks nothing"
            for each in (told, likely):
                assert each.gateways >= 0 and each.addresses >= 0
                assert each.disk_gib is None or each.disk_gib >= blueprint.disk_gib
            assert likely == told, "a plan tells it before the cloud was asked"
            for machine in await actor.running(1):
                assert bool(machine.public_address) == told.has_address(machine.role), machine

        self.run(tmp_path, scenario)

    def test_a_look_before_the_start_finds_no_fault_and_makes_nothing(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            steps = await actor.cloud.preflight(await actor.claimed(), size=3)
            assert steps and all(step.ok for step in steps), steps
            assert stage.remains() == [], "preflight() makes nothing"

        self.run(tmp_path, scenario)

    def test_a_look_before_the_start_finds_what_will_fail(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            await Actor(stage).prepared()
            twin = Actor(stage)
            steps = await twin.cloud.preflight(await twin.claimed(), size=1)
            bad = [step for step in steps if not step.ok]
            assert bad, "the name is taken"
            assert all(step.found and step.hint for step in bad), "each says its cure"

        self.run(tmp_path, scenario)

    def test_what_stands_is_prepared_again_without_a_trace(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            await actor.prepared()
            before = sorted(stage.remains())
            actor.begins_anew()
            await actor.prepared()
            assert sorted(stage.remains()) == before

        self.run(tmp_path, scenario)

    def test_a_name_belongs_to_one_cluster_of_the_account(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            await Actor(stage).prepared()
            for portal in (None, uuid.UUID(int=8)):
                twin = Actor(stage, portal=portal)
                try:
                    await twin.prepared()
                except NameTaken as refused:
                    assert refused.hint
                else:
                    raise AssertionError("Two clusters have one name.")
            await Actor(stage, "fens").prepared()

        self.run(tmp_path, scenario)

    def test_machines_come_as_ordered_and_are_found_by_their_tags(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor, other = Actor(stage), Actor(stage, "fens")
            claim = await actor.prepared()
            await other.prepared()
            master, workers = actor.order(1, Role.MASTER), actor.order(2)
            assert (await actor.cloud.launch(claim, master)).got == 1
            assert (await actor.cloud.launch(claim, workers)).got == 2
            found = await actor.settled(3, MachineState.RUNNING)
            assert sorted((each.role, each.launch) for each in found) == sorted(
                [(Role.MASTER, master.token), *[(Role.WORKER, workers.token)] * 2]
            )
            for each in found:
                assert each.private_address and each.machine_type
                assert each.public_address or each.role is not Role.MASTER
            assert len({each.private_address for each in found}) == 3
            assert await other.machines() == ()

        self.run(tmp_path, scenario)

    def test_an_order_given_again_makes_nothing_twice(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.prepared()
            for order in (actor.order(1, Role.MASTER), actor.order(3)):
                stage.cut(0, done=True)
                with _lost():
                    await actor.cloud.launch(claim, order)
                stage.disarm()
                for _ in range(2):
                    actor.begins_anew()
                    assert (await actor.cloud.launch(claim, order)).got == order.count
            assert len(await actor.settled(4, MachineState.RUNNING)) == 4

        self.run(tmp_path, scenario)

    def test_another_order_makes_others(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.prepared()
            for _ in range(2):
                await actor.cloud.launch(claim, actor.order(2))
            assert len(await actor.settled(4, MachineState.RUNNING)) == 4

        self.run(tmp_path, scenario)

    def test_with_little_room_fewer_machines_come_and_it_is_said(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.prepared()
            stage.give_room(2)
            told = await actor.cloud.launch(claim, actor.order(5))
            assert told.got == 2 and told.short_because
            await actor.settled(2, MachineState.RUNNING)
            try:
                await actor.cloud.launch(claim, actor.order(1))
            except CapacityShort:
                pass
            else:
                raise AssertionError("There was no room at all.")
            await actor.settled(2, MachineState.RUNNING)
            stage.give_room(10)
            assert (await actor.cloud.launch(claim, actor.order(1))).got == 1

        self.run(tmp_path, scenario)

    def test_only_those_that_are_named_end(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            found = await actor.running(3)
            workers = [each.id for each in found if each.role is Role.WORKER]
            claim = await actor.claimed()
            for _ in range(2):
                await actor.cloud.terminate(claim, (workers[1],))
                left = await actor.settled(3, MachineState.RUNNING)
                assert workers[1] not in {each.id for each in left}
            await actor.cloud.terminate(claim, tuple(workers))  # one of them is long gone
            (master,) = await actor.settled(1, MachineState.RUNNING)
            assert master.role is Role.MASTER

        self.run(tmp_path, scenario)

    def test_a_master_that_stopped_starts_again_at_its_address(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            (master,) = await actor.running(0)
            claim = await actor.claimed()
            for _ in range(2):
                await actor.cloud.stop(claim, (master.id,))
                (stopped,) = await actor.settled(1, MachineState.STOPPED)
                assert stopped.id == master.id
            for _ in range(2):
                await actor.cloud.start(claim, (master.id,))
                (again,) = await actor.settled(1, MachineState.RUNNING)
                assert again.private_address == master.private_address
                assert again.public_address

        self.run(tmp_path, scenario)

    def test_nothing_is_left_of_a_dismantled_cluster(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            other = Actor(stage, "fens")
            await other.running(1)
            theirs = sorted(stage.remains())
            actor = Actor(stage)
            await actor.running(2)
            await actor.dismantled()
            assert sorted(stage.remains()) == theirs
            await actor.dismantled()
            assert await actor.machines() == ()
            await other.settled(2, MachineState.RUNNING)

        self.run(tmp_path, scenario)

    def test_one_that_never_was_is_dismantled_at_once(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            assert await actor.machines() == ()
            await actor.dismantled()
            assert stage.remains() == []

        self.run(tmp_path, scenario)

    def test_making_goes_on_after_any_call_that_broke(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.claimed()
            began = stage.calls()
            await actor.prepared()
            count, whole = stage.calls() - began, _kinds(stage)
            await actor.dismantled()
            for done in (False, True):
                for call in range(count):
                    actor = Actor(stage)
                    claim = await actor.claimed()
                    stage.cut(call, done=done)
                    with _lost():
                        await actor.cloud.prepare(claim, actor.ground)
                    stage.disarm()
                    actor.begins_anew()
                    await actor.prepared()
                    assert _kinds(stage) == whole, f"cut at call {call}"
                    await actor.dismantled()
                    assert stage.remains() == [], f"cut at call {call}"

        self.run(tmp_path, scenario)

    def test_dismantling_goes_on_after_any_call_that_broke(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            call, broke = 0, True
            while broke:
                for done in (False, True):
                    actor = Actor(stage)
                    await actor.running(1)
                    stage.cut(call, done=done)
                    broke = not await _dismantles(actor)
                    stage.disarm()
                    actor.begins_anew()
                    await actor.dismantled()
                    assert stage.remains() == [], f"cut at call {call}"
                call += 1

        self.run(tmp_path, scenario)

    def test_one_that_is_half_made_is_dismantled_whole(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.claimed()
            began = stage.calls()
            await actor.prepared()
            count = stage.calls() - began
            await actor.dismantled()
            for call in range(count):
                stage.cut(call, done=True)
                with _lost():
                    await actor.cloud.prepare(claim, actor.ground)
                stage.disarm()
                actor.begins_anew()
                await actor.dismantled()
                assert stage.remains() == [], f"cut at call {call}"

        self.run(tmp_path, scenario)

    def test_the_number_of_calls_does_not_grow_with_the_machines(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            counted = []
            for workers in (3, self.many):
                actor = Actor(stage, f"alps-{workers}")
                claim = await actor.prepared()
                began = stage.calls()
                await actor.cloud.launch(claim, actor.order(workers))
                launched = stage.calls()
                found = await actor.settled(workers, MachineState.RUNNING)
                settled = stage.calls()
                await actor.cloud.look(claim)
                looked = stage.calls()
                await actor.cloud.terminate(claim, tuple(each.id for each in found))
                counted.append((launched - began, looked - settled, stage.calls() - looked))
                await actor.dismantled()
            assert counted[0] == counted[1]
            assert counted[0][1] == 1, "a look at what does not change is one call"

        self.run(tmp_path, scenario)

    def test_a_survey_finds_what_no_row_knows_of(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            assert await stage.make_cloud().survey() == ()
            lost, half = Actor(stage), Actor(stage, "fens", uuid.UUID(int=9))
            await lost.running(1)
            await half.prepared()
            found = {each.cluster: each for each in await stage.make_cloud().survey()}
            assert found.keys() == {lost.uuid, half.uuid}
            assert (found[lost.uuid].name, found[half.uuid].portal) == ("alps", uuid.UUID(int=9))
            assert found[lost.uuid].resources and found[half.uuid].resources
            for actor in (lost, half):
                known = found[actor.uuid]
                assert known.portal is not None
                finder = Actor(stage)
                finder.claim = Claim(
                    known.cluster, known.name, known.portal, known.blueprint, finder.notes
                )
                await finder.dismantled()
            assert stage.remains() == []
            assert await stage.make_cloud().survey() == ()

        self.run(tmp_path, scenario)

    def test_who_lost_the_rights_is_told_and_nothing_changes(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            (master,) = await actor.running(0)
            claim = await actor.claimed()
            there = sorted(stage.remains())
            stage.deny(True)
            for asked in (
                actor.cloud.look(claim),
                actor.cloud.launch(claim, actor.order(1)),
                actor.cloud.terminate(claim, (master.id,)),
            ):
                try:
                    await asked
                except CloudDenied as refused:
                    assert refused.hint, "it says which right is missing"
                else:
                    raise AssertionError("It was done without the right to.")
            stage.deny(False)
            assert sorted(stage.remains()) == there

        self.run(tmp_path, scenario)

    def test_what_breaks_is_told_as_the_clouds(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            claim = await actor.prepared()
            stage.cut(0, done=False)
            with _lost():
                await actor.cloud.look(claim)
            stage.disarm()
            assert await actor.machines() == ()

        self.run(tmp_path, scenario)

    def test_a_console_is_text(self, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            actor = Actor(stage)
            (master,) = await actor.running(0)
            assert isinstance(await actor.cloud.console(await actor.claimed(), master.id), str)

        self.run(tmp_path, scenario)


class _lost:  # noqa: N801 - reads as a statement
    """What may be raised when a connection breaks, or nothing when the SDK tried again."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, problem: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, CloudUnavailable)


async def _dismantles(actor: Actor) -> bool:
    """Whether a dismantling came to its end without an interruption."""
    try:
        await actor.dismantled()
    except CloudError as broke:
        assert isinstance(broke, CloudUnavailable), broke
        return False
    return True


def _kinds(stage: Stage) -> list[str]:
    return sorted(each.split()[0] for each in stage.remains())
