"""Workflows for DAGMan without a pool: the graph's text, the journal, and what they come to."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanid.dags import Dag, DagNode, Script
from oceanid.engines.htcondor.dagfiles import DAG_FILE, dag_files
from oceanid.engines.htcondor.dagrun import DagRun, End
from oceanid.engines.htcondor.describe import Placed
from oceanid.engines.htcondor.journal import JournalReader, Line, Word
from oceanid.engines.htcondor.manifest import Manifest, Plan
from oceanid.errors import EngineError
from oceanid.specs import BatchItem, BatchSpec, Observation, Resources, TaskSpec
from oceanid.states import NodeState, TaskState

BATCH = uuid.UUID("6f3e51cb-3d1e-4a6c-9d0e-2f8f5f0f3a11")
AT = datetime(2026, 1, 2, tzinfo=UTC)


def batch_of(*nodes: DagNode, **tasks: Any) -> tuple[BatchSpec, Dag]:
    count = sum(len(node.procs) for node in nodes)
    spec = TaskSpec("/bin/true", initialdir="/job", transfer_executable=False, **tasks)
    items = tuple(BatchItem(proc, f"key.{proc}", spec) for proc in range(count + 1))
    dag = Dag(nodes, "/job", count, (("few ; c", 2),))
    return BatchSpec(BATCH, items, Resources(), label="flow", dag=dag), dag


def files_of(
    *nodes: DagNode, scripts: dict[str, str] | None = None, **tasks: Any
) -> dict[str, str]:
    batch, dag = batch_of(*nodes, **tasks)
    written = dag_files(
        batch, dag, folder="/base/b/B", log="/base/log/1",
        placed=lambda item: Placed(item.spec.executable), scripts=scripts or {},
    )  # fmt: skip
    return {name: data.decode() for name, data in written.items()}


def node(name: str, first: int, count: int = 1, **more: Any) -> DagNode:
    return DagNode(name, more.pop("title", name), range(first, first + count), "/job", **more)


def test_every_attribute_of_a_node_is_a_line_of_the_graph() -> None:
    script = Script("/job/pre.sh", (), "/job/logs/a.out", "/job/logs/a.err")
    text = files_of(
        node("10", 0, before=script, skip_code=4, retries=3, unless_code=-2, abort_code=5,
             abort_return=6, category="few ; c", priority=-7),
        node("11", 1, 3, parents=("10",)),
        node("12", 4, 0, parents=("10", "11")),
        scripts={"/job/pre.sh": "/base/b/B/w/pre.sh"},
    )[DAG_FILE]  # fmt: skip
    assert text.splitlines() == [
        "CONFIG dagman.config",
        "JOB n0 n/0.sub",
        "SCRIPT PRE n0 ./node.sh pre 0 $RETRY $DAG_STATUS $FAILED_COUNT",
        "SCRIPT POST n0 ./node.sh post 0 $RETRY $DAG_STATUS $FAILED_COUNT $JOBID $RETURN",
        "PRE_SKIP n0 4",
        "RETRY n0 3 UNLESS-EXIT -2",
        "ABORT-DAG-ON n0 5 RETURN 6",
        "CATEGORY n0 c0",
        "PRIORITY n0 -7",
        "JOB n1 n/1.sub",
        "SCRIPT POST n1 ./node.sh post 1 $RETRY $DAG_STATUS $FAILED_COUNT $JOBID $RETURN",
        "JOB n2 noop.sub NOOP",
        "SCRIPT POST n2 ./node.sh post 2 $RETRY $DAG_STATUS $FAILED_COUNT $JOBID $RETURN",
        "PARENT n0 CHILD n1",
        "PARENT n0 n1 CHILD n2",
        "MAXJOBS c0 2",
    ]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_nothing_that_a_person_named_stands_in_the_graph_or_is_read_by_a_shell(text: str) -> None:
    script = Script("/job/p", (text, "$JOB"), "/job/o", "/job/e")
    files = files_of(
        node("1", 0, title=text, before=script, category=text),
        scripts={"/job/p": "/base/b/B/w/p"},
    )
    plain = files_of(
        node("1", 0, title="t", before=script, category=""), scripts={"/job/p": "/base/b/B/w/p"}
    )
    assert files[DAG_FILE] == plain[DAG_FILE]
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert f"exec '/base/b/B/w/p' {quoted} {quoted}" in files["n/0.sh"] or text[:1] == "$"


def test_a_node_of_several_shapes_is_refused_by_name() -> None:
    batch, dag = batch_of(node("1", 0, 2, title="odd"))
    other = BatchItem(1, "key.1", TaskSpec("/bin/true", passthrough=(("rank", "1"),)))
    batch = BatchSpec(BATCH, (batch.items[0], other, batch.items[2]), Resources(), dag=dag)
    with pytest.raises(EngineError, match="“odd”"):
        dag_files(
            batch, dag, folder="/f", log="/l",
            placed=lambda item: Placed(item.spec.executable), scripts={},
        )  # fmt: skip


def test_a_manifest_remembers_the_workflow() -> None:
    batch, dag = batch_of(node("1", 0, 2), node("2", 2, 0), node("3", 2))
    read = Manifest.load(Manifest.of(batch, [[dag.proc]]).dump())
    assert read.plan == Plan(3, (("1", 0, 2), ("2", 2, 0), ("3", 2, 1)))
    assert read.orders == [[3]]


LINES = (
    b"1700000000 0 0 begin\n"
    b"1700000001 0 0 pre\n"
    b"1700000002 0 0 go 0\n"
    b"garbage \xff\xfe 12\n"
    b"1700000003 1 0 again 1 post 256\n"
    b"1700000004 1 1 failed 1 -1001 0.-1.-1 a reason  of several words\n"
    b"1700000005 0 0 done 0 0 12.0.0\n"
    b"1700000006 0 0 unheard-of\n"
)


def test_a_journal_is_read_whatever_stands_in_it() -> None:
    read = JournalReader().feed(LINES)
    assert [(each.node, each.tries, each.word) for each in read] == [
        (0, 0, Word.PRE), (0, 0, Word.GO), (1, 0, Word.AGAIN), (1, 1, Word.FAILED),
        (0, 0, Word.DONE),
    ]  # fmt: skip
    again, failed, done = read[2:]
    assert (again.code, again.returned, again.note) == (1, 256, "post")
    assert (failed.returned, failed.note) == (-1001, "a reason  of several words")
    assert (done.code, done.returned, done.cluster) == (0, 0, 12)


@given(st.integers(0, len(LINES)), st.integers(0, len(LINES)))
def test_a_journal_is_read_in_any_pieces_and_from_any_offset(cut: int, begin: int) -> None:
    whole = JournalReader().feed(LINES)
    reader = JournalReader()
    in_two = reader.feed(LINES[:cut])
    torn = reader.expected
    assert torn == cut
    assert in_two + reader.feed(LINES[cut:]) == whole
    later = JournalReader(begin).feed(LINES[begin:])
    starts = [LINES[: each.end - 1].rfind(b"\n") + 1 for each in whole]
    assert later == [each for each, at in zip(whole, starts, strict=True) if at >= begin]


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    reader = JournalReader()
    assert reader.feed(b"x" * (70 << 10)) == []
    assert reader.feed(b"\n" + LINES) == JournalReader(reader.offset - len(LINES)).feed(LINES)


def run_of() -> DagRun:
    return DagRun(BATCH, Plan(4, (("a", 0, 2), ("nothing", 2, 0), ("b", 2, 2))))


def line(node_number: int, word: Word, tries: int = 0, **more: Any) -> Line:
    return Line(AT, node_number, tries, word, **more)


def end(number: int, cluster: int, state: TaskState = TaskState.COMPLETE) -> End:
    return End(Observation(BATCH, number, state, AT, exit_code=0), cluster, (1, number))


def test_a_tasks_last_word_waits_for_its_node_and_the_other_way_round() -> None:
    run = run_of()
    first = run.ended(0, end(0, 7))
    assert not first.ends and [each.state for each in first.tasks] == [TaskState.TRANSFERRING]
    over = run.read(line(0, Word.DONE, code=0, returned=0, cluster=7))
    assert [each.seen.proc for each in over.ends] == [0]
    assert [(each.node, each.state) for each in over.nodes] == [("a", NodeState.DONE)]
    assert [each.seen.proc for each in run.ended(1, end(1, 7)).ends] == [1]


def test_an_end_of_an_earlier_try_is_no_last_word() -> None:
    run = run_of()
    run.ended(2, end(2, 7, TaskState.ERROR))
    again = run.read(line(2, Word.AGAIN, code=1, returned=1, note="post"))
    assert [(each.state, each.tries, each.reason) for each in again.nodes] == [
        (NodeState.READY, 1, "exit code 1")
    ]
    assert {each.state for each in again.tasks} == {TaskState.SUBMITTED}
    late = run.read(line(2, Word.DONE, 1, code=0, returned=0, cluster=8))
    assert late.ends == [], "what is known of task 2 is of another cluster"
    assert run.submitted(2, 8, AT).settled == [(1, 2)]
    assert [each.seen.proc for each in run.ended(2, end(2, 8)).ends] == [2]


def test_what_never_ran_ends_with_its_node_or_with_dagman() -> None:
    run = run_of()
    skipped = run.read(line(0, Word.SKIP, code=5))
    assert {(each.seen.state, each.seen.reason_code) for each in skipped.ends} == {
        (TaskState.ABORTED, "skipped")
    }
    rest = run.closed(AT)
    assert [(each.seen.proc, each.seen.state) for each in rest.ends] == [
        (2, TaskState.ABORTED), (3, TaskState.ABORTED)
    ]  # fmt: skip
    assert run.closed(AT).ends == []


def test_what_an_earlier_watcher_applied_is_not_told_again() -> None:
    run = run_of()
    again = run.read(line(0, Word.DONE, code=0, returned=0, cluster=7), is_again=True)
    assert not again.nodes and not again.ends
    assert [each.seen.proc for each in run.ended(1, end(1, 7)).ends] == [1], "it was not applied"
    assert {each.seen.proc for each in run.closed(AT).ends} == {2, 3}
