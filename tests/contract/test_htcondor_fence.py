"""A submission that breaks off in the middle, on a real pool: all of it runs once, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oceanid.engines.htcondor.shell import Shell
from oceanid.engines.testing import Bench, shell
from oceanid.errors import EngineError
from oceanid.specs import BatchSpec, Found, TaskSpec
from oceanid.states import TaskState
from tests.contract import dags
from tests.contract.condor import (
    EnteringShell,
    HereEngine,
    Pool,
    bring_log_back,
    hide_log,
    on_pool,
    there,
)

pytestmark = pytest.mark.condor

# Stands before the real one on the account's PATH, and breaks off at the calls that it is told.
WRAPPER = """\
#!/bin/sh
real=/usr/bin/condor_submit
case " $* " in *" -dry-run "*) exec "$real" "$@" ;; esac
echo call >>"@folder@/calls"
case " $(cat "@folder@/at") " in *" $(wc -l <"@folder@/calls") "*) ;; *) exec "$real" "$@" ;; esac
case $(cat "@folder@/how") in
killed-before) kill -KILL $PPID ;;
killed-after) "$real" "$@" >/dev/null 2>&1; kill -KILL $PPID ;;
answer-lost)
    "$real" "$@" >/dev/null 2>&1
    echo "ERROR: Failed to commit job submission into the queue." >&2 ;;
away) echo "ERROR: Can't find address of local schedd" >&2 ;;
refused) echo "ERROR: Failed to commit job submission: it is not wanted here" >&2 ;;
esac
exit 1
"""


class Breaking(HereEngine):
    """An engine whose account has another condor_submit."""

    def make_shell(self) -> Shell:
        there = f"PATH={Path(self.scheduler.spool).parent}/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return EnteringShell((*Pool.running().enter, "env", there))


@pytest.fixture
def breaks(folder: Path) -> Callable[..., None]:
    """Says at which calls of condor_submit what happens."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "condor_submit"
    program.write_text(WRAPPER.replace("@folder@", str(folder)))
    program.chmod(0o755)

    def say(how: str, *calls: int) -> None:
        (folder / "calls").write_text("")
        (folder / "calls").chmod(0o666)
        (folder / "how").write_text(how)
        (folder / "at").write_text(" ".join(map(str, calls)))

    say("not at all")
    return say


def counted(folder: Path, script: str = "true") -> TaskSpec:
    """A task that counts its runs."""
    # Not in its arguments: a factory's may have no dollar sign.
    (folder / "count.sh").write_text(f"echo $OCEANID_KEY >>{folder}/runs\n")
    return shell(f"sh {folder}/count.sh; {script}", folder)


def of_two_parts(bench: Bench, folder: Path) -> BatchSpec:
    """Six tasks, each second one of another shape."""
    specs = [counted(folder) for _ in range(6)]
    specs[1::2] = [replace(each, passthrough=(("My.Site", '"x"'),)) for each in specs[1::2]]
    return bench.batch(*specs)


async def each_ran_once(bench: Bench, batch: BatchSpec, folder: Path) -> None:
    """Wait for all ends; every task has run once, and is known by its own name."""
    ends = await bench.ends(batch)
    assert {each.state for each in ends.values()} == {TaskState.COMPLETE}, ends
    runs = Counter((folder / "runs").read_text().split())
    assert runs == Counter(item.key for item in batch.items)


