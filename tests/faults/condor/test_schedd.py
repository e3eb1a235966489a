"""The schedd is frozen in the middle of a submission, and killed while jobs run."""

from __future__ import annotations

from tests.faults.condor.grounds import Grounds
from tests.faults.place import kill
from tests.integration.running import eventually


def test_a_schedd_frozen_during_a_submission_while_another_supervisor_takes_over(
    grounds: Grounds,
) -> None:
    lease = grounds.record()
    first = grounds.supervise()
    freezing = grounds.machines.freeze_at_submission()
    grounds.submit()
    freezing.wait(timeout=120)
    eventually(
        lambda: not grounds.machines.schedd_answers(), within_s=10, what="the schedd is frozen"
    )
    kill(first)
    other = grounds.supervise()
    eventually(
        lambda: grounds.place.ask("holders").get(lease) == other.pid,
        within_s=60, what=f"another takes over\n{grounds.place.said}",
    )  # fmt: skip
    # It asks what became of the submission, which nobody can know yet.
    eventually(
        lambda: grounds.health() in ("DEG", "DOWN"),
        within_s=90,
        what=f"the portal tells\n{grounds.place.said}",
    )
    assert grounds.active() == len(grounds.ids)
    grounds.machines.signal("condor_schedd", "CONT")
    grounds.all_end()


def test_a_schedd_killed_and_restarted(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    grounds.submit()
    kills = 0
    for share in (60, 250):
        grounds.until_begun(share)
        kills += grounds.machines.signal("condor_schedd", "KILL")
        eventually(grounds.machines.schedd_answers, within_s=90, what="its master restarts it")
    grounds.all_end(may_restart=True, note=f"{kills} kills")
