"""Factories: what the schedd makes into jobs little by little is asked and told of as all else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from oceanid.engines.htcondor.describe import FACTORY
from oceanid.engines.testing import Bench, shell
from oceanid.specs import BatchSpec, Command, Found, Handle, TaskSpec, Verb
from oceanid.states import TaskState
from tests.contract.condor import Gate, HereEngine, Pool, record, remove

pytestmark = pytest.mark.condor
Scenario = Callable[[Bench], Awaitable[None]]

LATE = (("max_idle", "4"), ("requirements", "false"))
TELL = "import json, os, sys; json.dump([sys.argv[1:], os.environ['GIVEN']], sys.stdout)"
HOSTILE = (
    "", " ", "a b", "'", '"', "''\"\"", "$(Process)", "$$(Name)", "$", "$$", "$$$(x)", "%d", "\\",
    "a\\", ",", "a,b", ", ,", "\t", "ünï", "日本", "🜁", ";", "|", "&", ">x", "`id`", "$(id)", "*",
    "?", "~", "-x", "#", "!", "(", ")", "queue", "=", "a=b", "$(DOLLAR)", "$ENV(HOME)",
    "$RANDOM_INTEGER(1,9)",
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every node sees."""
    made = Pool.running().folder()
    yield made
    remove(made)


def on_pool(folder: Path, scenario: Scenario) -> None:
    """Run a scenario with a new record's engine on the submit host."""

    async def whole() -> None:
        engine = HereEngine(record(folder / "spool", uuid4()))
        await engine.open()
        async with Bench(engine, timeout_s=60) as bench:
            await scenario(bench)
        await engine.close()

    asyncio.run(whole())


def last_of(bench: Bench, batch: BatchSpec) -> dict[int, TaskState]:
    return {each.proc: each.state for each in bench.all_of(batch) if each.moves}


async def until(bench: Bench, batch: BatchSpec, wanted: dict[int, TaskState]) -> None:
    """Wait until the last that was seen of these tasks is this."""
    try:
        async with asyncio.timeout(60):
            while not wanted.items() <= last_of(bench, batch).items():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(last_of(bench, batch)) from None


async def in_queue(batch: BatchSpec, count: int) -> None:
    """Wait until so many jobs of a batch are in the queue."""
    words = ("condor_q", "-constraint", f'OceanidBatch == "{batch.batch}"', "-af", "ProcId")
    async with asyncio.timeout(60):
        while len((await asyncio.to_thread(Pool.running().run, *words)).split()) != count:
            await asyncio.sleep(0.2)


def test_the_stop_of_one_task_takes_none_of_those_that_are_no_jobs_yet(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        spec = shell("true", folder, passthrough=LATE)
        batch = bench.batch(*[spec] * 12)
        handle = await bench.engine.submit(batch)
        await in_queue(batch, 4)
        # The factory's own ad has the attributes of its first task; task 7 is no job yet.
        await bench.engine.command([Command(Verb.STOP, handle, (0, 7))])
        await until(bench, batch, {0: TaskState.ABORTED})
        await in_queue(batch, 4)
        await bench.engine.command([Command(Verb.STOP, handle, (1, 2, 3))])
        await until(bench, batch, dict.fromkeys((0, 1, 2, 3, 7), TaskState.ABORTED))
        await in_queue(batch, 4)
        assert len(last_of(bench, batch)) == 5
        rest = tuple(number for number in range(12) if number not in (0, 1, 2, 3, 7))
        await bench.engine.command([Command(Verb.STOP, handle, rest)])
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.ABORTED}

    on_pool(folder, scenario)


def test_another_engine_stops_what_is_no_job_yet(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(*[shell("true", folder, passthrough=LATE)] * 10)
        handle = await bench.engine.submit(batch)
        await in_queue(batch, 4)
        await bench.engine.command([Command(Verb.STOP, handle, (0, 1))])
        await until(bench, batch, {0: TaskState.ABORTED, 1: TaskState.ABORTED})
        again = HereEngine(bench.engine.scheduler)
        await again.open()
        await again.command([Command(Verb.STOP, handle, tuple(range(2, 10)))])
        await again.close()
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.ABORTED}

    on_pool(folder, scenario)


