"""The pure parts of the engine: places, manifests, meanings, constraints and frames."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from oceanid.engines.htcondor import queue
from oceanid.engines.htcondor.eventlog import LogReader
from oceanid.engines.htcondor.follow import _Frames
from oceanid.engines.htcondor.holds import LATE_REASON, PAUSE_REASON
from oceanid.engines.htcondor.manifest import Entry, Manifest, Wanted
from oceanid.engines.htcondor.meaning import from_ad, from_event, is_late, judged
from oceanid.engines.htcondor.placing import Places
from oceanid.engines.htcondor.remote import failure
from oceanid.engines.local.runner.files import Refused
from oceanid.errors import EngineUnavailable
from oceanid.specs import Command, Handle, Transfer, Verb
from oceanid.states import TaskState

BATCH = uuid.UUID("6f3e51cb-3d1e-4a6c-9d0e-2f8f5f0f3a11")


def wanted(**fields: Any) -> Wanted:
    plain: dict[str, Any] = {
        "success": 0, "folder": "/job", "sandboxed": True, "append": False,
        "keep_folders": False, "outputs": None, "remaps": (),
    }  # fmt: skip
    return Wanted(**(plain | fields))


@pytest.mark.parametrize(
    ("fields", "name", "target"),
    [
        ({}, "new.txt", "/job/new.txt"),
        ({"outputs": (Transfer("a/one", "/job/one"),)}, "one", "/job/one"),
        ({"outputs": (Transfer("d", "/job/d"),)}, "d/e/two", "/job/d/e/two"),
        ({"outputs": (Transfer("d", "/job/x", True),)}, "e/two", "/job/x/e/two"),
        ({"remaps": (("one", "/else/eins"),)}, "one", "/else/eins"),
        ({"remaps": (("one", "/else/"),)}, "one", "/else/one"),
        ({"remaps": (("one", "https://x/y"),)}, "one", "/job/one"),
        (
            {"outputs": (Transfer("a/one", "/job/one"),), "remaps": (("a/one", "/job/eins"),)},
            "one",
            "/job/eins",
        ),
    ],
)
def test_an_output_goes_where_its_specification_says(
    fields: dict[str, Any], name: str, target: str
) -> None:
    assert Places(wanted(**fields)).target(name) == target


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a//b"])
def test_an_output_whose_name_leads_out_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        Places(wanted()).target(name)


def test_a_manifest_comes_back_as_it_was_written() -> None:
    kind = wanted(outputs=(Transfer("d", "/job/d", True),), remaps=(("a", "/b"),), wall_time_s=9)
    entries = {proc: Entry(kind, f"/job/o{proc}", "") for proc in range(3)}
    again = Manifest.load(Manifest(BATCH, entries, [[0, 2], [1]]).dump())
    assert (again.batch, again.entries, again.orders) == (BATCH, entries, [[0, 2], [1]])


@pytest.mark.parametrize(
    ("ad", "state"),
    [
        ({"JobStatus": 1}, TaskState.SUBMITTED),
        ({"JobStatus": 2}, TaskState.RUNNING),
        ({"JobStatus": 2, "TransferringOutput": True}, TaskState.TRANSFERRING),
        ({"JobStatus": 3}, TaskState.ABORTED),
        ({"JobStatus": 4, "ExitCode": 0}, TaskState.COMPLETE),
        ({"JobStatus": 5, "HoldReasonCode": 34}, TaskState.HELD),
        ({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": PAUSE_REASON}, TaskState.PAUSED),
        ({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": LATE_REASON}, TaskState.ERROR),
        ({"JobStatus": 5, "HoldReasonCode": 1, "HoldReason": "by hand"}, TaskState.HELD),
        ({"JobStatus": 5, "HoldReasonCode": 47}, TaskState.ERROR),
        ({"JobStatus": 6}, TaskState.TRANSFERRING),
        ({"JobStatus": 7}, TaskState.PAUSED),
    ],
)
def test_every_job_status_has_its_state(ad: dict[str, Any], state: TaskState) -> None:
    seen = from_ad(ad, BATCH, 0)
    assert seen is not None
    assert seen.state is state
    assert bool(seen.hint) == (state in (TaskState.HELD, TaskState.ERROR) or ad["JobStatus"] == 7)


def test_a_status_that_is_unknown_says_nothing() -> None:
    assert from_ad({"JobStatus": 99}, BATCH, 0) is None


def test_a_job_that_htcondor_lets_run_too_long_is_noticed() -> None:
    ad = {"JobStatus": 2, "JobCurrentStartExecutingDate": 1000, "AllowedExecuteDuration": 60}
    assert not is_late(ad | {"ServerTime": 1065})
    assert is_late(ad | {"ServerTime": 1100})
    assert not is_late({"JobStatus": 2, "ServerTime": 1100})


def event(head: str, *body: str) -> Any:
    lines = "".join(f"\t{line}\n" for line in body)
    (found,) = LogReader().feed(f"{head}\n{lines}...\n".encode())
    return from_event(found, BATCH, 3)


def test_an_execute_event_names_the_machine() -> None:
    seen = event(
        "001 (012.003.000) 2026-11-24 10:00:00 Job executing on host: "
        "<10.0.0.1:9618?addrs=10.0.0.1-9618&alias=w1.example.org&sock=x>",
    )
    assert (seen.state, seen.host) == (TaskState.RUNNING, "w1.example.org")
    assert seen.at == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_an_end_is_judged_by_what_counts_as_success() -> None:
    seen = event(
        "005 (012.003.000) 2026-11-24 10:00:00 Job terminated.",
        "(1) Normal termination (return value 3)",
        "\tUsr 0 00:00:02, Sys 0 00:00:01  -  Total Remote Usage",
        "Memory (MB)          :        5        1       128",
    )
    assert judged(seen, 3).state is TaskState.COMPLETE
    assert judged(seen, 0).state is TaskState.ERROR
    assert (seen.usage.cpu_s, seen.usage.peak_memory_mib) == (3.0, 5.0)


@pytest.mark.parametrize(
    "head",
    [
        "006 (1.0.0) 2026-11-24 10:00:00 Image size of job updated: 1",
        "022 (1.0.0) 2026-11-24 10:00:00 Job disconnected, attempting to reconnect",
        "999 (1.0.0) 2026-11-24 10:00:00 Something new",
    ],
)
def test_what_says_nothing_of_the_state_changes_nothing(head: str) -> None:
    assert event(head) is None


def test_memory_is_told_while_it_runs_and_moves_nothing() -> None:
    seen = event(
        "006 (012.003.000) 2026-11-24 10:00:00 Image size of job updated: 81920",
        "64  -  MemoryUsage of job (MB)",
        "65400  -  ResidentSetSize of job (KB)",
    )
    assert (seen.moves, seen.state, seen.usage.peak_memory_mib) == (False, TaskState.RUNNING, 64.0)


def _no_factories(command: Command) -> tuple[int, ...]:
    return ()


def test_what_means_a_factory_asks_its_own_ad_and_what_does_not_only_jobs() -> None:
    command = Command(Verb.STOP, Handle(BATCH, {}), (0, 1))
    (jobs,) = queue._constraints(_no_factories, [command])
    assert "ProcId >= 0" in jobs
    (both,) = queue._constraints(lambda _: (17,), [command])
    assert "ClusterId =?= 17 && ProcId =?= undefined" in both
    assert "ProcId >= 0" in both


def test_commands_name_their_tasks_in_ranges_and_few_constraints() -> None:
    handle = Handle(BATCH, {})
    command = Command(Verb.STOP, handle, (*range(5000), 7000))
    (constraint,) = queue._constraints(_no_factories, [command, command])
    assert constraint.count(str(BATCH)) == 1
    assert "OceanidProc >= 0 && OceanidProc <= 4999" in constraint
    assert "OceanidProc == 7000" in constraint
    scattered = Command(Verb.STOP, handle, tuple(range(0, 100_000, 2)))
    assert all(len(each) < 100_000 for each in queue._constraints(_no_factories, [scattered]))


def test_a_stream_is_cut_into_looks_whatever_its_pieces() -> None:
    stream = b"\nN D 7 10 log/a\nhello\n...\n\nN E\n\nN E\n\nN D 8 0 log/b\n\nx\nN E\n"
    for size in (1, 2, 3, 7, 1000):
        frames = _Frames("N")
        looks = []
        for begin in range(0, len(stream), size):
            looks += frames.feed(stream[begin : begin + size])
        assert [[(p.inode, p.offset, p.name, p.data) for p in look] for look in looks] == [
            [(7, 10, "log/a", b"hello\n...\n")],
            [],
            [(8, 0, "log/b", b"\nx")],
        ]


def test_a_schedd_that_cannot_be_reached_says_nothing_of_the_jobs() -> None:
    assert isinstance(failure("condor_q", "Failed to connect to <10.0.0.1>"), EngineUnavailable)
    full = failure("condor_submit", "Number of submitted jobs would exceed MAX_JOBS_PER_OWNER")
    assert (full.slug, full.transient) == ("queue-full", True)
    assert not failure("condor_submit", "ERROR: no such attribute").transient
    disk = failure("The batch could not be handed over", "tar: run: No space left on device")
    assert (disk.slug, disk.transient) == ("disk-full", True)