@pytest.mark.parametrize("how", ["killed-before", "killed-after"])
@pytest.mark.parametrize("part", [1, 2])
def test_what_broke_off_between_two_parts_is_finished(
    folder: Path, breaks: Callable[..., None], how: str, part: int
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = of_two_parts(bench, folder)
        breaks(how, part)
        with pytest.raises(EngineError) as caught:
            await bench.engine.submit(batch)
        assert caught.value.transient
        told = await bench.engine.settle(batch)
        if (how, part) == ("killed-before", 1):
            assert told.found is Found.NEVER and told.refusal is None
            return
        assert told.handle is not None
        assert len(told.handle.data["clusters"]) == 2 and told.handle.data["size"] == 6
        assert await bench.engine.submit(batch) == told.handle
        await each_ran_once(bench, batch, folder)
        seen = (await bench.engine.reconcile([told.handle])).observations
        assert {each.proc for each in seen} == set(range(6))

    on_pool(folder, scenario, make=Breaking)


@pytest.mark.parametrize("lost", [1, 2])
def test_an_answer_that_was_lost_is_no_refusal(
    folder: Path, breaks: Callable[..., None], lost: int
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = of_two_parts(bench, folder)
        breaks("answer-lost", lost)
        handle = await bench.engine.submit(batch)
        assert len(handle.data["clusters"]) == 2 and handle.data["size"] == 6
        await each_ran_once(bench, batch, folder)

    on_pool(folder, scenario, make=Breaking)


def test_a_submission_that_breaks_off_before_anything_was_given_is_tried_again(
    folder: Path,
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(counted(folder))
        await there(bench.engine, "chmod 500 tmp")
        with pytest.raises(EngineError) as caught:
            await bench.engine.submit(batch)
        assert caught.value.transient, "nobody refused it"
        await there(bench.engine, "chmod 700 tmp")
        await bench.engine.submit(batch)
        await each_ran_once(bench, batch, folder)

    on_pool(folder, scenario)


def test_parts_that_have_left_the_queue_are_not_submitted_again(
    folder: Path, breaks: Callable[..., None]
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = of_two_parts(bench, folder)
        breaks("killed-before", 2)
        with pytest.raises(EngineError):
            await bench.engine.submit(batch)
        for proc in (0, 2, 4):
            await bench.until(batch, proc, TaskState.COMPLETE)
        await hide_log(bench.engine)
        assert (await bench.engine.settle(batch)).found is Found.SUBMITTED
        await bring_log_back(bench.engine)
        await each_ran_once(bench, batch, folder)

    on_pool(folder, scenario, make=Breaking)


def test_a_schedd_that_is_away_for_a_while_refuses_nothing(
    folder: Path, breaks: Callable[..., None]
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = of_two_parts(bench, folder)
        breaks("away", 2, 3, 4, 5)
        with pytest.raises(EngineError) as caught:
            await bench.engine.submit(batch)
        assert caught.value.transient
        assert (await bench.engine.settle(batch)).found is Found.UNKNOWN
        assert (await bench.engine.settle(batch)).found is Found.SUBMITTED
        await each_ran_once(bench, batch, folder)

    on_pool(folder, scenario, make=Breaking)


def test_a_part_that_is_refused_for_good_takes_the_others_away(
    folder: Path, breaks: Callable[..., None]
) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(
            counted(folder, "sleep 300"),
            replace(counted(folder), passthrough=(("My.Site", '"x"'),)),
        )
        breaks("killed-after", 1)
        with pytest.raises(EngineError):
            await bench.engine.submit(batch)
        breaks("refused", 1, 2)
        told = await bench.engine.settle(batch)
        assert told.found is Found.NEVER
        assert told.refusal is not None and "not wanted here" in told.refusal.message
        left = f"condor_q -constraint 'OceanidBatch == \"{batch.batch}\"' -af JobStatus"
        assert set((await there(bench.engine, left)).split()) <= {"3"}
        again = await bench.engine.settle(batch)
        assert str(again.refusal) == str(told.refusal), "who asks next is told the same"
        with pytest.raises(EngineError) as caught:
            await bench.engine.submit(batch)
        assert caught.value.slug == "batch-dead"

    on_pool(folder, scenario, make=Breaking)


@pytest.mark.parametrize("how", ["killed-after", "answer-lost"])
def test_a_factory_whose_answer_was_lost_is_found(
    folder: Path, breaks: Callable[..., None], how: str
) -> None:
    async def scenario(bench: Bench) -> None:
        late = (("max_idle", "3"),)
        batch = bench.batch(*[replace(counted(folder), passthrough=late)] * 20)
        breaks(how, 1)
        try:
            handle = await bench.engine.submit(batch)
        except EngineError:
            told = await bench.engine.settle(batch)
            assert told.handle is not None
            handle = told.handle
        assert handle.data["size"] == 20
        await each_ran_once(bench, batch, folder)

    on_pool(folder, scenario, make=Breaking)


def test_a_factory_that_has_made_no_job_yet_is_found_in_the_queue(
    folder: Path, breaks: Callable[..., None]
) -> None:
    async def scenario(bench: Bench) -> None:
        late = (("max_idle", "3"), ("max_materialize", "0"))
        batch = bench.batch(*[replace(counted(folder), passthrough=late)] * 20)
        breaks("killed-after", 1)
        with pytest.raises(EngineError):
            await bench.engine.submit(batch)
        await hide_log(bench.engine)
        told = await bench.engine.settle(batch)
        assert told.handle is not None and told.handle.data["size"] == 20
        await there(bench.engine, f"condor_rm -constraint 'OceanidBatch == \"{batch.batch}\"' || :")

    on_pool(folder, scenario, make=Breaking)


@pytest.mark.parametrize("how", ["killed-before", "killed-after", "answer-lost"])
def test_a_workflow_whose_submission_breaks_off_runs_once_or_never(
    folder: Path, breaks: Callable[..., None], how: str
) -> None:
    flow = dags.Workflow(folder)
    flow.add("A", f"echo run >>{folder}/runs")

    async def scenario(bench: Bench) -> None:
        batch = flow.batch()
        breaks(how, 1)
        if how == "answer-lost":
            await bench.engine.submit(batch)
        else:
            with pytest.raises(EngineError):
                await bench.engine.submit(batch)
            told = await bench.engine.settle(batch)
            if how == "killed-before":
                assert told.found is Found.NEVER
                return
            assert told.found is Found.SUBMITTED
        ends = await bench.ends(batch)
        assert {each.state for each in ends.values()} == {TaskState.COMPLETE}
        assert (folder / "runs").read_text() == "run\n"

    on_pool(folder, scenario, make=Breaking)
