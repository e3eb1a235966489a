"""Workflows on a real pool that are refused, lost, killed or large, seen through the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oceanid.engines.testing import Bench
from oceanid.specs import Command, Found, Verb
from oceanid.states import NodeState, TaskState
from tests.contract import dags
from tests.contract.condor import Gate, HereEngine, bring_log_back, hide_log, on_pool, there
from tests.contract.dags import Workflow

pytestmark = pytest.mark.condor
DONE, FAILED, READY = NodeState.DONE, NodeState.FAILED, NodeState.READY


def test_a_watcher_that_begins_anew_at_any_cursor_loses_nothing_and_tells_no_last_word_twice(
    folder: Path,
) -> None:
    flow = Workflow(folder)
    flow.add("A", *["echo $OCEANID_KEY > k.$OCEANID_KEY"] * 3, before="true")
    flow.add("B", f"echo x >> {folder}/tries; [ $(wc -l < {folder}/tries) -ge 2 ]",
             parents=("A",), retries=2)  # fmt: skip
    flow.add("C", "true", parents=("B",), after="true")

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        whole = list(bench.batches)

        async def from_there(number: int) -> None:
            rest = whole[number + 1 :]
            finals = {each.proc for later in rest for each in later.observations
                      if each.state.is_final}  # fmt: skip
            nodes = {each.node for later in rest for each in later.nodes if each.state is DONE}
            if not finals and not nodes:
                return
            again = HereEngine(bench.engine.scheduler)
            cursor = whole[number].cursor if number >= 0 else {}
            async with Bench(again, timeout_s=120, cursor=cursor) as later_bench:
                for proc in sorted(finals):
                    await later_bench.until(batch, proc, TaskState.COMPLETE)
                for node in nodes:
                    await dags.until(later_bench, batch, node, DONE)
            await again.close()

        at_once = 6
        for first in range(-1, len(whole), at_once):
            several = range(first, min(first + at_once, len(whole)))
            await asyncio.gather(*map(from_there, several))

    on_pool(folder, scenario)


def test_a_node_that_htcondor_refuses_fails_with_its_words(folder: Path) -> None:
    flow = Workflow(folder)
    flow.add("A", "true", tasks={"passthrough": (("requirements", "((("),)})
    flow.add("B", "true", parents=("A",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert seen[0].state is TaskState.ERROR
        assert "requirements" in dags.last(bench, batch)["A"].reason.lower(), seen[0]
        assert (await bench.engine.settle(batch)).found is Found.SUBMITTED

    on_pool(folder, scenario)


def test_a_workflow_that_was_given_up_is_never_submitted(folder: Path) -> None:
    flow = Workflow(folder)
    flow.add("A", f"touch {folder}/ran")

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        assert (await bench.engine.settle(batch)).found is Found.NEVER
        with pytest.raises(Exception, match="given up"):
            await bench.engine.submit(batch)
        assert await there(bench.engine, "ls b dag | grep -c . || :") != ""

    on_pool(folder, scenario)


def test_a_large_workflow_is_a_few_commands(folder: Path) -> None:
    flow = Workflow(folder)
    for number in range(240):
        parents = (f"n{number - 200}",) if number >= 200 else ()
        flow.add(f"n{number}", "true", parents=parents, tasks={"stdout": ""})

    async def scenario(bench: Bench) -> None:
        commands = []
        remote = bench.engine._remote  # type: ignore[attr-defined]
        whole = remote._whole

        async def counted(script: str, names: dict[str, str]) -> object:
            commands.append(script)
            return await whole(script, names)

        remote._whole = counted
        seen = await dags.run(bench, flow.batch())
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}
        assert len(commands) < len(flow.nodes) / 3, len(commands)

    on_pool(folder, scenario)


def test_a_submission_whose_answer_was_lost_is_found_again_and_a_killed_dagman_recovers(
    folder: Path,
) -> None:
    flow, gate = Workflow(folder), Gate(folder)
    flow.add("A", f"echo A >> {folder}/ran", before="true")
    flow.add("B", *[f"echo B >> {folder}/ran; {gate.line}"] * 2, parents=("A",))
    flow.add("C", f"echo C >> {folder}/ran", parents=("B",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 1, TaskState.RUNNING)
        await bench.until(batch, 2, TaskState.RUNNING)
        await there(bench.engine, f"rm b/{batch.batch}/answer")
        found = (await bench.engine.settle(batch)).handle
        assert found is not None and found.data["clusters"] == handle.data["clusters"]
        await hide_log(bench.engine)
        await there(
            bench.engine,
            f"rm b/{batch.batch}/answer; "
            f"for p in /proc/[0-9]*; do [ $(readlink $p/cwd) != $PWD/b/{batch.batch} ] || "
            "kill -9 ${p#/proc/}; done 2>/dev/null; :",
        )
        found = (await bench.engine.settle(batch)).handle
        assert found is not None and found.data["clusters"] == handle.data["clusters"]
        await bring_log_back(bench.engine)
        gate.open()
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        assert (folder / "ran").read_text().split() == ["A", "B", "B", "C"]
        for number in seen:
            finals = [each for each in bench.history(batch, number) if each.state.is_final]
            assert len(finals) == 1, finals

    on_pool(folder, scenario)


def test_a_node_whose_jobs_are_materialised_little_by_little_is_a_node_as_any_other(
    folder: Path,
) -> None:
    flow = Workflow(folder)
    flow.add(
        "A", *(f"echo {n} >> {folder}/ran; echo {n} > a{n}.txt" for n in range(8)),
        tasks={"passthrough": (("max_idle", "2"),)},
    )  # fmt: skip
    flow.add("B", f"wc -l < {folder}/ran > {folder}/count", parents=("A",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        assert sorted((folder / "ran").read_text().split()) == [str(n) for n in range(8)]
        assert (folder / "count").read_text() == "8\n"
        assert {(folder / f"a{n}.txt").read_text() for n in range(8)} == {
            f"{n}\n" for n in range(8)
        }
        assert dags.states(bench, batch, "A") == [NodeState.RUNNING, DONE]

    on_pool(folder, scenario)


def test_a_node_whose_input_no_node_before_it_made_is_held_and_says_what_to_do(
    folder: Path,
) -> None:
    flow = Workflow(folder)
    flow.add("A", "true")
    flow.add("B", "true", parents=("A",), tasks={"inputs": dags.inputs(folder, "never.txt")})

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        handle = await bench.engine.submit(batch)
        held = await bench.until(batch, 1, TaskState.HELD)
        assert held.reason_code == "missing-input" and "never.txt" in held.reason
        assert "transfer_output_files" in held.hint and "resubmit" in held.hint
        (swept,) = (
            each for each in (await bench.engine.reconcile([handle])).observations if each.proc == 1
        )
        assert (swept.reason_code, swept.hint) == (held.reason_code, held.hint)
        await bench.engine.command([Command(Verb.STOP, handle)])
        await bench.ends(batch)

    on_pool(folder, scenario)
