"""What people and apps want of jobs: each wish is one short transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from oceanid.engines.registry import engine_class
from oceanid.errors import IllegalTransition, NotFound, UnsupportedCapability
from oceanid.models import EventKind, Job
from oceanid.services import audit, events, hearing, workflow_freeze
from oceanid.services.bulk import insert_new
from oceanid.services.freeze import Freezer, Frozen, check_active, check_name, name_key
from oceanid.services.submission import DRAFTED, mark_submitted
from oceanid.services.wake import wake
from oceanid.specs import Capability
from oceanid.states import JOB_FINAL, JobState, Wanted

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

FINAL = [state.value for state in JOB_FINAL]
OPEN = [Wanted.RUN.value, Wanted.PAUSE.value]
_VERBS = {
    Wanted.STOP: "stop", Wanted.PAUSE: "pause", Wanted.RUN: "resume", Wanted.DELETE: "delete",
}  # fmt: skip
UNEXECUTED = [JobState.PENDING.value, JobState.OTHER.value]
"""What a draft may be in: its app may have given it a status of its own before it is executed."""
NEVER = Q(pk__in=[])


def save_draft(job: Job) -> None:
    """Write a draft down; ``{id}`` in its name becomes the job's number.

    Raises:
        InvalidSpecification: Its name can't be used.
        IllegalTransition: It is no draft any more.
    """
    check_name(job)
    _complete(job)
    with transaction.atomic():
        if job._state.adding:
            models.Model.save(job, force_insert=True)
        else:
            values = {
                field.attname: getattr(job, field.attname)
                for field in job._meta.concrete_fields
                if not field.primary_key
            }
            drafts = Job.objects.filter(pk=job.pk, wanted=Wanted.DRAFT.value)
            if not drafts.update(**values):
                raise IllegalTransition(
                    "The job was executed already; its description can't be changed.",
                    hint="Clone it, or wait for its end and resubmit it.",
                )
        _number([job])


def execute(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for a draft to be run; see :func:`execute_many`."""
    execute_many([job], actor=actor)


