"""What is done with a job's results: claimed, finished, or failed and tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from oceanid.models import EventKind, Job
from oceanid.services import events
from oceanid.services.bulk import plain
from oceanid.services.derive import end_state
from oceanid.services.job_update import counts_of, returned
from oceanid.services.leases import Hold, guard
from oceanid.states import JobState, Wanted

FIRST_PAUSE_S = 2.0
MOST_PAUSE_S = 3600.0


def due(*, limit: int = 50) -> list[Job]:
    """Jobs whose results are to be dealt with now, the longest waiting first."""
    ready = Job.objects.filter(state=JobState.RESULTS_READY.value, due_at__lte=timezone.now())
    ready = ready.exclude(wanted=Wanted.DELETE.value)
    return list(ready.select_related("user").order_by("due_at")[:limit])


def next_due() -> datetime | None:
    """When the next results are to be dealt with; those of failed tries are put off."""
    ready = Job.objects.filter(state=JobState.RESULTS_READY.value, due_at__isnull=False)
    ready = ready.exclude(wanted=Wanted.DELETE.value)
    found: datetime | None = ready.order_by("due_at").values_list("due_at", flat=True).first()
    return found


def finish(
    hold: Hold, job: Job, result: Any, *, failure: str = "", traceback: str = "", hint: str = ""
) -> None:
    """The results are dealt with: the job is complete, or failed as its function did.

    Args:
        hold: The lease on results.
        job: The job.
        result: What is kept as ``job.result``; None keeps what is there.
        failure: Why the job failed; "" when it did not.
        traceback: Where in the app's code.
        hint: What to do about it.
    """
    with transaction.atomic():
        guard(hold)
        locked = _locked(job)
        if locked is None:
            return
        end = end_state(
            counts_of(locked),
            is_workflow=bool(locked.spec.get("workflow")),
            returned=returned(locked),
        )
        state = JobState.ERROR if failure else end
        if result is not None:
            locked.result = result
        values: dict[str, Any] = {"result": locked.result, "results_error": plain(traceback)}
        if failure:
            values |= {"status_message": plain(failure), "reason_code": "exception", "hint": hint}
        Job.objects.filter(pk=locked.pk).update(
            state=state.value, due_at=_due(locked, None), version=F("version") + 1, **values
        )
        _tell(locked, EventKind.STATE, failure, after=state)


def fail(hold: Hold, job: Job, error: str, *, most_tries: int) -> None:
    """A results function failed: keep why, and try again later unless it was tried enough.

    The job stays Results-Ready, and its results stay where they are.
    """
    with transaction.atomic():
        guard(hold)
        locked = _locked(job)
        if locked is None:
            return
        error = plain(error)
        tries = locked.results_tries + 1
        again = tries < most_tries
        pause = min(MOST_PAUSE_S, FIRST_PAUSE_S * 4 ** (tries - 1)) * random.uniform(0.8, 1.2)  # noqa: S311
        last = error.strip().splitlines()[-1] if error.strip() else "It said nothing."
        Job.objects.filter(pk=locked.pk).update(
            results_tries=tries,
            results_error=error[-50_000:],
            reason_code="results-failed",
            status_message=f"The results function failed (try {tries} of {most_tries}): {last}",
            hint="It is tried again by itself." if again
            else "Mend it, then ask for another try; the results are kept.",
            due_at=_due(locked, timezone.now() + timedelta(seconds=pause) if again else None),
            version=F("version") + 1,
        )  # fmt: skip
        _tell(locked, EventKind.RESULTS, f"Try {tries} failed: {last}")


def _locked(job: Job) -> Job | None:
    return (
        Job.objects.select_for_update()
        .filter(pk=job.pk, attempt=job.attempt, state=JobState.RESULTS_READY.value)
        .first()
    )


def _due(job: Job, at: datetime | None) -> datetime | None:
    """When something is to be done next; a deletion that was asked for meanwhile goes first."""
    return job.due_at if job.wanted == Wanted.DELETE else at


def _tell(job: Job, kind: EventKind, message: str, *, after: JobState | None = None) -> None:
    events.write(
        [
            events.job_event(
                job.pk,
                job.attempt,
                kind,
                timezone.now(),
                before=job.state if after else "",
                after=after.value if after else "",
                message=message,
            )
        ]
    )
