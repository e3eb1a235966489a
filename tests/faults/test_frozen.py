"""A supervisor that is frozen (SIGSTOP) past its lease and wakes when another has taken over."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import MakePlace
from tests.faults.engines import offer
from tests.faults.load import Wanted, judge
from tests.faults.place import Place
from tests.integration.running import eventually

INSTANTS = ("submit", "manifest", "handle", "observe")


@pytest.mark.parametrize("instant", INSTANTS)
def test_nothing_is_doubled_or_overwritten_when_it_wakes(
    make_place: MakePlace, tmp_path: Path, instant: str
) -> None:
    place = make_place(paths=(offer(tmp_path / "plugins"),))
    place.migrate()
    frozen = tmp_path / "frozen"
    config = {"cpus": 4, "disk_reserve_mib": 1, "freeze_at": instant, "frozen": str(frozen)}
    lease = place.ask("scheduler", name="odd", engine="freezing", config=config)
    sleeper, other = place.start("supervise"), None
    load = _load(place, "early", 40)
    ids = _submit(place, load)
    eventually(frozen.exists, within_s=60, what=f"it freezes\n{place.said}")
    with place.nobody_writes():
        os.kill(sleeper.pid, signal.SIGSTOP)
        eventually(lambda: _is_stopped(sleeper), within_s=10, what="it is frozen")
    before = place.ask("batches")
    try:
        other = place.start("supervise")
        place.wait_for_the_end(ids, within_s=90)
        assert place.ask("holders")[lease] == other.pid
        assert _is_stopped(sleeper)
        ended = {job: place.ask("state", job=job) for job in ids}
    finally:
        frozen.with_suffix(".go").touch()
        os.kill(sleeper.pid, signal.SIGCONT)
    if instant in ("submit", "manifest"):
        assert "PRE" in before.values()
    # It is awake when it has taken note of what it lost, and takes part again.
    eventually(
        lambda: "went to another supervisor" in place.logs[0].read_text(),
        within_s=60, what=f"it notices\n{place.said}",
    )  # fmt: skip
    assert {job: place.ask("state", job=job) for job in ids} == ended
    more = _load(place, "late", 20)
    later = _submit(place, more)
    place.wait_for_the_end(later, within_s=90)
    _well(place, load + more, ids + later)
    other.kill()
    other.wait()
    last = _load(place, "last", 20)
    final = _submit(place, last)
    place.wait_for_the_end(final, within_s=90)
    assert place.ask("holders")[lease] == sleeper.pid
    _well(place, load + more + last, ids + later + final)
    eventually(
        lambda: not place.ask("batches") and not place.ask("litter", name="odd"),
        within_s=30, what="the batches go, those too that were never sent",
    )  # fmt: skip
    assert "Traceback" not in place.said, place.said


def _load(place: Place, name: str, count: int) -> list[Wanted]:
    ledger = str(place.folder / "ledger")
    return [
        Wanted(f"{name}-{n}", "plain", str(place.script), ledger, seconds=0.02, code=n % 3)
        for n in range(count)
    ]


def _submit(place: Place, load: list[Wanted]) -> list[int]:
    asked = place.ask("submit", load=[each.json for each in load], together=True, scheduler="odd")
    return list(asked.values())


def _well(place: Place, load: list[Wanted], ids: list[int]) -> None:
    verdict = judge(load, place.folder / "ledger", place.ask("outcome", ids=ids))
    assert verdict.is_good, f"{verdict}\n{place.said}"
    assert not place.no_orphans()
    place.ask("order")


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
