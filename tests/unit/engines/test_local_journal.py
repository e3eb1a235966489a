"""The journal is read on whatever befalls it, and goes when it is read and committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from oceanid.engines.local import spool as spool_module
from oceanid.engines.local.journal import Tail
from oceanid.engines.local.runner.record import Journal, line
from oceanid.engines.local.spool import Spool
from oceanid.engines.testing import Bench, shell
from oceanid.states import TaskState

BATCH = "0b8f2a6e-3c1d-4f5e-9a7b-1c2d3e4f5a6b"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(str(tmp_path / "spool"))
    made.make()
    return made


def procs(tail: Tail, limit: int = 1000) -> list[int]:
    """The tasks that the next look tells of."""
    return [each.proc for each in tail.read(limit)]


def test_a_torn_line_is_read_when_it_is_whole(spool: Spool) -> None:
    path = Path(spool.journal(1))
    whole = line(BATCH, 1, "RUN", 1.0) + line(BATCH, 2, "RUN", 1.0)
    path.write_text(whole[:-9])
    tail = Tail(spool, {})
    assert procs(tail) == [1]
    path.write_text(whole)
    assert procs(Tail(spool, json.loads(json.dumps(tail.cursor)))) == [2]


def test_garbage_and_torn_writes_swallow_no_line(spool: Spool) -> None:
    path = Path(spool.journal(1))
    path.write_bytes(
        b'\0\xff garbage\n{}\n[1]\n7\n{"b":1,"p":2}\n'
        + b"x" * 300_000
        + b"\n"
        + line(BATCH, 1, "RUN", 1.0).encode()
        + line(BATCH, 7, "XXX", 1.0).encode()
        + line(BATCH, 2, "RUN", 1.0).encode()[:-30]
    )
    journal = Journal(str(path))
    journal.write(line(BATCH, 3, "RUN", 1.0))
    journal.close()
    tail = Tail(spool, {})
    assert procs(tail) + procs(tail) == [1, 3]


def test_a_truncated_or_missing_journal_is_survived(spool: Spool) -> None:
    path = Path(spool.journal(1))
    path.write_text("".join(line(BATCH, proc, "RUN", 1.0) for proc in range(50)))
    tail = Tail(spool, {})
    assert procs(tail) == list(range(50))
    path.write_text(line(BATCH, 60, "RUN", 1.0))
    assert procs(tail) == [60]
    path.unlink()
    assert procs(tail) == []
    path.write_text(line(BATCH, 61, "RUN", 1.0))
    assert procs(tail) == [61]
    assert procs(Tail(spool, {"offsets": {"9": 100}})) == [61]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_any_cursor_goes_on_exactly_behind_what_was_read(spool: Spool, limit: int) -> None:
    for generation in (1, 2):
        lines = [line(BATCH, generation * 100 + each, "RUN", 1.0) for each in range(20)]
        Path(spool.journal(generation)).write_text("\n".join(lines))
    got: list[int] = []
    cursor: dict[str, object] = {}
    while True:
        tail = Tail(spool, cursor)
        found = procs(tail, limit)
        if not found:
            break
        got += found
        cursor = tail.cursor
    assert got == [*range(100, 120), *range(200, 220)]


def test_old_generations_go_when_no_batch_writes_to_them(
    play: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MAX_GENERATION_BYTES", 100)

    async def scenario(bench: Bench) -> None:
        long = bench.batch(shell(f"until test -e {tmp_path}/go; do sleep 0.02; done", tmp_path))
        await bench.engine.submit(long)
        await bench.until(long, 0, TaskState.RUNNING)
        for _ in range(4):
            batch = bench.batch(shell("true", tmp_path))
            await bench.engine.submit(batch)
            await bench.ends(batch)
        kept = sorted(int(each.stem) for each in (tmp_path / "spool/journal").iterdir())
        assert kept[0] == 1
        assert kept[-1] >= 4
        (tmp_path / "go").touch()
        await bench.ends(long)
        async with asyncio.timeout(10):
            while len(list((tmp_path / "spool/journal").iterdir())) > 1:
                await asyncio.sleep(0.02)

    play(scenario)
