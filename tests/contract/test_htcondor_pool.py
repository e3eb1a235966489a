"""What only a pool can show: shapes, factories, broken submissions, a log that is moved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oceanid.engines.htcondor import HTCondorEngine, watcher
from oceanid.engines.testing import Bench, shell
from oceanid.specs import Found, ObservationBatch, Transfer
from oceanid.states import TaskState
from tests.contract.condor import Gate, HereEngine, bring_log_back, hide_log, on_pool, there

pytestmark = pytest.mark.condor


def test_a_batch_of_several_shapes_is_one_batch(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        plain = [shell(f"exit {number}", folder) for number in range(4)]
        plain[1] = replace(plain[1], passthrough=(("My.Site", '"x"'),))
        plain[3] = replace(plain[3], passthrough=(("My.Site", '"y"'),))
        batch = bench.batch(*plain)
        handle = await bench.engine.submit(batch)
        assert len(handle.data["clusters"]) == 2
        seen = await bench.ends(batch)
        assert {proc: each.exit_code for proc, each in seen.items()} == {0: 0, 1: 1, 2: 2, 3: 3}
        told = (await bench.engine.reconcile([handle])).observations
        assert {each.proc: each.exit_code for each in told} == {0: 0, 1: 1, 2: 2, 3: 3}

    on_pool(folder, scenario)


def test_a_batch_of_which_one_shape_is_refused_is_refused_whole(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        good = shell(f"touch {folder}/ran", folder)
        bad = replace(good, passthrough=(("requirements", "((("),))
        batch = bench.batch(good, bad)
        with pytest.raises(Exception, match="refused"):
            await bench.engine.submit(batch)
        assert (await bench.engine.settle(batch)).found is Found.NEVER
        assert not (folder / "ran").exists()

    on_pool(folder, scenario)


def test_a_huge_array_is_materialised_little_by_little(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        late = (("max_idle", "5"),)
        specs = [
            shell(
                f"echo {number} > out.{number}; echo said {number}", folder, transfer_files=True,
                passthrough=late, stdout=f"{folder}/stdout.{number}",
            )
            for number in range(40)
        ]  # fmt: skip
        batch = bench.batch(*specs)
        handle = await bench.engine.submit(batch)
        assert (await bench.engine.settle(batch)).handle == handle
        seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        for number in range(40):
            assert (folder / f"out.{number}").read_text() == f"{number}\n"
            assert (folder / f"stdout.{number}").read_text() == f"said {number}\n"

    on_pool(folder, scenario)


def test_a_submission_whose_answer_was_lost_is_found_again(folder: Path) -> None:
    gate = Gate(folder)

    async def scenario(bench: Bench) -> None:
        batch = bench.batch(*[shell(gate.line, folder)] * 2)
        handle = await bench.engine.submit(batch)
        await there(bench.engine, f"rm b/{batch.batch}/answer")
        told = await bench.engine.settle(batch)
        assert told.found is Found.SUBMITTED
        assert told.handle is not None
        assert told.handle.data["clusters"] == handle.data["clusters"]
        await there(bench.engine, f"rm b/{batch.batch}/answer")
        await hide_log(bench.engine)
        told = await bench.engine.settle(batch)
        assert told.found is Found.SUBMITTED, "the queue has it, whatever became of the log"
        assert told.handle is not None
        assert told.handle.data["clusters"] == handle.data["clusters"]
        await bring_log_back(bench.engine)
        gate.open()
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}

    on_pool(folder, scenario)


def test_while_a_submission_holds_the_lock_its_fate_is_unknown(folder: Path) -> None:
    gate = Gate(folder)

    async def scenario(bench: Bench) -> None:
        batch = bench.batch(shell("true", folder))
        hold = f"exec 9>>lock/{batch.batch}; flock 9; touch held; {gate.line}"
        holding = asyncio.create_task(there(bench.engine, hold))
        while "held" not in await there(bench.engine, "ls"):
            await asyncio.sleep(0.1)
        assert (await bench.engine.settle(batch)).found is Found.UNKNOWN
        gate.open()
        await holding
        assert (await bench.engine.settle(batch)).found is Found.NEVER

    on_pool(folder, scenario)


def test_a_log_that_is_moved_and_cut_costs_no_end(folder: Path) -> None:
    moved, cut = Gate(folder, "moved"), Gate(folder, "cut")

    async def scenario(bench: Bench) -> None:
        first = bench.batch(*[shell(moved.line, folder)] * 3)
        handle = await bench.engine.submit(first)
        await bench.until(first, 2, TaskState.RUNNING)
        await there(bench.engine, 'cd log; for f in *; do mv "$f" "$f.old"; done')
        second = bench.batch(shell("true", folder))
        await bench.engine.submit(second)
        await bench.ends(second)
        moved.open()
        seen = await bench.ends(first)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}
        third = bench.batch(shell(cut.line, folder))
        await bench.engine.submit(third)
        await bench.until(third, 0, TaskState.RUNNING)
        await there(bench.engine, "for f in log/*; do : > $f; printf 'torn (00' >> $f; done")
        cut.open()
        assert (await bench.ends(third))[0].state is TaskState.COMPLETE
        told = (await bench.engine.reconcile([handle])).observations
        assert len(told) == 3

    on_pool(folder, scenario)


def test_the_same_input_travels_once_and_forgetting_leaves_nothing_of_a_batch(
    folder: Path,
) -> None:
    (folder / "in.txt").write_text("rain")

    async def scenario(bench: Bench) -> None:
        spec = shell(
            "cp in.txt out.$OCEANID_KEY", folder, transfer_files=True,
            inputs=(Transfer(f"{folder}/in.txt", "in.txt"),),
        )  # fmt: skip
        batch = bench.batch(*[spec] * 20)
        handle = await bench.engine.submit(batch)
        assert len((await there(bench.engine, "ls store")).split()) == 1
        await bench.ends(batch)
        assert len(list(folder.glob("out.*"))) == 20
        await bench.engine.forget([handle])
        left = await there(bench.engine, "find b lock tmp -mindepth 1")
        assert left == ""

    on_pool(folder, scenario)


def test_a_watcher_that_dies_while_outputs_come_leaves_them_to_the_next(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(
            *[shell("echo x > f$OCEANID_KEY", folder, transfer_files=True) for _ in range(5)]
        )
        await bench.engine.submit(batch)
        await bench.ends(batch)
        whole: list[ObservationBatch] = bench.batches
        for number, seen in enumerate(whole):
            rest = {
                (each.batch, each.proc)
                for later in whole[number + 1 :]
                for each in later.observations
                if each.state.is_final
            }
            if not rest:
                break
            again = HereEngine(replace(bench.engine.scheduler))
            async with Bench(again, timeout_s=60, cursor=seen.cursor) as later_bench:
                for proc in sorted(proc for _, proc in rest):
                    await later_bench.until(batch, proc, TaskState.COMPLETE)
            await again.close()

    on_pool(folder, scenario)


def test_forgetting_takes_no_input_away_that_was_only_just_brought(folder: Path) -> None:
    (folder / "in.txt").write_text("rain")

    async def scenario(bench: Bench) -> None:
        over = bench.batch(shell("true", folder))
        handle = await bench.engine.submit(over)
        await bench.ends(over)
        inputs = (Transfer(f"{folder}/in.txt", "in.txt"),)
        following = bench.batch(shell("cat in.txt", folder, transfer_files=True, inputs=inputs))
        assert isinstance(bench.engine, HTCondorEngine)
        await bench.engine._stager.stage(following, "unused")
        await bench.engine.forget([handle])
        assert len((await there(bench.engine, "ls store")).split()) == 1

    on_pool(folder, scenario)


def test_an_old_generation_of_the_log_goes_when_its_batches_are_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_TIDY_S", 0.5)
    old = "log/20200101.0"

    async def scenario(bench: Bench) -> None:
        async def is_there() -> bool:
            return old in await there(bench.engine, "ls log/*")

        first = bench.batch(shell("true", folder))
        handle = await bench.engine.submit(first)
        await bench.ends(first)
        await there(bench.engine, f"mv log/* {old}; echo {old} >b/{first.batch}/log")
        await there(bench.engine, f"touch -d '3 hours ago' {old}")
        second = bench.batch(shell("sleep 3", folder))
        await bench.engine.submit(second)
        await bench.ends(second)
        assert await is_there(), "its batch is not forgotten"
        await bench.engine.forget([handle])
        async with asyncio.timeout(60):
            while await is_there():
                await asyncio.sleep(0.2)
        third = bench.batch(shell("true", folder))
        await bench.engine.submit(third)
        assert (await bench.ends(third))[0].state is TaskState.COMPLETE
        assert len((await there(bench.engine, "ls log")).split()) == 1

    on_pool(folder, scenario)
