"""The event log's reader: agrees with HTCondor's own, resumes anywhere, survives anything."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanid.engines.htcondor import eventlog
from oceanid.engines.htcondor.eventlog import LogEvent, LogReader

LOGS = sorted((Path(__file__).parent / "eventlogs").glob("*.log"))
WHOLE = b"".join(path.read_bytes() for path in LOGS)

text = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85"),
    min_size=1, max_size=60,
).map(lambda made: " ".join(made.split()) or "x")  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> str:
    """One event as HTCondor writes it."""
    kind = draw(st.sampled_from((0, 1, 4, 5, 6, 7, 9, 10, 11, 12, 13, 22, 23, 24, 35, 36, 37, 38)))
    proc = "-01" if kind >= 35 else f"{draw(st.integers(0, 99999)):03d}"
    job = f"{draw(st.integers(1, 99999)):03d}.{proc}.000"
    stamp = datetime.fromtimestamp(draw(st.integers(1_500_000_000, 2_000_000_000)), UTC)
    host = "<10.0.0.1:9618?addrs=10.0.0.1-9618&alias=ep.example.org&sock=startd_1>"
    why = draw(text)
    used = "".join(
        f"\t\tUsr 0 00:01:02, Sys 1 00:00:03  -  {what} Usage\n"
        for what in ("Run Remote", "Run Local", "Total Remote", "Total Local")
    )
    sent = "".join(
        f"\t12  -  {what} By Job\n"
        for what in (
            "Run Bytes Sent", "Run Bytes Received", "Total Bytes Sent", "Total Bytes Received",
        )
    )  # fmt: skip
    code = draw(st.integers(0, 255))
    body = {
        0: f"Job submitted from host: {host}\n    oceanid note {code}\n",
        1: f"Job executing on host: {host}\n\tSlotName: slot1_1@ep.example.org\n",
        4: "Job was evicted.\n\t(0) CPU times\n"
        + "".join(used.splitlines(keepends=True)[:2])
        + "\t5  -  Run Bytes Sent By Job\n\t6  -  Run Bytes Received By Job\n",
        5: "Job terminated.\n\t"
        + draw(
            st.sampled_from(
                (
                    f"(1) Normal termination (return value {code})\n",
                    f"(0) Abnormal termination (signal {code % 32 + 1})\n\t(0) No core file\n",
                )
            )
        )
        + used
        + sent,
        6: f"Image size of job updated: {code}\n\t{code}  -  MemoryUsage of job (MB)\n"
        f"\t{code}  -  ResidentSetSize of job (KB)\n",
        7: f"Shadow exception!\n\t{why}\n\t0  -  Run Bytes Sent By Job\n"
        "\t0  -  Run Bytes Received By Job\n",
        9: f"Job was aborted.\n\t{why}\n",
        10: f"Job was suspended.\n\tNumber of processes actually suspended: {code}\n",
        11: "Job was unsuspended.\n",
        12: f"Job was held.\n\t{why}\n\tCode {code} Subcode {draw(st.integers(0, 99))}\n",
        13: f"Job was released.\n\t{why}\n",
        22: f"Job disconnected, attempting to reconnect\n    {why}\n    Trying to reconnect to "
        f"slot1@ep.example.org {host}\n",
        23: f"Job reconnected to slot1@ep.example.org\n    startd address: {host}\n"
        f"    starter address: {host}\n",
        24: f"Job reconnection failed\n    {why}\n    Can not reconnect to slot1@ep.example.org, "
        "rescheduling job\n",
        35: f"Cluster submitted from host: {host}\n    oceanid note {code}\n",
        36: f"Cluster removed\n\tMaterialized {code} jobs from {code} items.\tComplete\n",
        37: f"Job Materialization Paused\n\t{why}\n\tPauseCode 1\n\tHoldCode 1\n",
        38: f"Job Materialization Resumed\n\t{why}\n",
    }[kind]
    return f"{kind:03d} ({job}) {stamp:%Y-%m-%d %H:%M:%S} {body}...\n"


logs = st.lists(events(), min_size=1, max_size=12).map(lambda made: "".join(made).encode())


def whole(data: bytes) -> list[LogEvent]:
    return LogReader().feed(data)


def told(event: LogEvent) -> tuple[object, ...]:
    """What both readers tell."""
    details: tuple[object, ...] = ()
    if event.number == 5:
        end = eventlog.ending(event)
        details = (end.exit_code, end.exit_signal)
    elif event.number == 12:
        details = eventlog.hold(event)
    elif event.number in (9, 13):
        details = (eventlog.reason(event),)
    return (event.number, event.cluster, event.proc, int(event.at.timestamp()), *details)


def condors_own(path: Path) -> list[tuple[object, ...]]:
    """The events as HTCondor's bindings read them."""
    htcondor2 = pytest.importorskip("htcondor2", reason="pip install htcondor")
    found = []
    for event in htcondor2.JobEventLog(str(path)).events(stop_after=0):
        number = int(event.type)
        details: tuple[object, ...] = ()
        if number == 5:
            normal = event.get("TerminatedNormally")
            details = (
                event.get("ReturnValue") if normal else None,
                None if normal else event.get("TerminatedBySignal"),
            )
        elif number == 12:
            details = (
                " ".join(str(event.get("HoldReason", "")).split()),
                event.get("HoldReasonCode", 0), event.get("HoldReasonSubCode", 0),
            )  # fmt: skip
        elif number in (9, 13):
            details = (" ".join(str(event.get("Reason", "")).split()),)
        found.append((number, event.cluster, event.proc, int(event.timestamp), *details))
    return found


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "UTC")


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_it_agrees_with_htcondor_on_the_logs_of_real_pools(path: Path) -> None:
    ours = [told(event) for event in whole(path.read_bytes())]
    assert ours
    assert ours == condors_own(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs)