def execute_many(jobs: Sequence[Job], *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for drafts to be run, all of them or, when one can't be, none.

    One transaction, whatever their number; the cost does not depend on ``num_jobs``. On return
    each job is Submitted and will be run exactly once, whatever crashes.

    Raises:
        InvalidSpecification: Or a subclass: a job can never run as it stands.
        LimitExceeded: A user would have too much under way.
        NotPermitted: A user may not use the scheduler.
        IllegalTransition: A job is no draft.
    """
    freezer = Freezer()
    for user_id, count in Counter(job.user_id for job in jobs).items():
        check_active(user_id, more=count)
    # Jobs are looked at before the transaction, which must begin with a write.
    frozen = [None if workflow_freeze.is_workflow(job) else freezer.freeze(job) for job in jobs]
    with transaction.atomic():
        # Their nodes need the workflows' rows, so these are written as drafts first.
        for job, fixed in zip(jobs, frozen, strict=True):
            if fixed is None:
                save_draft(job)
        _submit(
            jobs,
            [fixed or workflow_freeze.freeze(job, freezer)
             for job, fixed in zip(jobs, frozen, strict=True)],
            actor,
        )  # fmt: skip
        wake()


def _submit(jobs: Sequence[Job], frozen: Sequence[Frozen], actor: AbstractBaseUser | None) -> None:
    now = timezone.now()
    fresh, drafts = [], []
    for job, fixed in zip(jobs, frozen, strict=True):
        if job._state.adding:
            _complete(job)
            mark_submitted(job, fixed, now, attempt=1)
            fresh.append(job)
        else:
            drafts.append((job, fixed))
    if fresh:
        insert_new(fresh)
        _number(fresh)
    for job, fixed in sorted(drafts, key=lambda each: each[0].pk):
        _resubmit(job, fixed, now, before=UNEXECUTED)
    events.write(
        events.job_event(
            job.pk,
            job.attempt,
            EventKind.STATE,
            now,
            before=JobState.PENDING.value,
            after=JobState.SUBMITTED.value,
            actor=actor,
        )
        for job in jobs
    )


def resubmit(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Run a finished job again, as its next attempt; of a workflow only what is not done.

    Raises:
        IllegalTransition: It has not ended, or somebody else was faster.
        InvalidSpecification: Or a subclass: it can't run any more as it stands.
    """
    _look(job)
    if job.state not in FINAL:
        raise IllegalTransition(
            "The job is {status}; only a finished one can be resubmitted.",
            hint="Execute it." if job.state == JobState.PENDING else "Stop it first.",
            status=job.status,
        )
    if job.wanted == Wanted.DELETE.value:
        raise IllegalTransition("The job is being deleted.", hint="Create a new one.")
    check_active(job.user_id)
    freezer = Freezer()
    before = job.state
    with transaction.atomic():
        locked = Job.objects.filter(pk=job.pk, state=before, attempt=job.attempt).exclude(
            wanted=Wanted.DELETE.value
        )
        if not locked.update(version=F("version") + 1):
            raise IllegalTransition("Somebody else has just changed the job.", hint="Look again.")
        if workflow_freeze.is_workflow(job):
            fixed = workflow_freeze.rescue(job, freezer)
        else:
            fixed = freezer.freeze(job)
        now = timezone.now()
        _resubmit(job, fixed, now, before=[before])
        _moved(job, now, before, JobState.SUBMITTED, actor, "Resubmitted.")
        audit.of_job(actor, "resubmit", job)
        wake()


def stop(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for a job to end; a request, not a promise; nothing happens to one that has ended."""
    _look(job)
    while job.state == JobState.PENDING or not job.spec:
        if job.state in FINAL or _end_by_hand(job, JobState.ABORTED, actor):
            return  # else it was executed, or its status set, since it was looked at
    _want(job, Wanted.STOP, from_wanted=OPEN, actor=actor, message="Stop was asked for.")


def pause(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for a job to stand still; idempotent.

    Raises:
        IllegalTransition: It has not been executed, or has ended.
        UnsupportedCapability: The scheduler can't.
    """
    _require_active(job, "paused")
    if job.scheduler is None or not _can(job, Capability.PAUSE):
        raise UnsupportedCapability(
            "This job can't be paused on “{scheduler}”.",
            hint="Stop it instead.",
            scheduler=job.scheduler or "no scheduler",
        )
    _want(
        job,
        Wanted.PAUSE,
        from_wanted=[Wanted.RUN.value],
        actor=actor,
        message="Pause was asked for.",
    )


def resume(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for a paused or held job to go on; idempotent.

    Raises:
        IllegalTransition: It has not been executed, or has ended.
    """
    _require_active(job, "resumed")
    _want(
        job,
        Wanted.RUN,
        from_wanted=OPEN,
        actor=actor,
        message="Resume was asked for.",
        even_if=Q(state=JobState.HELD.value) | Q(tasks_held__gt=0),
    )


def delete(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for a job to be stopped if need be, and removed with its own directory."""
    with transaction.atomic():
        if Job.objects.filter(pk=job.pk, wanted=Wanted.DRAFT.value).update(version=F("version")):
            hearing.tell_gone([job.pk])
            Job.objects.filter(pk=job.pk).delete()
            audit.of_job(actor, "delete", job)
            return
    _want(job, Wanted.DELETE, from_wanted=None, actor=actor, message="Deletion was asked for.")


def retry_results(job: Job, *, actor: AbstractBaseUser | None = None) -> None:
    """Ask for the results function to be tried again.

    Raises:
        IllegalTransition: The job is not Results-Ready.
    """
    now = timezone.now()
    with transaction.atomic():
        ready = Job.objects.filter(pk=job.pk, state=JobState.RESULTS_READY.value)
        if not ready.update(results_tries=0, due_at=now, version=F("version") + 1):
            raise IllegalTransition(
                "Only the results of a Results-Ready job can be tried again.",
                hint="Resubmit the job to compute them anew.",
            )
        _note(job, now, EventKind.INTENT, "Another try of the results was asked for.", actor)
        audit.of_job(actor, "retry-results", job)
        wake()
    _look(job)


def _complete(job: Job) -> None:
    job.name_key = name_key(job.name)
    if job.creation_time is None:
        job.creation_time = timezone.now()


def _number(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if "{id}" in job.name:
            job.name = job.name.replace("{id}", str(job.pk))
            check_name(job)
            job.name_key = name_key(job.name)
            Job.objects.filter(pk=job.pk).update(name=job.name, name_key=job.name_key)


def _resubmit(job: Job, frozen: Frozen, now: datetime, *, before: list[str]) -> None:
    names = mark_submitted(job, frozen, now, attempt=job.attempt + 1)
    values = {name: getattr(job, name) for name in names}
    _complete(job)
    if before == UNEXECUTED:
        values |= {name: getattr(job, name) for name in DRAFTED}
    rows = Job.objects.filter(pk=job.pk, state__in=before, attempt=job.attempt - 1)
    if not rows.update(version=F("version") + 1, **values):
        _look(job)
        raise IllegalTransition(
            "The job is {status} already.",
            hint="Look at it again before you go on.",
            status=job.status,
        )
    _number([job])


def _want(
    job: Job,
    wanted: Wanted,
    *,
    from_wanted: list[str] | None,
    actor: AbstractBaseUser | None,
    message: str,
    even_if: Q = NEVER,
) -> None:
    """Write a wish down, unless it is there already (and not ``even_if``)."""
    now = timezone.now()
    with transaction.atomic():
        rows = Job.objects.filter(~Q(wanted=wanted.value) | even_if, pk=job.pk)
        if from_wanted is not None:
            rows = rows.filter(wanted__in=from_wanted).exclude(state__in=FINAL)
        if rows.update(wanted=wanted.value, due_at=now, version=F("version") + 1):
            _note(job, now, EventKind.INTENT, message, actor)
            audit.of_job(actor, _VERBS[wanted], job)
            wake()
    if wanted is not Wanted.DELETE or Job.objects.filter(pk=job.pk).exists():
        _look(job)


def _end_by_hand(job: Job, state: JobState, actor: AbstractBaseUser | None) -> bool:
    """End a job that no scheduler runs; False when it has changed since it was looked at."""
    now = timezone.now()
    with transaction.atomic():
        rows = Job.objects.filter(pk=job.pk, state=job.state, version=job.version)
        ended = rows.update(
            state=state.value,
            wanted=Wanted.STOP.value,
            completion_time=now,
            version=F("version") + 1,
        )
        if ended:
            _moved(job, now, job.state, state, actor)
            audit.of_job(actor, "stop", job)
    _look(job)
    return bool(ended)


def _look(job: Job) -> None:
    """Read a job again.

    Raises:
        NotFound: It was deleted.
    """
    try:
        job.refresh_from_db()
    except Job.DoesNotExist as gone:
        raise NotFound("The job was deleted.", hint="Create a new one.") from gone


def _require_active(job: Job, participle: str) -> None:
    _look(job)
    if job.state in FINAL or job.state == JobState.PENDING:
        raise IllegalTransition(
            "The job is {status}; it can't be {participle}.",
            hint="Execute it." if job.state == JobState.PENDING else "Resubmit it.",
            status=job.status,
            participle=participle,
        )


def _can(job: Job, capability: Capability) -> bool:
    return job.scheduler is not None and capability in (
        engine_class(job.scheduler.engine).capabilities
    )


def _note(
    job: Job, at: datetime, kind: EventKind, message: str, actor: AbstractBaseUser | None
) -> None:
    events.write([events.job_event(job.pk, job.attempt, kind, at, message=message, actor=actor)])


def _moved(
    job: Job, at: datetime, before: str, after: JobState, actor: AbstractBaseUser | None,
    message: str = "",
) -> None:  # fmt: skip
    told = events.job_event(
        job.pk, job.attempt, EventKind.STATE, at,
        before=before, after=after.value, message=message, actor=actor,
    )  # fmt: skip
    events.write([told])
