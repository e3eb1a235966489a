"""The schedd is killed in the middle of a batch that is submitted in several parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.condor.grounds import JOBS, Grounds
from tests.faults.load import Wanted
from tests.integration.running import eventually


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_schedd_killed_between_two_parts_of_a_batch(grounds: Grounds, how: str) -> None:
    grounds.record()
    more = grounds.wanted(JOBS)
    more[1::2] = [replace(each, more={"+Shape": '"x"'}) for each in more[1::2]]
    killing = grounds.machines.kill_schedd_at("submit.1", how)
    grounds.supervise()
    grounds.execute(more)
    killing.wait(timeout=120)
    eventually(grounds.machines.schedd_answers, within_s=90, what="its master restarts it")
    grounds.all_end(may_restart=True)


def test_a_schedd_killed_as_soon_as_it_has_a_factory(grounds: Grounds) -> None:
    grounds.record()
    killing = grounds.machines.kill_schedd_at("submit.0", "after")
    grounds.supervise()
    whole = Wanted(
        "job-0", "array", str(grounds.script), str(grounds.ledger),
        processes=JOBS, seconds=0.5, more={"max_idle": "40"},
    )  # fmt: skip
    grounds.execute([whole])
    killing.wait(timeout=120)
    eventually(grounds.machines.schedd_answers, within_s=90, what="its master restarts it")
    grounds.all_end(may_restart=True)
