"""What a job, or the app that keeps it, tells of itself: a status, how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from oceanid.errors import IllegalTransition, InvalidSpecification
from oceanid.models import EventKind, Job
from oceanid.services import events
from oceanid.services.bulk import plain
from oceanid.states import JOB_FINAL, JobState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

FINAL = [state.value for state in JOB_FINAL]
NO_CUSTOM = frozenset({*FINAL, JobState.RESULTS_READY.value})
"""Where a job that a scheduler runs keeps its state: a custom one would hide its end, and the
results that are still to be processed."""
TRIES = 20


def set_status(
    job: Job,
    word: str,
    *,
    message: str = "",
    actor: AbstractBaseUser | None = None,
) -> None:
    """Set the status of a job whose app keeps it (BASIC), or a custom status of any job.

    Args:
        job: The job.
        word: A status word or its three-letter code, or a custom status of at most 255
            characters.
        message: What to tell about it.
        actor: Who did it.

    Raises:
        InvalidSpecification: The word can't be used.
        IllegalTransition: The job's status is observed, not set.
    """
    word, message = plain(word).strip(), plain(message)
    if not word or len(word) > 255:
        raise InvalidSpecification("A status has 1 to 255 characters.", hint="Shorten it.")
    state = JobState.of_word(word) or _by_code(word)
    for _ in range(TRIES):
        if _set_once(job, word, state, message, actor):
            break
        job.refresh_from_db()
    else:
        raise IllegalTransition("The job changes too fast to set its status.", hint="Try again.")
    job.refresh_from_db()


def _set_once(
    job: Job, word: str, state: JobState | None, message: str, actor: AbstractBaseUser | None
) -> bool:
    """Set the status if the job still is as this instance has it; False when it is not."""
    if job.spec and state is not None:
        raise IllegalTransition(
            "The status of a job that a scheduler runs is observed, not set.",
            hint="Use stop, pause, resume or resubmit, or a custom status.",
        )
    if job.spec and job.state in NO_CUSTOM:
        raise IllegalTransition(
            "The job is {status}; a custom status would hide how it ended.",
            hint="Keep what the app makes of it in extended_properties.",
            status=job.status,
        )
    after = state or JobState.OTHER
    now = timezone.now()
    times: dict[str, Any] = {}
    if after in (JobState.RUNNING, JobState.VARIOUS) and job.start_time is None:
        times["start_time"] = now
    if after in JOB_FINAL:
        times["completion_time"] = now
    with transaction.atomic():
        same = Job.objects.filter(pk=job.pk, state=job.state, attempt=job.attempt)
        if not same.update(
            state=after.value,
            custom_status="" if state else word,
            status_message=message,
            version=F("version") + 1,
            **times,
        ):
            return False
        events.write(
            [
                events.job_event(
                    job.pk,
                    job.attempt,
                    EventKind.STATE,
                    now,
                    before=job.state,
                    after=after.value,
                    message=message or ("" if state else word),
                    actor=actor,
                )
            ]
        )
    return True


def report_progress(job: Job, percent: int | None, message: str = "") -> None:
    """Write down how far a job says it is.

    Args:
        job: The job.
        percent: 0 to 100, or None when only the message is new.
        message: What it is doing, at most 500 characters of it are kept.

    Raises:
        InvalidSpecification: The number is no percentage.
    """
    if percent is not None and not 0 <= percent <= 100:
        raise InvalidSpecification("Progress is a whole number from 0 to 100.")
    message = plain(message)
    values: dict[str, Any] = {"progress_message": message[:500]}
    if percent is not None:
        values["progress"] = percent
    with transaction.atomic():
        active = Job.objects.filter(pk=job.pk, attempt=job.attempt).exclude(state__in=FINAL)
        if active.update(version=F("version") + 1, **values):
            told = f"{percent} % {message[:500]}" if percent is not None else message[:500]
            now, kind = timezone.now(), EventKind.PROGRESS
            events.write([events.job_event(job.pk, job.attempt, kind, now, message=told.strip())])
    job.refresh_from_db()


def _by_code(code: str) -> JobState | None:
    try:
        found = JobState(code)
    except ValueError:
        return None
    return None if found is JobState.OTHER else found
