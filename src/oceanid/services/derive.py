"""What a job is doing, derived from what its tasks are doing: a pure function of counts."""

from __future__ import annotations

from dataclasses import dataclass

from oceanid.states import JobState, Wanted


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a job's processes (of a workflow: its nodes) are in which state.

    Those that are in none of these have not started.
    """

    total: int
    running: int = 0
    paused: int = 0
    held: int = 0
    complete: int = 0
    error: int = 0
    aborted: int = 0

    @property
    def ended(self) -> int:
        """How many have ended, however."""
        return self.complete + self.error + self.aborted


def job_state(
    counts: Counts,
    wanted: Wanted,
    *,
    has_results_step: bool,
    is_workflow: bool,
    returned: int | None = None,
) -> JobState:
    """The job's state.

    Args:
        counts: Where its processes stand.
        wanted: What is wanted of it.
        has_results_step: Whether something remains to be done with its results at the end.
        is_workflow: Whether one failure makes the whole a failure.
        returned: What a node made the whole workflow return, if one ended it (abort_dag_on).
    """
    if counts.ended >= counts.total:
        stops = wanted in (Wanted.STOP, Wanted.DELETE)
        end = end_state(counts, is_workflow=is_workflow, returned=None if stops else returned)
        if has_results_step and end in (JobState.COMPLETE, JobState.VARIOUS_COMPLETE):
            return JobState.RESULTS_READY
        return end
    failing = bool(counts.error) and wanted is Wanted.RUN
    if counts.running:
        return JobState.VARIOUS if counts.held or counts.paused or failing else JobState.RUNNING
    if counts.held:
        return JobState.HELD
    if counts.paused or wanted is Wanted.PAUSE:
        return JobState.PAUSED
    if not counts.ended:
        return JobState.SUBMITTED
    # Between two of its processes a job is what it was while they ran.
    return JobState.VARIOUS if failing else JobState.RUNNING


def end_state(counts: Counts, *, is_workflow: bool, returned: int | None = None) -> JobState:
    """The state of a job whose processes have all ended and whose results are dealt with."""
    if returned is not None:
        return JobState.ERROR if returned else JobState.COMPLETE
    if counts.aborted:
        return JobState.ABORTED
    if counts.error == 0:
        return JobState.COMPLETE
    return JobState.VARIOUS_COMPLETE if counts.complete and not is_workflow else JobState.ERROR
