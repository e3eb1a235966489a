"""A workflow of 500 jobs goes through DAGMan while supervisors are killed."""

from __future__ import annotations

from tests.faults.condor.grounds import JOBS, Grounds
from tests.faults.load import Wanted
from tests.faults.place import kill


def test_a_workflow_of_500_jobs_whose_supervisor_is_killed_again_and_again(
    grounds: Grounds,
) -> None:
    grounds.record(allow_scripts=True)
    running = grounds.supervise()
    flow = Wanted(
        "flow", "workflow", str(grounds.script), str(grounds.ledger),
        processes=JOBS - 4, seconds=1.0,
    )  # fmt: skip
    grounds.execute([flow])
    kills = 0
    for share in (1, 40, 150, 300, 450):
        grounds.until_begun(share)
        kills += kill(running)
        running.wait()
        running = grounds.supervise()
    grounds.all_end(note=f"{kills} kills")
