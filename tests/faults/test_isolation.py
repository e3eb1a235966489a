"""An engine that hangs, breaks or is not there delays nobody, is told of, and is tried again."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from tests.faults.conftest import QUICK, MakePlace
from tests.faults.engines import offer
from tests.faults.figures import Figures
from tests.faults.load import Wanted, judge
from tests.faults.place import Place
from tests.integration.running import eventually

STEP_TIMEOUT_S = 1.0
SETTINGS = QUICK.replace("[OCEANID.LOCAL]", f"STEP_TIMEOUT_S = {STEP_TIMEOUT_S}\n[OCEANID.LOCAL]")
PROBES = 12
SLACK_S = 1.5
HANGS_S = 45.0


@pytest.fixture
def place(make_place: MakePlace, tmp_path: Path) -> Place:
    """A place with the faulty engines installed, and no supervisor yet."""
    made = make_place(settings=SETTINGS, paths=(offer(tmp_path / "plugins"),))
    made.migrate()
    return made


def _jobs(place: Place, name: str, count: int, scheduler: str | None = None) -> list[int]:
    ledger = str(place.folder / "ledger")
    load = [
        Wanted(f"{name}-{n}", "plain", str(place.script), ledger, seconds=0) for n in range(count)
    ]
    asked = place.ask(
        "submit", load=[each.json for each in load], together=True, scheduler=scheduler
    )
    ids = list(asked.values())
    if scheduler is None:
        place.wait_for_the_end(ids, within_s=60)
        verdict = judge(load, Path(ledger), place.ask("outcome", ids=ids))
        assert not verdict.lost
        assert not [each for each in verdict.wrong if "in the ledger" not in each]
    return ids


def _latency_s(place: Place, name: str) -> float:
    took = []
    for number in range(PROBES):
        began = time.monotonic()
        _jobs(place, f"{name}{number}", 1)
        took.append(time.monotonic() - began)
    return median(took)


def _scheduler(place: Place, engine: str, **config: object) -> tuple[str, Path]:
    calls = place.folder / f"{engine}.calls"
    place.ask("scheduler", name=engine, engine=engine, config={"calls": str(calls), **config})
    return engine, calls


def _told(place: Place, scheduler: str, word: str) -> str:
    def look() -> str:
        message = place.ask("health", name=scheduler)["message"]
        return message if word in message else ""

    return eventually(look, within_s=60, what=f"{scheduler} says {word}\n{place.said}")


@pytest.mark.parametrize("hangs", ["open", "calls"])
def test_an_engine_that_hangs_in_every_call_delays_nobody(
    place: Place, figures: Figures, database: str, hangs: str
) -> None:
    supervisor = place.start("supervise")
    _jobs(place, "warm", 5)
    before = _latency_s(place, "before")
    name, calls = _scheduler(place, "hanging", open=hangs == "open")
    stuck = _jobs(place, "stuck", 5, name)
    _told(place, name, "did not answer")
    assert place.ask("health", name=name)["health"] == "DOWN"
    for job in stuck[:2]:
        place.ask("stop", job=job)
    beside = _latency_s(place, "beside")
    figures.notes.append(
        f"{database}: a job took {before:.2f} s alone, {beside:.2f} s beside an engine that "
        f"hangs in {hangs}"
    )
    assert beside < 2 * before + SLACK_S
    assert {place.ask("state", job=job)["status"] for job in stuck} <= {"Submitted", "Aborted"}
    eventually(
        lambda: len(calls.read_text().splitlines()) >= (4 if hangs == "open" else 8),
        within_s=60, what="it is tried again",
    )  # fmt: skip
    _backs_off(calls, "open" if hangs == "open" else "settle")
    supervisor.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert supervisor.wait(timeout=20) == 0, place.said
    assert time.monotonic() - began < 6
    assert "Traceback" not in place.said


def _backs_off(calls: Path, call: str) -> None:
    """Whether tries of one call come less and less often, and never in a tight loop."""
    times = [
        float(line.split()[1]) for line in calls.read_text().splitlines() if line.startswith(call)
    ]
    starts = [times[0]] + [at for before, at in pairwise(times) if at - before > 0.5]
    assert len(starts) >= 2, calls.read_text()
    pauses = [at - before for before, at in pairwise(starts)]
    assert min(pauses) > STEP_TIMEOUT_S + 0.9, pauses


def test_an_engine_that_raises_anything_is_told_and_its_jobs_wait(place: Place) -> None:
    supervisor = place.start("supervise")
    name, calls = _scheduler(place, "raising")
    waiting = _jobs(place, "waiting", 3, name)
    _told(place, name, "ZeroDivisionError: a bug in")
    _jobs(place, "beside", 10)
    eventually(lambda: "submit" in calls.read_text(), within_s=30, what="a submission")
    assert {place.ask("state", job=job)["status"] for job in waiting} == {"Submitted"}
    assert supervisor.poll() is None
    began = len(calls.read_text().splitlines())
    pause = time.monotonic()
    _jobs(place, "more", 10)
    tries = len(calls.read_text().splitlines()) - began
    assert tries < 10 + 4 * (time.monotonic() - pause), "it is tried in a tight loop"


@pytest.mark.parametrize(
    ("engine", "word"),
    [("unborn", "a bug in its constructor"), ("gone", "no_such_module"), ("never", "never")],
)
def test_an_engine_that_can_not_be_used_is_told_everywhere_and_stops_nothing(
    place: Place, engine: str, word: str
) -> None:
    name, _ = _scheduler(place, engine)
    supervisor = place.start("supervise")
    _jobs(place, "beside", 10)
    _told(place, name, word)
    doctor = {each["name"]: each for each in json.loads(place.command("doctor", "--json"))}
    assert word in doctor[f"Scheduler {name}"]["found"]
    assert doctor[f"Scheduler {name}"]["level"] == "wrong"
    if engine == "gone":
        assert word in doctor["Engine gone"]["found"]
    assert supervisor.poll() is None


def test_a_scheduler_that_is_mended_works_without_a_restart(place: Place) -> None:
    name, _ = _scheduler(place, "hanging", open=True)
    place.start("supervise")
    waiting = _jobs(place, "waiting", 3, name)
    _told(place, name, "did not answer")
    place.ask("mend", name=name, engine="local")
    place.wait_for_the_end(waiting, within_s=60)
    assert {place.ask("state", job=job)["status"] for job in waiting} == {"Complete"}
    eventually(
        lambda: place.ask("health", name=name)["health"] == "OK", within_s=30, what="its health"
    )


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="a lease makes a file hang; Linux")
def test_input_files_on_a_disk_that_hangs_hold_up_their_jobs_alone(place: Place) -> None:
    place.start("supervise")
    _jobs(place, "warm", 2)
    with ExitStack() as stack:
        hung = [stack.enter_context(_hung(place.folder / f"hung{number}")) for number in range(6)]
        stuck = [place.ask("submit_with_input", name=path.name, source=str(path)) for path in hung]
        began = time.monotonic()
        _jobs(place, "beside", 10)
        place.ask("stop", job=stuck[0])
        place.wait_for_the_end(stuck[:1], within_s=30)
        assert time.monotonic() - began < HANGS_S / 2
        told = [place.ask("state", job=job)["status"] for job in stuck]
        assert told == ["Aborted"] + ["Submitted"] * 5
    place.wait_for_the_end(stuck, within_s=2 * HANGS_S)
    assert place.ask("state", job=stuck[-1])["status"] == "Complete"


@contextmanager
def _hung(path: Path) -> Iterator[Path]:
    """A file whose opening hangs while the block lasts, though for ``HANGS_S`` at most
    (fcntl(2), "Leases")."""
    path.touch()
    holder = os.open(path, os.O_RDWR)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield path
    finally:
        os.close(holder)
        signal.signal(signal.SIGIO, before)
