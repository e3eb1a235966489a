"""Orders at Azure: given once, under way, short, over; by slow operations and broken calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from oceanid.clouds.azure import operations, orders
from oceanid.clouds.specs import Launch
from oceanid.clouds.testing.stage import Actor
from oceanid.errors import (
    CapacityShort,
    CloudUnavailable,
    QuotaExceeded,
)
from oceanid.states import MachineState, Role
from tests.contract.clouds.azure_scenes import (
    hold,
    run,
    things,
)
from tests.contract.clouds.azure_stage import AzureStage


def test_what_is_under_way_is_begun_once_and_gone_on_with_after_a_crash(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.claimed()
        hold(stage, True)
        for _ in range(3):
            assert not await actor.cloud.prepare(claim, actor.ground)
            actor.begins_anew()
        puts = [line for line in stage.azure.lines if line.startswith("PUT")]
        assert len(puts) == len(set(puts)), "nothing is begun twice"
        hold(stage, False)
        await actor.prepared()
        hold(stage, True)
        order = actor.order(3)
        for _ in range(3):
            told = await actor.cloud.launch(claim, order)
            assert told.under_way and not told.got
            actor.begins_anew()
        assert {each.state for each in await actor.machines()} == {MachineState.PENDING}
        hold(stage, False)
        assert (await actor.cloud.launch(claim, order)).got == 3
        await actor.settled(3, MachineState.RUNNING)
        assert len([line for line in stage.azure.lines if "PUT" in line and "-w-" in line]) == 1
        hold(stage, True)
        for _ in range(3):
            assert not await actor.cloud.dismantle(claim)
            actor.begins_anew()
        assert {each.state for each in await actor.machines()} == {MachineState.RUNNING}
        hold(stage, False)
        await actor.dismantled()
        assert stage.remains() == []
        assert not any("op:" in note for note in actor.notes.kept)

    run(scenario())


def test_a_straggler_does_not_keep_the_others_waiting(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        order = actor.order(3)
        assert (await actor.cloud.launch(claim, order)).under_way
        monkeypatch.setattr(orders, "ANSWER_S", 0)
        assert (await actor.cloud.launch(claim, order)).got == 3

    run(scenario())


def test_capacity_that_is_short_late_is_told_by_what_failed(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)
    monkeypatch.setattr(orders, "ANSWER_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        stage.give_room(1)
        assert (await actor.cloud.launch(claim, actor.order(3))).got == 3, "not known yet"
        hold(stage, False)
        found = await actor.machines()
        failed = [each for each in found if each.state is MachineState.FAILED]
        assert len(failed) == 2 and "Allocation failed" in failed[0].reason
        await actor.cloud.terminate(claim, tuple(each.id for each in failed))
        await actor.settled(1, MachineState.RUNNING)

    run(scenario())


def test_an_order_of_which_nothing_came_is_shown_until_it_is_ended(
    stage: AzureStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PATIENCE_S", 0)
    monkeypatch.setattr(orders, "ANSWER_S", 0)

    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        hold(stage, True)
        stage.give_room(0)
        order = actor.order(2)
        await actor.cloud.launch(claim, order)
        for machine in things(stage, "virtualMachines"):
            stage.azure.world.drop(machine)
        hold(stage, False)
        for _ in range(2):
            (ghost,) = await actor.machines()
            assert ghost.state is MachineState.FAILED and ghost.launch == order.token
            assert "capacity" in ghost.reason
        await actor.cloud.terminate(claim, (ghost.id,))
        assert await actor.machines() == ()
        assert things(stage, "virtualMachineScaleSets") == []

    run(scenario())


def test_machines_are_made_moved_and_ended_once_whichever_call_breaks(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        (master,) = await actor.running(0)
        claim = await actor.claimed()

        async def broke(call: int, done: bool, ask: Callable[[], Awaitable[object]]) -> bool:
            """Ask with a break at a call; whether it came so far."""
            stage.cut(call, done=done)
            try:
                await ask()
            except CloudUnavailable:
                return True
            finally:
                stage.disarm()
                actor.begins_anew()
            return False

        async def of(order: Launch) -> tuple[str, ...]:
            return tuple(each.id for each in await actor.alive() if each.launch == order.token)

        async def one_round(call: int, done: bool) -> bool:
            struck = []
            for role, count in ((Role.WORKER, 2), (Role.MASTER, 1)):
                order = actor.order(count, role)
                struck.append(await broke(call, done, partial(actor.cloud.launch, claim, order)))
                assert (await actor.cloud.launch(claim, order)).got == count
                made = await of(order)
                assert len(made) == count
                struck.append(await broke(call, done, partial(actor.cloud.terminate, claim, made)))
                await actor.cloud.terminate(claim, made)
                assert await of(order) == ()
            struck.append(await broke(call, done, partial(actor.cloud.stop, claim, (master.id,))))
            await actor.cloud.stop(claim, (master.id,))
            await actor.settled(1, MachineState.STOPPED)
            struck.append(await broke(call, done, partial(actor.cloud.start, claim, (master.id,))))
            await actor.cloud.start(claim, (master.id,))
            await actor.settled(1, MachineState.RUNNING)
            return any(struck)

        call = 0
        while any([await one_round(call, done) for done in (False, True)]):
            call += 1
        assert call >= 3
        await actor.dismantled()
        assert stage.remains() == []

    run(scenario())


def test_an_order_that_came_to_nothing_is_over_however_often_it_is_given(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        before = sorted(stage.remains())
        for role in (Role.WORKER, Role.MASTER):
            stage.give_room(0)
            order = actor.order(1, role)
            for _ in range(3):
                with pytest.raises(CapacityShort):
                    await actor.cloud.launch(claim, order)
                actor.begins_anew()
                stage.give_room(9)
            assert sorted(stage.remains()) == before, "nothing stays of it"

    run(scenario())


def test_an_order_that_the_quota_forbids_is_over(stage: AzureStage) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        stage.azure.world.cores = 5
        with pytest.raises(QuotaExceeded) as refused:
            await actor.cloud.launch(claim, actor.order(3))
        assert "Quotas" in refused.value.hint
        assert (await actor.cloud.launch(claim, actor.order(2))).got == 2

    run(scenario())


def test_an_order_is_known_again_by_its_name_when_everything_else_is_forgotten(
    stage: AzureStage,
) -> None:
    async def scenario() -> None:
        actor = Actor(stage)
        claim = await actor.prepared()
        for order in (actor.order(1, Role.MASTER), actor.order(2)):
            await actor.cloud.launch(claim, order)
            actor.notes.kept.clear()
            actor.begins_anew()
            assert (await actor.cloud.launch(claim, order)).got == order.count
        await actor.settled(3, MachineState.RUNNING)

    run(scenario())
