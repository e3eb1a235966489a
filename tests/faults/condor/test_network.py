"""The way to the pool, and within it, is gone for a while."""

from __future__ import annotations

import time

from tests.faults.condor.grounds import Grounds
from tests.integration.running import eventually

OUTAGE_S = 60.0


def test_an_ssh_server_stopped_for_a_minute(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    grounds.submit(400)
    grounds.until_begun(40)
    grounds.machines.stop_ssh()
    stopped = time.monotonic()
    grounds.submit(100)
    eventually(lambda: grounds.health() == "DOWN", within_s=55, what=grounds.place.said)
    _hold_for_the_rest(stopped)
    before = grounds.active()
    assert before >= 100
    grounds.machines.start_ssh()
    grounds.all_end(note=f"{before} under way when it came back")


def test_a_connection_frozen_without_a_reset(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    grounds.submit(400)
    grounds.until_begun(40)
    grounds.machines.swallow()
    frozen = time.monotonic()
    grounds.submit(100)
    eventually(lambda: grounds.health() == "DOWN", within_s=90, what=grounds.place.said)
    told = time.monotonic() - frozen
    _hold_for_the_rest(frozen)
    grounds.machines.deliver()
    grounds.all_end(note=f"told after {told:.0f} s")


def test_a_worker_node_cut_off(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    grounds.submit(seconds=2.0)
    grounds.until_begun(60)
    grounds.machines.cut("worker2")
    try:
        grounds.all_end(may_restart=True, note="one of two workers never came back")
    finally:
        grounds.machines.heal("worker2")


def _hold_for_the_rest(since: float) -> None:
    """Let an outage last as long as it must."""
    time.sleep(max(0.0, since + OUTAGE_S - time.monotonic()))
