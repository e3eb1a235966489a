"""A job's state follows from what its processes are doing."""

from __future__ import annotations

import pytest

from oceanid.services.derive import Counts, job_state
from oceanid.states import JobState, Wanted


def state_of(counts: Counts, wanted: Wanted = Wanted.RUN, **more: bool) -> JobState:
    """The state of a plain job, or of another kind."""
    kind = {"has_results_step": False, "is_workflow": False, **more}
    return job_state(counts, wanted, **kind)


@pytest.mark.parametrize("ended", [{"complete": 3}, {"complete": 2, "error": 1}, {"error": 3}])
def test_a_job_stays_what_it_is_between_two_of_its_processes(ended: dict[str, int]) -> None:
    between = state_of(Counts(10, **ended))
    assert between is state_of(Counts(10, running=1, **ended))
    assert between is (JobState.VARIOUS if "error" in ended else JobState.RUNNING)


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        (Counts(2), JobState.SUBMITTED),
        (Counts(2, running=1), JobState.RUNNING),
        (Counts(2, running=1, held=1), JobState.VARIOUS),
        (Counts(2, running=1, paused=1), JobState.VARIOUS),
        (Counts(2, held=1), JobState.HELD),
        (Counts(2, paused=1), JobState.PAUSED),
        (Counts(2, complete=2), JobState.COMPLETE),
        (Counts(2, complete=1, error=1), JobState.VARIOUS_COMPLETE),
        (Counts(2, error=2), JobState.ERROR),
        (Counts(2, complete=1, aborted=1), JobState.ABORTED),
    ],
)
def test_what_the_processes_do_decides(counts: Counts, state: JobState) -> None:
    assert state_of(counts) is state


def test_results_come_before_the_end_of_what_succeeded_alone() -> None:
    assert state_of(Counts(1, complete=1), has_results_step=True) is JobState.RESULTS_READY
    assert state_of(Counts(1, error=1), has_results_step=True) is JobState.ERROR


def test_one_failed_node_fails_a_workflow() -> None:
    assert state_of(Counts(2, complete=1, error=1), is_workflow=True) is JobState.ERROR


def test_a_job_that_is_to_stop_is_not_called_various_for_its_failures() -> None:
    assert state_of(Counts(3, running=1, error=1), Wanted.STOP) is JobState.RUNNING
