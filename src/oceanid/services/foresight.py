"""What an action on a job would do, told without doing it; for many jobs at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from oceanid.engines.registry import engine_class
from oceanid.errors import OceanidError
from oceanid.models import BulkVerb, Job, Scheduler
from oceanid.services import policy
from oceanid.specs import Capability
from oceanid.states import JobState, Wanted


class Outcome(StrEnum):
    """What an action does, or did, about one job."""

    DONE = "done"
    ENDED = "ended"
    UNSTARTED = "unstarted"
    UNDERWAY = "underway"
    ALREADY = "already"
    STOPPING = "stopping"
    DELETING = "deleting"
    UNABLE = "unable"
    REFUSED = "refused"
    NOT_YOURS = "not-yours"
    GONE = "gone"


FIELDS = ("pk", "state", "wanted", "type", "scheduler_id", "tasks_held")
"""What :func:`foresee` must know of a job."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as far as an action depends on it; the fields are the job's."""

    pk: int
    state: str
    wanted: str
    type: str
    scheduler_id: int | None
    tasks_held: int

    @classmethod
    def of(cls, job: Job) -> Seen:
        """What counts about a job that was read."""
        return cls(job.pk, job.state, job.wanted, job.type, job.scheduler_id, job.tasks_held)


class Foresight:
    """Foresees for one person and one action; reads the schedulers once.

    Args:
        verb: The action.
        user: Who asks for it.
    """

    def __init__(self, verb: str, user: policy.Person) -> None:
        self.verb = BulkVerb(verb)
        self.user = user
        self._pausing: Mapping[int, bool] | None = None

    def each(
        self, jobs: Iterable[Seen], *, allowed: Collection[int] | None = None
    ) -> dict[int, Outcome]:
        """What would happen to each of these jobs, all of which the person may see.

        Args:
            jobs: The jobs.
            allowed: Those of them that the person may act on, when that is known already.
        """
        known = list(jobs)
        if allowed is None:
            allowed = policy.acting_among(self.user, [job.pk for job in known])
        return {job.pk: self._one(job) if job.pk in allowed else Outcome.NOT_YOURS for job in known}

    def _one(self, job: Seen) -> Outcome:
        state, wanted = JobState(job.state), job.wanted
        if wanted == Wanted.DELETE:
            return Outcome.DELETING
        if self.verb == BulkVerb.DELETE:
            return Outcome.DONE
        if self.verb == BulkVerb.RESUBMIT:
            return self._resubmitted(job, state)
        if state.is_final:
            return Outcome.ENDED
        if wanted == Wanted.STOP:
            return Outcome.STOPPING
        if self.verb == BulkVerb.STOP:
            return Outcome.DONE
        if wanted == Wanted.DRAFT:
            return Outcome.UNSTARTED
        if self.verb == BulkVerb.PAUSE:
            if wanted == Wanted.PAUSE:
                return Outcome.ALREADY
            return Outcome.DONE if self._can_pause(job.scheduler_id) else Outcome.UNABLE
        stands = wanted == Wanted.PAUSE or state is JobState.HELD or job.tasks_held > 0
        return Outcome.DONE if stands else Outcome.ALREADY

    def _resubmitted(self, job: Seen, state: JobState) -> Outcome:
        if not state.is_final:
            return Outcome.UNSTARTED if state is JobState.PENDING else Outcome.UNDERWAY
        # Of a BASIC job its app keeps the status: nothing would run it.
        return Outcome.UNABLE if job.type == "BASIC" else Outcome.DONE

    def _can_pause(self, scheduler_id: int | None) -> bool:
        if self._pausing is None:
            engines = Scheduler.objects.values_list("pk", "engine")
            self._pausing = {pk: _pauses(engine) for pk, engine in engines}
        return scheduler_id is not None and self._pausing.get(scheduler_id, False)


def counted(outcomes: Collection[Outcome]) -> dict[str, int]:
    """How many of each there are, as it is written down."""
    found: dict[str, int] = {}
    for outcome in outcomes:
        found[outcome.value] = found.get(outcome.value, 0) + 1
    return found


def told(verb: str, outcome: str, count: int, *, is_over: bool) -> str:
    """What happens, or happened, to a number of jobs, in words that follow the number."""
    if outcome == Outcome.DONE:
        return str((_DONE if is_over else _WILL)[BulkVerb(verb)](count))
    words: dict[str, str] = {
        Outcome.ENDED: ngettext("has already ended", "have already ended", count),
        Outcome.UNSTARTED: ngettext("has not been started", "have not been started", count),
        Outcome.UNDERWAY: ngettext("is still under way", "are still under way", count),
        Outcome.STOPPING: ngettext("is being stopped already", "are being stopped already", count),
        Outcome.DELETING: ngettext("is being deleted already", "are being deleted already", count),
        Outcome.REFUSED: ngettext("was refused", "were refused", count),
        Outcome.NOT_YOURS: ngettext("is not yours to act on", "are not yours to act on", count),
        Outcome.GONE: ngettext("is gone", "are gone", count),
        Outcome.ALREADY: ngettext("is so already", "are so already", count),
        Outcome.UNABLE: (
            ngettext("can't be paused where it runs", "can't be paused where they run", count)
            if verb == BulkVerb.PAUSE
            else ngettext("is kept by its app", "are kept by their apps", count)
        ),
    }  # fmt: skip
    return words.get(outcome, outcome)


_WILL: Mapping[BulkVerb, Any] = {
    BulkVerb.STOP: lambda n: ngettext("will be stopped", "will be stopped", n),
    BulkVerb.PAUSE: lambda n: ngettext("will be paused", "will be paused", n),
    BulkVerb.RESUME: lambda n: ngettext("will go on", "will go on", n),
    BulkVerb.RESUBMIT: lambda n: ngettext("will run again", "will run again", n),
    BulkVerb.DELETE: lambda n: ngettext(
        "will be deleted with its files", "will be deleted with their files", n
    ),
}
_DONE: Mapping[BulkVerb, Any] = {
    BulkVerb.STOP: lambda n: ngettext("was asked to stop", "were asked to stop", n),
    BulkVerb.PAUSE: lambda n: ngettext("was asked to pause", "were asked to pause", n),
    BulkVerb.RESUME: lambda n: ngettext("was asked to go on", "were asked to go on", n),
    BulkVerb.RESUBMIT: lambda n: ngettext("was resubmitted", "were resubmitted", n),
    BulkVerb.DELETE: lambda n: ngettext("was deleted", "were deleted", n),
}
TITLES: Mapping[str, Any] = {
    BulkVerb.STOP: _("Stop jobs"),
    BulkVerb.PAUSE: _("Pause jobs"),
    BulkVerb.RESUME: _("Resume jobs"),
    BulkVerb.RESUBMIT: _("Resubmit jobs"),
    BulkVerb.DELETE: _("Delete jobs"),
}


def _pauses(engine: str) -> bool:
    try:
        return Capability.PAUSE in engine_class(engine).capabilities
    except OceanidError:
        return False
