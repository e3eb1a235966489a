"""The contract suite: what every engine must do, run by subclassing one class in a test module."""

from __future__ import annotations

import asyncio
import os
import unittest
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from oceanid.engines.base import Engine
from oceanid.engines.testing_bench import Bench, shell
from oceanid.errors import EngineError
from oceanid.specs import (
    BatchSpec,
    Capability,
    Command,
    Found,
    Handle,
    Observation,
    Resources,
    TaskSpec,
    Transfer,
    Verb,
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


class EngineContract:
    """Subclass it as ``TestMyEngine``, give :meth:`make_engine`, and let pytest collect it.

    A test gets the fixture ``tmp_path``. An engine that reaches its scheduler over the network
    raises :attr:`timeout_s`. What an engine has no capability for is skipped.
    """

    timeout_s: ClassVar[float] = 30.0
    """The most that one test waits for the engine, in seconds."""

    rounds: ClassVar[int] = 10
    """How often a race is run."""

    many: ClassVar[int] = 200
    """How many tasks are many."""

    def make_engine(self, spool: Path) -> Engine:
        """A new, unopened engine; two calls with one spool serve the same scheduler record."""
        raise NotImplementedError

    # --- one task -----------------------------------------------------------------------------

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

        self._run(tmp_path, scenario)

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

        self._run(tmp_path, scenario)

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

        self._run(tmp_path, scenario)

    def test_the_signal_that_ended_a_task_is_told(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("kill -9 $$", tmp_path))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert (seen[0].state, seen[0].exit_signal) == (TaskState.ERROR, 9)

        self._run(tmp_path, scenario)

    def test_a_missing_executable_is_an_error_with_a_reason(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("", tmp_path, executable="/no/such/program"))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
            assert seen[0].state in (TaskState.ERROR, TaskState.HELD)
            assert seen[0].reason

        self._run(tmp_path, scenario)

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

        self._run(tmp_path, scenario)

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
            self._run(tmp_path, scenario)
        finally:
            del os.environ["PLANTED_SECRET"]

    # --- the fence ----------------------------------------------------------------------------

    def test_a_batch_submitted_twice_runs_once(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            other = self.make_engine(tmp_path / "spool")
            await other.open()
            for _ in range(self.rounds):
                count = tmp_path / "count"
                batch = bench.batch(_counting(tmp_path, count), _counting(tmp_path, count))
                handles = await asyncio.gather(
                    bench.engine.submit(batch), other.submit(batch), bench.engine.submit(batch)
                )
                assert all(handle == handles[0] for handle in handles)
                await bench.ends(batch)
                assert await bench.engine.submit(batch) == handles[0]
                assert count.read_text() == "x\nx\n"
                count.unlink()
            await other.close()

        self._run(tmp_path, scenario)

    def test_settle_finds_what_was_submitted(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 60", tmp_path))
            handle = await bench.engine.submit(batch)
            told = await bench.engine.settle(batch)
            assert (told.found, told.handle) == (Found.SUBMITTED, handle)
            await bench.engine.command([Command(Verb.STOP, handle)])
            await bench.ends(batch)
            assert (await bench.engine.settle(batch)).found is Found.SUBMITTED

        self._run(tmp_path, scenario)

    def test_what_settle_says_was_never_submitted_never_is(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            count = tmp_path / "count"
            batch = bench.batch(_counting(tmp_path, count))
            for _ in range(2):
                assert (await bench.engine.settle(batch)).found is Found.NEVER
            await _is_refused(bench.engine, batch)
            await bench.engine.forget([Handle(batch.batch, {})])
            await _is_refused(bench.engine, batch)
            assert not count.exists()

        self._run(tmp_path, scenario)

    def test_settle_and_submit_at_one_instant_agree(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            other = self.make_engine(tmp_path / "spool")
            await other.open()
            for number in range(self.rounds * 3):
                count = tmp_path / f"count{number}"
                batch = bench.batch(_counting(tmp_path, count))

                async def settle_late(batch: BatchSpec = batch, number: int = number) -> Found:
                    await asyncio.sleep(0.002 * number)
                    return (await other.settle(batch)).found

                submitted, found = await asyncio.gather(
                    bench.engine.submit(batch), settle_late(), return_exceptions=True
                )
                if found is Found.SUBMITTED:
                    assert isinstance(submitted, Handle)
                    await bench.ends(batch)
                    assert count.read_text() == "x\n"
                else:
                    assert found is Found.NEVER
                    assert isinstance(submitted, EngineError)
                    assert submitted.slug == "batch-dead"
                    assert not count.exists()
            await other.close()

        self._run(tmp_path, scenario)

    # --- watching -----------------------------------------------------------------------------

    def test_a_watcher_goes_on_from_any_committed_cursor(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            for _ in range(3):
                batch = bench.batch(shell("true", tmp_path), shell("exit 1", tmp_path))
                await bench.engine.submit(batch)
                await bench.ends(batch)
            whole = [each for seen in bench.batches for each in seen.observations]
            for number in range(len(bench.batches)):
                rest = [each for seen in bench.batches[number + 1 :] for each in seen.observations]
                if rest:
                    again = await self._replay(tmp_path, bench.batches[number].cursor, len(rest))
                    assert again == rest
            assert await self._replay(tmp_path, {}, len(whole)) == whole

        self._run(tmp_path, scenario)

    def test_tasks_outlive_the_engine_object_and_are_found_again(self, tmp_path: Path) -> None:
        async def first(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 0.5; exit 7", tmp_path))
            kept.append((batch, await bench.engine.submit(batch)))

        async def second(bench: Bench) -> None:
            batch, handle = kept[0]
            assert (await bench.ends(batch))[0].exit_code == 7
            states = (await bench.engine.reconcile([handle])).observations
            assert [each.exit_code for each in states] == [7]

        kept: list[tuple[BatchSpec, Handle]] = []
        self._run(tmp_path, first)
        self._run(tmp_path, second)

    def test_reconcile_says_nothing_about_what_it_does_not_know(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("exit 5", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.ends(batch)
            stranger = Handle(uuid.uuid4(), handle.data)
            told = (await bench.engine.reconcile([handle, stranger])).observations
            assert [(each.batch, each.exit_code) for each in told] == [(batch.batch, 5)]

        self._run(tmp_path, scenario)

    def test_many_tasks_each_end_once_or_are_handed_back_unstarted(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(*[shell("true", tmp_path) for _ in range(self.many)])
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert len(seen) == self.many
            for proc, last in seen.items():
                states = [each.state for each in bench.history(batch, proc)]
                if last.state is TaskState.QUEUED:
                    assert TaskState.RUNNING not in states
                else:
                    assert last.state is TaskState.COMPLETE
                    assert states.count(TaskState.COMPLETE) == 1

        self._run(tmp_path, scenario)

    # --- files --------------------------------------------------------------------------------

    def test_inputs_go_in_and_new_files_come_back(self, tmp_path: Path) -> None:
        job = tmp_path / "job"
        (job / "folder/deep").mkdir(parents=True)
        (job / "in.txt").write_text("in")
        (job / "folder/deep/a").write_text("a")
        (job / "folder/b").write_text("b")

        async def scenario(bench: Bench) -> None:
            script = "cat in.txt folder/deep/a b > new.txt; mkdir sub; echo x > sub/x"
            task = shell(
                script,
                job,
                transfer_files=True,
                inputs=(
                    Transfer(str(job / "in.txt"), "in.txt"),
                    Transfer(str(job / "folder"), "folder"),
                    Transfer(str(job / "folder"), "", contents_only=True),
                ),
            )
            batch = bench.batch(task)
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.COMPLETE, seen[0].reason
            assert (job / "new.txt").read_text() == "inab"
            assert not (job / "sub").exists()
            assert not (job / "b").exists()

        self._run(tmp_path, scenario)

    def test_declared_outputs_come_back_under_their_names(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            task = shell(
                "echo 1 > one; mkdir -p d/e; echo 2 > d/e/two; echo 3 > three; echo no > four",
                tmp_path,
                transfer_files=True,
                outputs=(
                    Transfer("one", str(tmp_path / "one")),
                    Transfer("d", str(tmp_path / "d")),
                    Transfer("three", str(tmp_path / "three")),
                ),
                output_remaps=(("three", str(tmp_path / "elsewhere/drei")),),
            )
            batch = bench.batch(task)
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.COMPLETE, seen[0].reason
            assert (tmp_path / "one").read_text() == "1\n"
            assert (tmp_path / "d/e/two").read_text() == "2\n"
            assert (tmp_path / "elsewhere/drei").read_text() == "3\n"
            assert not (tmp_path / "four").exists()

        self._run(tmp_path, scenario)

    def test_a_missing_output_is_told_by_name(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            outputs = (Transfer("promised.csv", str(tmp_path / "promised.csv")),)
            batch = bench.batch(shell("true", tmp_path, transfer_files=True, outputs=outputs))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
            assert seen[0].state in (TaskState.ERROR, TaskState.HELD)
            assert "promised.csv" in seen[0].reason

        self._run(tmp_path, scenario)

    def test_stdout_can_be_read_by_range_while_it_grows(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self._needs(bench.engine, Capability.TAIL)
            out = str(tmp_path / "out")
            batch = bench.batch(shell("echo hello world; sleep 60", tmp_path, stdout=out))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)

            async def reads(offset: int, limit: int) -> bytes:
                return await bench.engine.tail(handle, 0, "stdout", offset, limit)

            async with asyncio.timeout(self.timeout_s):
                while len(await reads(0, 100)) < 12:
                    await asyncio.sleep(0.02)
            assert await reads(6, 5) == b"world"
            assert await reads(100, 5) == b""
            await bench.engine.command([Command(Verb.STOP, handle)])
            await bench.ends(batch)

        self._run(tmp_path, scenario)

    # --- commands -----------------------------------------------------------------------------

    def test_stop_ends_a_task_and_may_be_repeated(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 60", tmp_path), shell("sleep 60", tmp_path))
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

        self._run(tmp_path, scenario)

    def test_stop_of_one_task_leaves_the_others(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 60", tmp_path), shell("sleep 0.1", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.STOP, handle, (0,))])
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.ABORTED
            assert seen[1].state in (TaskState.COMPLETE, TaskState.QUEUED)

        self._run(tmp_path, scenario)

    def test_pause_and_resume_stop_and_go_and_may_be_repeated(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self._needs(bench.engine, Capability.PAUSE)
            batch = bench.batch(shell("sleep 0.5", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.PAUSE, handle)] * 2)
            await bench.until(batch, 0, TaskState.PAUSED)
            await bench.engine.command([Command(Verb.RESUME, handle)] * 2)
            seen = await bench.ends(batch)
            assert seen[0].state is TaskState.COMPLETE
            states = [each.state for each in bench.history(batch, 0)]
            assert states.count(TaskState.PAUSED) == 1
            await bench.engine.command([Command(Verb.PAUSE, handle), Command(Verb.RESUME, handle)])

        self._run(tmp_path, scenario)

    def test_a_paused_task_can_be_stopped(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self._needs(bench.engine, Capability.PAUSE)
            batch = bench.batch(shell("sleep 60", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)
            await bench.engine.command([Command(Verb.PAUSE, handle)])
            await bench.until(batch, 0, TaskState.PAUSED)
            await bench.engine.command([Command(Verb.STOP, handle)])
            assert (await bench.ends(batch))[0].state is TaskState.ABORTED

        self._run(tmp_path, scenario)

    def test_the_wall_time_is_kept(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self._needs(bench.engine, Capability.WALL_TIME)
            batch = bench.batch(shell("sleep 60", tmp_path, resources=Resources(wall_time_s=1)))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch)
            assert seen[0].state in (TaskState.ERROR, TaskState.ABORTED)
            assert seen[0].reason

        self._run(tmp_path, scenario)

    # --- the end ------------------------------------------------------------------------------

    def test_what_was_forgotten_is_gone_and_never_comes_back(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            count = tmp_path / "count"
            batch = bench.batch(_counting(tmp_path, count))
            handle = await bench.engine.submit(batch)
            await bench.ends(batch)
            for _ in range(2):
                await bench.engine.forget([handle])
            with suppress(EngineError):
                await bench.engine.submit(batch)
            assert (await bench.engine.settle(batch)).found is not Found.UNKNOWN
            other = bench.batch(shell("true", tmp_path))
            await bench.engine.submit(other)
            await bench.ends(other)
            assert count.read_text() == "x\n"

        self._run(tmp_path, scenario)

    # --- how it is run ------------------------------------------------------------------------

    def _run(self, tmp_path: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with self._bench(tmp_path) as bench:
                await scenario(bench)

        asyncio.run(whole())

    @asynccontextmanager
    async def _bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        engine = self.make_engine(tmp_path / "spool")
        await engine.open()
        async with Bench(engine, timeout_s=self.timeout_s) as bench:
            yield bench
        await engine.close()

    async def _replay(
        self, tmp_path: Path, cursor: Mapping[str, Any], count: int
    ) -> Sequence[Observation]:
        engine = self.make_engine(tmp_path / "spool")
        await engine.open()
        try:
            async with Bench(engine, timeout_s=self.timeout_s, cursor=cursor) as bench:
                return await bench.first(count)
        finally:
            await engine.close()

    @staticmethod
    def _needs(engine: Engine, capability: Capability) -> None:
        if capability not in engine.capabilities:
            raise unittest.SkipTest(f"The engine does not offer “{capability.value}”.")


def _counting(folder: Path, count: Path) -> TaskSpec:
    return shell(f'echo x >> "{count}"', folder)


async def _is_refused(engine: Engine, batch: BatchSpec) -> None:
    try:
        await engine.submit(batch)
    except EngineError as refused:
        assert refused.slug == "batch-dead"
        return
    raise AssertionError("A batch that was settled as never submitted was submitted.")
