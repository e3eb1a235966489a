"""Stop, pause and resume are requests that may be repeated."""

from __future__ import annotations

from pathlib import Path

from oceanid.engines.testing.base import ContractBase
from oceanid.engines.testing.bench import Bench, shell
from oceanid.specs import (
    Capability,
    Command,
    Resources,
    Verb,
)
from oceanid.states import TaskState


class CommandContract(ContractBase):
    """Stop, pause and resume are requests that may be repeated."""

    def test_stop_ends_a_task_and_may_be_repeated(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 600", tmp_path), shell("sleep 600", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            stop = Command(Verb.STOP, handle)
            for _ in range(3):
                await bench.engine.command([stop, stop])
            seen = await bench.ends(batch)
            assert {each.state for each in seen.values()} == {TaskState.ABORTED}
            await bench.engine.command([stop])
            finals = [each for each in bench.all_of(batch) if each.state.is_final]
            assert len(finals) == 2

        self.run(tmp_path, scenario)

    def test_stop_of_one_task_leaves_the_others(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 600", tmp_path), shell("sleep 0.1", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.STOP, handle, (0,))])
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.ABORTED
            assert seen[1].state in (TaskState.COMPLETE, TaskState.QUEUED)

        self.run(tmp_path, scenario)

    def test_pause_and_resume_stop_and_go_and_may_be_repeated(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self.needs(bench.engine, Capability.PAUSE)
            go = tmp_path / "go"
            batch = bench.batch(shell(f"until [ -e '{go}' ]; do sleep 0.1; done", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.PAUSE, handle)] * 2)
            await bench.until(batch, 0, TaskState.PAUSED)
            go.touch()
            await bench.engine.command([Command(Verb.RESUME, handle)] * 2)
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.COMPLETE
            states = [each.state for each in bench.history(batch, 0)]
            assert states.count(TaskState.PAUSED) == 1
            await bench.engine.command([Command(Verb.PAUSE, handle), Command(Verb.RESUME, handle)])

        self.run(tmp_path, scenario)

    def test_a_paused_task_can_be_stopped(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self.needs(bench.engine, Capability.PAUSE)
            batch = bench.batch(shell("sleep 600", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.PAUSE, handle)])
            await bench.until(batch, 0, TaskState.PAUSED)
            await bench.engine.command([Command(Verb.STOP, handle)])
            assert (await bench.ends(batch))[0].state is TaskState.ABORTED

        self.run(tmp_path, scenario)

    def test_the_wall_time_is_kept(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self.needs(bench.engine, Capability.WALL_TIME)
            batch = bench.batch(
                shell(f"sleep {self.overrun_s}", tmp_path, resources=Resources(wall_time_s=1))
            )
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert seen[0].state in (TaskState.ERROR, TaskState.ABORTED)
            assert seen[0].reason

        self.run(tmp_path, scenario)