def test_a_pause_holds_what_is_no_job_yet_and_a_resume_lets_it_go_on(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        never = shell("true", folder, passthrough=LATE)
        batch = bench.batch(*[never] * 9)
        handle = await bench.engine.submit(batch)
        await in_queue(batch, 4)
        everything = tuple(range(9))
        await bench.engine.command([Command(Verb.PAUSE, handle, everything)])
        await until(bench, batch, dict.fromkeys(everything, TaskState.PAUSED))
        await bench.engine.command([Command(Verb.RESUME, handle, everything)])
        await until(bench, batch, dict.fromkeys(everything, TaskState.SUBMITTED))
        await bench.engine.command([Command(Verb.STOP, handle, (0, 1, 2, 3))])
        await in_queue(batch, 4)
        await bench.engine.command([Command(Verb.STOP, handle)])
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.ABORTED}

    on_pool(folder, scenario)


def test_a_factory_that_somebody_removes_takes_all_its_tasks_along(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(*[shell("true", folder, passthrough=LATE)] * 11)
        handle = await bench.engine.submit(batch)
        await in_queue(batch, 4)
        await asyncio.to_thread(Pool.running().run, "condor_hold", str(handle.data["clusters"][0]))
        await until(bench, batch, dict.fromkeys(range(11), TaskState.HELD))
        assert bench.history(batch, 10)[-1].reason_code == "held-by-hand"
        await asyncio.to_thread(Pool.running().run, "condor_rm", str(handle.data["clusters"][0]))
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.ABORTED}

    on_pool(folder, scenario)


def hostile(folder: Path, number: int, given: str, some: Sequence[str] = HOSTILE) -> TaskSpec:
    """A task that writes down what it is given."""
    plain = shell("", folder, transfer_files=True, stdout=f"{folder}/{number}.json")
    arguments = ("-c", TELL, some[number % len(some)], str(number), given)
    return replace(
        plain, executable="/usr/bin/python3", arguments=arguments, environment=(("GIVEN", given),)
    )


async def check(bench: Bench, batch: BatchSpec, folder: Path, first: int = 0) -> None:
    """Every task got exactly what it was to get."""
    seen = await bench.ends(batch, also=frozenset({TaskState.HELD}))
    assert {n: each for n, each in seen.items() if each.state is not TaskState.COMPLETE} == {}
    for item in batch.items:
        told = json.loads((folder / f"{first + item.proc}.json").read_text())
        assert told == [list(item.spec.arguments[2:]), dict(item.spec.environment)["GIVEN"]]


def test_many_tasks_alike_become_jobs_there_with_what_each_was_given(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        given = "".join(each for each in HOSTILE if "$" not in each)
        some = [each for each in HOSTILE if "$" not in each]
        tasks = [hostile(folder, at, given, some) for at in range(FACTORY[0] + 20)]
        batch = bench.batch(*tasks)
        handle = await bench.engine.submit(batch)
        (cluster,) = handle.data["clusters"]
        words = ("condor_q", "-factory", "-af", "ClusterId")
        assert str(cluster) in (await asyncio.to_thread(Pool.running().run, *words)).split()
        assert (await bench.engine.settle(batch)).found is Found.SUBMITTED
        await check(bench, batch, folder)

    on_pool(folder, scenario)


def test_few_values_that_differ_come_as_they_were_given(folder: Path) -> None:
    async def scenario(bench: Bench) -> None:
        tasks = [hostile(folder, at, given) for at, given in enumerate(HOSTILE[-30:])]
        some = [hostile(folder, 30 + at, given) for at, given in enumerate(HOSTILE[:16])]
        one, other = bench.batch(*tasks), bench.batch(*some)
        await bench.engine.submit(one)
        await bench.engine.submit(other)
        await check(bench, one, folder)
        await check(bench, other, folder, 30)

    on_pool(folder, scenario)


def test_some_of_them_are_paused_at_once_and_the_others_run(folder: Path) -> None:
    gate = Gate(folder)

    async def scenario(bench: Bench) -> None:
        count = FACTORY[0] + 50
        batch = bench.batch(*[shell(gate.line, folder)] * count)
        handle = await bench.engine.submit(batch)
        some = (0, 60, count - 2, count - 1)
        await bench.engine.command([Command(Verb.PAUSE, handle, some)])
        await until(bench, batch, dict.fromkeys(some, TaskState.PAUSED))
        gate.open()
        rest = set(range(count)) - set(some)
        await until(bench, batch, dict.fromkeys(rest, TaskState.COMPLETE))
        await bench.engine.command([Command(Verb.RESUME, Handle(batch.batch, handle.data), some)])
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}

    on_pool(folder, scenario)
