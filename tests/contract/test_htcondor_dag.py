"""Workflows that DAGMan runs on a real pool, seen through the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oceanid.engines.testing import Bench
from oceanid.specs import Command, Verb
from oceanid.states import NodeState, TaskState
from tests.contract import dags
from tests.contract.condor import on_pool, there
from tests.contract.dags import Workflow

pytestmark = pytest.mark.condor
DONE, FAILED, READY = NodeState.DONE, NodeState.FAILED, NodeState.READY


def test_what_one_node_makes_the_next_ones_read_and_all_comes_home(folder: Path) -> None:
    (folder / "in.txt").write_text("rain")
    flow = Workflow(folder)
    reads = {"inputs": dags.inputs(folder, "in.txt")}
    flow.add("A", "cat in.txt > a.txt; echo from A", tasks=reads)
    flow.add(
        "B", *(f"cat a.txt in.txt > b{n}.txt" for n in range(3)), parents=("A",),
        tasks={"inputs": dags.inputs(folder, "a.txt", "in.txt")},
    )  # fmt: skip
    flow.add(
        "C", "cat a.txt > c.txt", parents=("A",), tasks={"inputs": dags.inputs(folder, "a.txt")}
    )
    flow.add(
        "D", "cat b?.txt c.txt A.0.out > d.txt", parents=("B", "C"),
        tasks={"inputs": dags.inputs(folder, "b0.txt", "b1.txt", "b2.txt", "c.txt", "A.0.out")},
    )  # fmt: skip

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        handle = await bench.engine.submit(batch)
        assert await bench.engine.submit(batch) == handle
        assert (await bench.engine.settle(batch)).handle == handle
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        assert (folder / "d.txt").read_text() == "rainrain" * 3 + "rain" + "from A\n"
        assert dags.states(bench, batch, "B") == [NodeState.RUNNING, DONE]
        order = [each.node for each in dags.told(bench, batch) if each.state is DONE]
        assert order[0] == "A" and order[-1] == "D"
        assert list((folder / "logs").glob("*.dagman.out")), "DAGMan's own log comes too"
        await bench.engine.forget([handle])
        assert await there(bench.engine, "find b dag lock tmp -mindepth 1") == ""

    on_pool(folder, scenario)


def test_a_node_that_fails_is_tried_again_and_no_task_ends_before_it_is_over(folder: Path) -> None:
    flow = Workflow(folder)
    # An execute machine may see the folder, so what happened there before is known.
    flow.add(
        "A", f"echo x >> {folder}/tries; [ $(wc -l < {folder}/tries) = 2 ] && echo two > out.txt",
        "true", retries=3,
    )  # fmt: skip
    flow.add("B", f"echo x >> {folder}/stubborn; exit 7", retries=5, unless_code=7)
    flow.add("C", "true", parents=("B",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert (folder / "tries").read_text() == "x\nx\n"
        assert (folder / "stubborn").read_text() == "x\n"
        assert (folder / "out.txt").read_text() == "two\n"
        assert [seen[n].state for n in range(2)] == [TaskState.COMPLETE] * 2
        assert (seen[2].state, seen[2].exit_code) == (TaskState.ERROR, 7)
        assert seen[3].state is TaskState.ABORTED
        assert seen[4].state is TaskState.ERROR, "DAGMan tells that the workflow failed"
        told = dags.last(bench, batch)
        assert (told["A"].state, told["A"].tries) == (DONE, 1)
        assert (told["B"].state, told["B"].exit_code, told["B"].tries) == (FAILED, 7, 0)
        assert "C" not in told
        again = [each for each in dags.told(bench, batch) if each.state is READY]
        assert [(each.node, each.tries, each.reason) for each in again] == [("A", 1, "exit code 1")]
        for number in range(2):
            finals = [each for each in bench.history(batch, number) if each.state.is_final]
            assert len(finals) == 1, finals

    on_pool(folder, scenario)


def test_scripts_run_before_and_after_with_their_arguments_as_they_are(folder: Path) -> None:
    hostile = ["$(touch pwned)", "a b", "'\"`", "$JOB", "$RETRY", "$MAX_RETRIES", "*", "-n", ""]
    flow = Workflow(folder)
    shows = 'printf "%s\\n" "$@" > "$0.args"'
    flow.add(
        "A", "cat made.txt", title="no; de $(x)",
        before=('printf "%s\\n" "$@"; echo made > made.txt', *hostile),
        after=('printf "%s\\n" "$@"; cp made.txt after.txt', "$RETURN", "x;y"),
        tasks={"inputs": dags.inputs(folder, "made.txt")},
    )  # fmt: skip
    del shows

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        assert (folder / "A.0.out").read_text() == "made\n"
        fixed = [*hostile[:3], "no; de $(x)", "0", "0", *hostile[6:]]
        assert (folder / "A.pre.out").read_text().split("\n") == [*fixed, ""]
        assert (folder / "A.post.out").read_text() == "0\nx;y\n"
        assert (folder / "after.txt").read_text() == "made\n"
        assert not list(folder.rglob("pwned"))
        assert dags.states(bench, batch, "A") == [
            NodeState.PRERUN, NodeState.RUNNING, NodeState.POSTRUN, DONE
        ]  # fmt: skip

    on_pool(folder, scenario)


def test_scripts_decide_and_skip(folder: Path) -> None:
    flow = Workflow(folder)
    ran = folder / "ran"
    ran.mkdir(mode=0o777)
    ran.chmod(0o777)
    flow.add("pre-fails", f"touch {ran}/1", before="exit 3")
    flow.add("post-mends", "exit 9", after=("exit 0", "$RETURN"))
    flow.add("post-fails", "true", after="exit 4")
    flow.add("skipped", f"touch {ran}/2", before="exit 5", skip_code=5)
    flow.add("skipped-0", f"touch {ran}/3", before="exit 0", skip_code=0)
    flow.add("noop", after="exit 0")
    flow.add("after-noop", f"touch {ran}/4", parents=("noop", "skipped", "post-mends"))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        told = dags.last(bench, batch)
        assert {name: (each.state, each.exit_code) for name, each in told.items()} == {
            "pre-fails": (FAILED, 3),
            "post-mends": (DONE, 0),
            "post-fails": (FAILED, 4),
            "skipped": (DONE, 5),
            "skipped-0": (DONE, 0),
            "noop": (DONE, 0),
            "after-noop": (DONE, 0),
        }
        assert "PRE script" in told["pre-fails"].reason
        assert "POST script" in told["post-fails"].reason
        assert [path.name for path in ran.iterdir()] == ["4"]
        by_node = {node.name: seen[node.procs.start] for node in flow.nodes if node.procs}
        assert by_node["pre-fails"].state is TaskState.ABORTED
        assert by_node["post-mends"].exit_code == 9
        assert by_node["post-fails"].state is TaskState.COMPLETE
        assert by_node["skipped"].reason_code == "skipped"

    on_pool(folder, scenario)


def test_a_category_runs_only_so_many_nodes_at_once_and_dir_is_where_files_go(folder: Path) -> None:
    flow = Workflow(folder, max_jobs={"few ; $(x)": 2})
    busy = folder / "busy"
    busy.mkdir()
    busy.chmod(0o777)
    # Each waits for another beside it, as long as one may still come, and then for one too many.
    script = (
        f"touch {busy}/$OCEANID_KEY; echo x >> {folder}/begun; "
        f"until [ $(ls {busy} | wc -l) -ge 2 ] || [ $(wc -l < {folder}/begun) = 6 ]; "
        f"do sleep 0.2; done; sleep 2; ls {busy} | wc -l; rm {busy}/$OCEANID_KEY; "
        "echo $OCEANID_KEY > key.txt"
    )
    for number in range(6):
        flow.add(
            f"n{number}", script,
            category="few ; $(x)", tasks={"initialdir": f"{folder}/of n{number}"},
            directory=f"{folder}/of n{number}", priority=number,
        )  # fmt: skip

    async def scenario(bench: Bench) -> None:
        seen = await dags.run(bench, flow.batch())
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}, seen
        most = [int((folder / f"n{number}.0.out").read_text()) for number in range(6)]
        assert max(most) == 2, most
        assert all((folder / f"of n{number}/key.txt").exists() for number in range(6))

    on_pool(folder, scenario)


def test_abort_dag_on_ends_the_whole_workflow(folder: Path) -> None:
    flow = Workflow(folder)
    flow.add("long", "sleep 600")
    flow.add("A", "exit 3", abort_code=3, abort_return=7, retries=4)
    flow.add("B", "true", parents=("A",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        seen = await dags.run(bench, batch)
        assert seen[0].state is TaskState.ABORTED
        assert (seen[1].state, seen[1].exit_code) == (TaskState.ERROR, 3)
        assert seen[2].state is TaskState.ABORTED
        assert seen[3].exit_code == 7
        assert (dags.last(bench, batch)["A"].state) is FAILED

    on_pool(folder, scenario)


def test_a_stop_takes_dagman_and_its_nodes_out_of_the_queue(folder: Path) -> None:
    flow = Workflow(folder)
    flow.add("A", *["sleep 600"] * 2)
    flow.add("B", "true", parents=("A",))

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 0, TaskState.RUNNING)
        await bench.engine.command([Command(Verb.PAUSE, handle)])
        await bench.until(batch, 0, TaskState.PAUSED)
        await bench.until(batch, batch.items[-1].proc, TaskState.PAUSED)
        await bench.engine.command([Command(Verb.RESUME, handle)])
        async with asyncio.timeout(120):
            while bench.history(batch, 0)[-1].state is not TaskState.RUNNING:
                await asyncio.sleep(0.2)
        told = (await bench.engine.reconcile([handle])).observations
        assert {each.proc: each.state for each in told}[0] is TaskState.RUNNING
        await bench.engine.command([Command(Verb.STOP, handle)])
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.ABORTED}, seen
        # What was removed may stand in the queue for a moment more.
        left = f"condor_q -allusers -af OceanidBatch | grep -c {batch.batch} || :"
        async with asyncio.timeout(120):
            while (await there(bench.engine, left)).strip() != "0":
                await asyncio.sleep(0.5)

    on_pool(folder, scenario)
