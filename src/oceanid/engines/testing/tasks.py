"""What a task gets from its engine, and what is told of its end."""

from __future__ import annotations

import os
from pathlib import Path

from oceanid.engines.testing.base import ContractBase
from oceanid.engines.testing.bench import Bench, shell
from oceanid.specs import (
    Capability,
)
from oceanid.states import TaskState

HOSTILE = (
    "",
    " ",
    "a b  c",
    "it's",
    'say "so"',
    "$(echo no)",
    "`echo no`",
    "$HOME ${HOME} $$",
    "$(Process) $$(Name)",
    "a;b&c|d>e<f",
    "*?[x]~",
    "back\\slash\\",
    "%s %n",
    "-rf",
    "--",
    "tab\there",
    "naïve ☃ 🌊 ",
    ",",
    "'\"'\"'",
    "x" * 5000,
)
"""Arguments and values that reach the task byte for byte, or the engine mistreats its users."""


class TaskContract(ContractBase):
    """What a task gets from its engine, and what is told of its end."""

    def test_check_tells_each_thing_it_looked_at(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            report = await bench.engine.check()
            assert report.steps
            assert all(step.name and step.found for step in report.steps)
            assert all(step.ok for step in report.steps), report.message
            if Capability.QUEUE not in bench.engine.capabilities:
                assert report.capacity is not None
                assert report.capacity.cpus >= 1
                assert report.capacity.max_batch >= 1

        self.run(tmp_path, scenario)

    def test_a_task_runs_and_its_states_come_in_order(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("true", tmp_path))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            history = bench.history(batch, 0)
            assert seen[0].state is TaskState.COMPLETE
            assert seen[0].exit_code == 0
            assert TaskState.RUNNING in [each.state for each in history]
            assert history[-1].state is TaskState.COMPLETE
            assert all(each.at.tzinfo is not None for each in history)
            assert [each.at for each in history] == sorted(each.at for each in history)

        self.run(tmp_path, scenario)

    def test_the_exit_code_decides_between_complete_and_error(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(
                shell("exit 3", tmp_path),
                shell("exit 3", tmp_path, success_exit_code=3),
                shell("exit 0", tmp_path, success_exit_code=3),
            )
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            states = [seen[proc].state for proc in range(3)]
            assert states == [TaskState.ERROR, TaskState.COMPLETE, TaskState.ERROR]
            assert [seen[proc].exit_code for proc in range(3)] == [3, 3, 0]
            assert seen[0].reason

        self.run(tmp_path, scenario)

    def test_the_signal_that_ended_a_task_is_told(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("kill -9 $$", tmp_path))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert (seen[0].state, seen[0].exit_signal) == (TaskState.ERROR, 9)

        self.run(tmp_path, scenario)

    def test_a_missing_executable_is_an_error_with_a_reason(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("", tmp_path, executable="/no/such/program"))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
            assert seen[0].state in (TaskState.ERROR, TaskState.HELD)
            assert seen[0].reason

        self.run(tmp_path, scenario)

    def test_arguments_and_environment_arrive_byte_for_byte(self, tmp_path: Path) -> None:
        names = [f"HOSTILE_{number}" for number in range(len(HOSTILE))]
        script = 'printf "%s\\000" "$@"; ' + "; ".join(f'printf "%s\\000" "${n}"' for n in names)

        async def scenario(bench: Bench) -> None:
            out = tmp_path / "out"
            task = shell(
                script,
                tmp_path,
                arguments=("-c", script, "sh", *HOSTILE),
                environment=tuple(zip(names, HOSTILE, strict=True)),
                stdout=str(out),
            )
            batch = bench.batch(task)
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.COMPLETE, seen[0].reason
            got = out.read_bytes().split(b"\0")[:-1]
            assert got == [each.encode() for each in HOSTILE * 2]

        self.run(tmp_path, scenario)

    def test_a_task_sees_nothing_of_the_portals_environment(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            out = tmp_path / "out"
            batch = bench.batch(shell("env", tmp_path, stdout=str(out)))
            await bench.engine.submit(batch)
            await bench.ends(batch)
            told = out.read_text()
            assert "PLANTED_SECRET" not in told
            assert f"OCEANID_KEY={batch.items[0].key}" in told

        os.environ["PLANTED_SECRET"] = "hunter2"  # noqa: S105 - planted to be looked for
        try:
            self.run(tmp_path, scenario)
        finally:
            del os.environ["PLANTED_SECRET"]
