"""A job's processes: none outlives it, none escapes a stop, each limit ends the whole tree."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import is_there, pids_in, wait_for
from oceanid.engines.local import LocalEngine
from oceanid.engines.testing import Bench, shell
from oceanid.specs import Command, Observation, Resources, TaskSpec, Verb
from oceanid.states import TaskState

Play = Callable[..., None]
Outcome = Callable[..., Observation]

LEAVES_CHILDREN = "sleep 300 & echo $! >> {pids}"
ESCAPES = "setsid sh -c 'sleep 300 & echo $! >> {pids}; echo $$ >> {pids}; sleep 300' & sleep 0.3"
IGNORES = "trap '' TERM INT HUP; echo $$ >> {pids}; while :; do sleep 1; done"


def python(code: str, folder: Path, **fields: object) -> TaskSpec:
    """A task that runs Python code."""
    arguments = ("-I", "-S", "-c", code)
    return shell("", folder, executable=sys.executable, arguments=arguments, **fields)


@pytest.mark.parametrize("script", [LEAVES_CHILDREN, ESCAPES])
def test_what_a_job_leaves_behind_is_killed_when_it_ends(
    outcome: Outcome, tmp_path: Path, script: str
) -> None:
    pids = tmp_path / "pids"
    end = outcome(shell(script.format(pids=pids), tmp_path))
    assert end.state is TaskState.COMPLETE
    assert pids_in(pids)
    assert not [pid for pid in pids_in(pids) if is_there(pid)]


@pytest.mark.parametrize("script", [IGNORES, ESCAPES + "; sleep 300"])
def test_stop_leaves_no_process_of_a_stubborn_job(play: Play, tmp_path: Path, script: str) -> None:
    pids = tmp_path / "pids"

    async def scenario(bench: Bench) -> None:
        batch = bench.batch(shell(script.format(pids=pids), tmp_path, kill_timeout_s=1))
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 0, TaskState.RUNNING)
        await asyncio.to_thread(wait_for, lambda: pids_in(pids))
        await bench.engine.command([Command(Verb.STOP, handle)])
        assert (await bench.ends(batch))[0].state is TaskState.ABORTED

    play(scenario)
    assert not [pid for pid in pids_in(pids) if is_there(pid)]


def test_fifty_megabytes_of_stdout_arrive(outcome: Outcome, tmp_path: Path) -> None:
    out = tmp_path / "deep/er/out"
    end = outcome(shell("head -c 50000000 /dev/zero", tmp_path, stdout=str(out)))
    assert end.state is TaskState.COMPLETE
    assert out.stat().st_size == 50_000_000


def test_a_memory_hog_is_ended_and_told(outcome: Outcome, tmp_path: Path) -> None:
    hog = "import os, time; os.fork(); x = bytearray(90 << 20); time.sleep(60)"
    end = outcome(python(hog, tmp_path, resources=Resources(memory_mib=120)))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "memory-limit")
    assert "120 MiB" in end.reason
    assert end.hint
    assert end.usage is not None
    assert (end.usage.peak_memory_mib or 0) > 120


def test_memory_below_the_limit_is_measured(outcome: Outcome, tmp_path: Path) -> None:
    code = "import time; x = bytearray(60 << 20); time.sleep(0.5)"
    end = outcome(python(code, tmp_path, resources=Resources(memory_mib=500)))
    assert end.state is TaskState.COMPLETE
    assert end.usage is not None
    assert 60 < (end.usage.peak_memory_mib or 0) < 120


def test_processor_time_of_children_is_counted(outcome: Outcome, tmp_path: Path) -> None:
    code = "import os, time\nif os.fork():\n os.wait()\nelse:\n while time.process_time() < 0.3: 0"
    end = outcome(python(code, tmp_path))
    assert end.usage is not None
    assert 0.3 <= (end.usage.cpu_s or 0) < 2


def test_a_pause_does_not_count_as_wall_time(play: Play, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        spec = shell("sleep 0.6", tmp_path, resources=Resources(wall_time_s=1))
        batch = bench.batch(spec)
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 0, TaskState.RUNNING)
        await bench.engine.command([Command(Verb.PAUSE, handle)])
        await bench.until(batch, 0, TaskState.PAUSED)
        await asyncio.sleep(1.2)  # longer than the limit: that is what is tried here
        await bench.engine.command([Command(Verb.RESUME, handle)])
        assert (await bench.ends(batch))[0].state is TaskState.COMPLETE

    play(scenario)


def test_the_whole_tree_goes_at_the_wall_time(outcome: Outcome, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = ESCAPES.format(pids=pids) + "; sleep 300"
    end = outcome(shell(script, tmp_path, resources=Resources(wall_time_s=1)))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "time-limit")
    assert not [pid for pid in pids_in(pids) if is_there(pid)]


def test_a_file_grows_to_the_limit_only(outcome: Outcome, tmp_path: Path) -> None:
    out = tmp_path / "out"
    spec = shell("exec head -c 50000000 /dev/zero", tmp_path, stdout=str(out))
    end = outcome(spec, max_output_mib=3)
    assert (end.state, end.reason_code) == (TaskState.ERROR, "output-limit")
    assert out.stat().st_size == 3 << 20


def test_nothing_starts_when_the_disk_is_nearly_full(outcome: Outcome, tmp_path: Path) -> None:
    end = outcome(shell("touch ran", tmp_path), disk_reserve_mib=1 << 40)
    assert (end.state, end.reason_code) == (TaskState.ERROR, "disk-full")
    assert not (tmp_path / "ran").exists()


def test_more_disk_than_asked_for_ends_the_task(outcome: Outcome, tmp_path: Path) -> None:
    script = "head -c 20000000 /dev/zero > big; sleep 60"
    spec = shell(script, tmp_path, transfer_files=True, resources=Resources(disk_mib=10))
    end = outcome(spec)
    assert (end.state, end.reason_code) == (TaskState.ERROR, "disk-limit")


def test_long_tasks_do_not_hold_the_short_ones_behind_them(play: Play, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(*[shell("sleep 2", tmp_path) for _ in range(5)])
        started = time.monotonic()
        await bench.engine.submit(batch)
        await bench.until(batch, 4, TaskState.QUEUED)
        assert time.monotonic() - started < 1.5
        seen = await bench.ends(batch)
        states = [seen[proc].state for proc in range(5)]
        assert states == [TaskState.COMPLETE, *[TaskState.QUEUED] * 4]

    play(scenario, claim_for_s=0.3)


def test_a_paused_batch_hands_back_what_it_did_not_start(play: Play, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(shell("sleep 60", tmp_path), shell("touch ran", tmp_path))
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 0, TaskState.RUNNING)
        await bench.engine.command([Command(Verb.PAUSE, handle, (1,))])
        await bench.until(batch, 1, TaskState.QUEUED)
        await bench.engine.command([Command(Verb.STOP, handle)])
        assert (await bench.ends(batch))[0].state is TaskState.ABORTED

    play(scenario, claim_for_s=30)
    assert not (tmp_path / "ran").exists()


def test_a_killed_runner_is_noticed_once_and_leaves_nothing(
    play: Play, make: Callable[..., LocalEngine], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"

    async def scenario(bench: Bench) -> None:
        second = make()
        await second.open()
        async with Bench(second, timeout_s=30) as other:
            script = ESCAPES.format(pids=pids) + "; env -i sleep 300"
            specs = [shell("exit 4", tmp_path), shell(script, tmp_path), shell("true", tmp_path)]
            batch = bench.batch(*specs)
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 1, TaskState.RUNNING)
            await asyncio.to_thread(wait_for, lambda: len(pids_in(pids)) == 2)
            os.kill(handle.data["pid"], 9)
            killed = time.monotonic()
            seen = await bench.ends(batch)
            assert time.monotonic() - killed < 5
            assert [seen[proc].state for proc in range(3)] == [
                TaskState.ERROR,
                TaskState.ERROR,
                TaskState.QUEUED,
            ]
            assert seen[0].exit_code == 4
            assert seen[1].reason_code == "runner-lost"
            await bench.engine.reconcile([handle])
            await second.reconcile([handle])
            await other.ends(batch)
            for proc in range(3):
                states = [each.state for each in other.history(batch, proc)]
                assert len([s for s in states if s.is_final or s is TaskState.QUEUED]) == 1
        await second.close()

    play(scenario, claim_for_s=30)
    assert not [pid for pid in pids_in(pids) if is_there(pid)]