def test_it_agrees_with_htcondor_on_generated_logs(
    tmp_path_factory: pytest.TempPathFactory, log: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(log)
    assert [told(event) for event in whole(log)] == condors_own(path)


@settings(max_examples=80, deadline=None)
@given(logs, st.data())
def test_it_reads_the_same_whatever_the_pieces(log: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8)))
    reader = LogReader()
    found: list[LogEvent] = []
    for begin, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        found += reader.feed(log[begin:end])
    assert found == whole(log)
    assert reader.offset == len(log)


@settings(max_examples=80, deadline=None)
@given(logs, st.data())
def test_it_resumes_at_any_byte_with_every_event_that_begins_behind_it(
    log: bytes, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, len(log)))
    expected = [event for event in whole(log) if event.start >= offset]
    found = LogReader(offset).feed(log[offset:])
    assert found[-len(expected) :] == expected if expected else len(found) <= 1


@settings(max_examples=120, deadline=None)
@given(logs, logs, st.binary(max_size=200))
def test_garbage_between_events_costs_none_of_them(
    before: bytes, after: bytes, garbage: bytes
) -> None:
    garbage = garbage.replace(b"...", b"")
    found = whole(before + garbage + b"\n" + after)
    wanted = [told(event) for event in [*whole(before), *whole(after)]]
    assert [told(event) for event in found] == wanted


@settings(max_examples=80, deadline=None)
@given(logs, st.data())
def test_a_torn_end_waits_and_is_never_half_an_event(log: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    found = whole(log[:cut])
    assert found == [event for event in whole(log) if event.end <= cut]


@given(st.binary(max_size=2000))
def test_anything_at_all_is_survived(data: bytes) -> None:
    for event in whole(data):
        eventlog.ending(event)
        eventlog.hold(event)
        eventlog.machine(event)


def test_what_never_ends_is_not_kept() -> None:
    reader = LogReader()
    for _ in range(40):
        reader.feed(b"x" * 99_999 + b"\n")
    assert reader.expected - reader.offset <= 1 << 21


@pytest.mark.parametrize("line", ["005 (1.0.0) 2026-13-45 99:99:99 Job terminated.\n"])
def test_a_date_that_is_none_is_garbage(line: str) -> None:
    assert whole(f"{line}...\n".encode()) == []


def test_the_old_format_of_times_tells_the_last_year_that_fits() -> None:
    log = b"013 (001.000.000) 12/31 23:59:59 Job was released.\n\tx\n...\n"
    reader = LogReader(now=lambda: datetime(2026, 1, 1, 0, 5, tzinfo=UTC))
    assert reader.feed(log)[0].at == datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("cut", range(30, 75))
def test_an_event_that_a_full_disk_tore_does_not_end_as_the_next_one_did(cut: int) -> None:
    def end(proc: int, code: int) -> bytes:
        return (
            b"005 (12.%03d.000) 2026-11-25 00:56:20 Job terminated.\n"
            b"\t(1) Normal termination (return value %d)\n...\n" % (proc, code)
        )

    events = LogReader().feed(end(94, 0)[:cut] + end(95, 3) + end(96, 1))
    ends = {each.proc: eventlog.ending(each).exit_code for each in events}
    assert ends.pop(96) == 1
    assert ends in ({}, {95: 3})
