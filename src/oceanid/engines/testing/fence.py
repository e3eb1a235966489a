"""A batch is submitted once or never, and what was seen of it is seen again."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path

from oceanid.engines.testing.base import ContractBase, counting, is_refused
from oceanid.engines.testing.bench import Bench, shell
from oceanid.errors import EngineError
from oceanid.specs import (
    BatchSpec,
    Command,
    Found,
    Handle,
    Verb,
)
from oceanid.states import TaskState


class FenceContract(ContractBase):
    """A batch is submitted once or never, and what was seen of it is seen again."""

    def test_a_batch_submitted_twice_runs_once(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            other = self.make_engine(tmp_path / "spool")
            await other.open()
            for _ in range(self.rounds):
                count = tmp_path / "count"
                batch = bench.batch(counting(tmp_path, count), counting(tmp_path, count))
                handles = await asyncio.gather(
                    bench.engine.submit(batch), other.submit(batch), bench.engine.submit(batch)
                )
                assert all(handle == handles[0] for handle in handles)
                await bench.ends(batch)
                assert await bench.engine.submit(batch) == handles[0]
                assert count.read_text() == "x\nx\n"
                count.unlink()
            await other.close()

        self.run(tmp_path, scenario)

    def test_settle_finds_what_was_submitted(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("sleep 600", tmp_path))
            handle = await bench.engine.submit(batch)
            told = await bench.engine.settle(batch)
            assert (told.found, told.handle) == (Found.SUBMITTED, handle)
            await bench.engine.command([Command(Verb.STOP, handle)])
            await bench.ends(batch)
            assert (await bench.engine.settle(batch)).found is Found.SUBMITTED

        self.run(tmp_path, scenario)

    def test_what_settle_says_was_never_submitted_never_is(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            count = tmp_path / "count"
            batch = bench.batch(counting(tmp_path, count))
            for _ in range(2):
                assert (await bench.engine.settle(batch)).found is Found.NEVER
            await is_refused(bench.engine, batch)
            await bench.engine.forget([Handle(batch.batch, {})])
            await is_refused(bench.engine, batch)
            assert not count.exists()

        self.run(tmp_path, scenario)

    def test_settle_and_submit_at_one_instant_agree(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            other = self.make_engine(tmp_path / "spool")
            await other.open()
            for number in range(self.rounds * 3):
                count = tmp_path / f"count{number}"
                batch = bench.batch(counting(tmp_path, count))

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

        self.run(tmp_path, scenario)

    def test_a_watcher_goes_on_from_any_committed_cursor(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            for _ in range(3):
                batch = bench.batch(shell("true", tmp_path), shell("exit 1", tmp_path))
                await bench.engine.submit(batch)
                await bench.ends(batch)
            whole = [each for seen in bench.batches for each in seen.observations]
            cursors = [seen.cursor for seen in bench.batches]
            rests = [
                [each for seen in bench.batches[number + 1 :] for each in seen.observations]
                for number in range(len(bench.batches))
            ]
            begun = [(cursor, rest) for cursor, rest in zip(cursors, rests, strict=True) if rest]
            again = await asyncio.gather(
                *(self.replay(tmp_path, cursor, len(rest)) for cursor, rest in begun)
            )
            assert [list(each) for each in again] == [rest for _, rest in begun]
            assert await self.replay(tmp_path, {}, len(whole)) == whole

        self.run(tmp_path, scenario)

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
        self.run(tmp_path, first)
        self.run(tmp_path, second)

    def test_reconcile_says_nothing_about_what_it_does_not_know(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            batch = bench.batch(shell("exit 5", tmp_path))
            handle = await bench.engine.submit(batch)
            await bench.ends(batch)
            stranger = Handle(uuid.uuid4(), handle.data)
            told = (await bench.engine.reconcile([handle, stranger])).observations
            assert [(each.batch, each.exit_code) for each in told] == [(batch.batch, 5)]

        self.run(tmp_path, scenario)

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

        self.run(tmp_path, scenario)

    def test_what_was_forgotten_is_gone_and_never_comes_back(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            count = tmp_path / "count"
            batch = bench.batch(counting(tmp_path, count))
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

        self.run(tmp_path, scenario)
