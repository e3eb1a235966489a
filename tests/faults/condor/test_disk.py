"""The submit host's disk fills up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.condor.grounds import Grounds
from tests.integration.running import eventually

FILL = "dd if=/dev/zero of=/home/alice/.oceanid/ballast bs=64k 2>/dev/null"
FREE = "rm ~alice/.oceanid/ballast"


@pytest.fixture
def small_disk(grounds: Grounds) -> Iterator[Grounds]:
    """Oceanid's directory on the submit host lies on a disk of its own."""
    grounds.machines.run(
        "mkdir ~alice/.oceanid && mount -t tmpfs -o size=48m,mode=700,uid=10001,gid=10001"
        " small ~alice/.oceanid"
    )
    yield grounds
    grounds.machines.run("condor_rm -all; umount -l ~alice/.oceanid")


def test_a_submit_hosts_disk_is_full_before_and_while_jobs_run(small_disk: Grounds) -> None:
    grounds = small_disk
    grounds.record()
    grounds.machines.run(FILL)
    grounds.supervise()
    grounds.submit()
    log = grounds.place.logs[0]
    eventually(
        lambda: "No space left on device" in log.read_text(),
        within_s=120, what=f"a submission fails\n{grounds.place.said}",
    )  # fmt: skip
    assert grounds.active() == len(grounds.ids)
    grounds.machines.run(FREE)
    grounds.until_begun(100)
    grounds.machines.run(FILL)
    grounds.until_begun(220)
    grounds.machines.run(FREE)
    held = 0

    def release() -> bool:
        """What a person does when there is room again: resume what is held."""
        nonlocal held
        waiting = grounds.place.ask("resume_held")
        held += waiting
        return grounds.active() == 0

    eventually(release, within_s=400, what=f"all end\n{grounds.place.said}")
    grounds.all_end(may_restart=True, note=f"{held} times a job was resumed")
