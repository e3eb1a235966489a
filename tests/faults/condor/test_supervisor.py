"""A supervisor is killed or frozen around a submission to a pool, and another one takes over."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.faults.condor.grounds import Grounds
from tests.faults.place import kill
from tests.integration.running import eventually


def test_a_supervisor_killed_between_condor_submit_and_the_saved_handle(
    grounds: Grounds, tmp_path: Path
) -> None:
    frozen = tmp_path / "frozen"
    grounds.record("freezing-pool", freeze_at="handle", frozen=str(frozen))
    first = grounds.supervise()
    grounds.submit()
    eventually(frozen.exists, within_s=120, what=f"it submits\n{grounds.place.said}")
    assert grounds.machines.jobs()
    assert "PRE" in grounds.place.ask("batches").values()
    kill(first)
    grounds.supervise()
    grounds.all_end()


def test_a_supervisor_killed_again_and_again(grounds: Grounds) -> None:
    grounds.record()
    running = grounds.supervise()
    grounds.submit()
    kills = 0
    for share in (1, 40, 120, 240, 380):
        grounds.until_begun(share)
        kills += kill(running)
        running.wait()
        running = grounds.supervise()
    grounds.all_end(note=f"{kills} kills")


@pytest.mark.parametrize("instant", ["submit", "handle", "observe"])
def test_a_supervisor_frozen_past_its_lease_while_another_takes_over(
    grounds: Grounds, tmp_path: Path, instant: str
) -> None:
    frozen = tmp_path / "frozen"
    lease = grounds.record("freezing-pool", freeze_at=instant, frozen=str(frozen))
    sleeper = grounds.supervise()
    grounds.submit()
    eventually(frozen.exists, within_s=120, what=f"it freezes\n{grounds.place.said}")
    with grounds.place.nobody_writes():
        os.kill(sleeper.pid, signal.SIGSTOP)
        eventually(lambda: _is_stopped(sleeper), within_s=10, what="it is frozen")
    try:
        other = grounds.supervise()
        eventually(
            lambda: grounds.place.ask("holders").get(lease) == other.pid,
            within_s=60, what=f"another takes over\n{grounds.place.said}",
        )  # fmt: skip
        grounds.until_begun(100)
        # It wakes in the middle, with its submission or its observations in hand.
        assert _is_stopped(sleeper)
    finally:
        frozen.with_suffix(".go").touch()
        os.kill(sleeper.pid, signal.SIGCONT)
    eventually(
        lambda: "went to another supervisor" in grounds.place.logs[0].read_text(),
        within_s=60, what=f"it notices\n{grounds.place.said}",
    )  # fmt: skip
    grounds.all_end()
    assert "Traceback" not in grounds.place.said, grounds.place.said


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
