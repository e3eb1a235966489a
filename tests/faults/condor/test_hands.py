"""Somebody else removes, holds and releases the portal's jobs."""

from __future__ import annotations

from tests.faults.condor.grounds import Grounds
from tests.integration.running import eventually

EACH = 20


def test_jobs_removed_held_and_released_behind_our_back(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    ids = grounds.submit(seconds=2.0)
    grounds.until_begun(20)
    idle = grounds.machines.jobs("JobStatus == 1")
    assert len(idle) > 3 * EACH
    removed, held = idle[-EACH:], idle[-3 * EACH : -2 * EACH]
    for verb, jobs in (("rm", removed), ("hold", held)):
        grounds.machines.run(f"condor_{verb} {' '.join(jobs)}")

    def states() -> list[str]:
        return list(grounds.place.ask("statuses", ids=ids))

    eventually(lambda: states().count("Held") == EACH, within_s=120, what=grounds.place.said)
    first = ids[states().index("Held")]
    assert "by hand" in grounds.place.ask("state", job=first)["message"]
    grounds.machines.run(f"condor_release {' '.join(held)}")
    eventually(lambda: states().count("Aborted") == EACH, within_s=120, what=grounds.place.said)
    gone = [job for job, state in zip(ids, states(), strict=True) if state == "Aborted"]
    assert "removed from the queue" in grounds.place.ask("state", job=gone[0])["message"]
    grounds.all_end(but=gone, note=f"{EACH} removed, {EACH} held and released")
