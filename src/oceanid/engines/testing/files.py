"""Files go in and come back as HTCondor would transfer them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from oceanid.engines.testing.base import ContractBase
from oceanid.engines.testing.bench import Bench, shell
from oceanid.specs import (
    Capability,
    Command,
    Piece,
    Transfer,
    Verb,
)
from oceanid.states import TaskState


class FileContract(ContractBase):
    """Files go in and come back as HTCondor would transfer them."""

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

        self.run(tmp_path, scenario)

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

        self.run(tmp_path, scenario)

    def test_a_missing_output_is_told_by_name(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            outputs = (Transfer("promised.csv", str(tmp_path / "promised.csv")),)
            batch = bench.batch(shell("true", tmp_path, transfer_files=True, outputs=outputs))
            await bench.engine.submit(batch)
            seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
            assert seen[0].state in (TaskState.ERROR, TaskState.HELD)
            assert "promised.csv" in seen[0].reason

        self.run(tmp_path, scenario)

    def test_stdout_can_be_read_by_range_while_it_grows(self, tmp_path: Path) -> None:
        async def scenario(bench: Bench) -> None:
            self.needs(bench.engine, Capability.TAIL)
            out = str(tmp_path / "out")
            batch = bench.batch(shell("echo hello world; sleep 600", tmp_path, stdout=out))
            handle = await bench.engine.submit(batch)
            await bench.until(batch, 0, TaskState.RUNNING)

            async def reads(offset: int, limit: int) -> Piece:
                return await bench.engine.tail(handle, 0, "stdout", offset, limit)

            async with asyncio.timeout(self.timeout_s):
                while (await reads(0, 100)).size < 12:
                    await asyncio.sleep(0.02)
            assert await reads(0, 100) == Piece(b"hello world\n", 0, 12)
            assert await reads(6, 5) == Piece(b"world", 6, 12)
            assert (await reads(100, 5)).data == b""
            assert await reads(-6, 3) == Piece(b"wor", 6, 12)
            assert await reads(-100, 100) == Piece(b"hello world\n", 0, 12)
            await bench.engine.command([Command(Verb.STOP, handle)])
            await bench.ends(batch)

        self.run(tmp_path, scenario)
