"""What the supervisor writes while it makes wishes come true."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from oceanid.models import Job, JobEvent, JobQuerySet, Task, WorkflowEdge, WorkflowNode
from oceanid.services import (
    batches,
    dag_run,
    events,
    hearing,
    inputs,
    observe,
    paths,
    tallies,
    workflow_run,
)
from oceanid.services.job_update import JobChange, apply_changes
from oceanid.services.leases import Hold, guard
from oceanid.states import JobState, TaskState, Wanted

CHUNK = 5_000


def due(
    scheduler_id: int | None,
    *,
    without: Collection[int] = (),
    unstarted: bool = True,
    limit: int = 1000,
) -> list[Job]:
    """Jobs about which something is to be done now; results are another room's.

    Args:
        scheduler_id: Whose jobs; None for those of no scheduler.
        without: Jobs that are in hand already.
        unstarted: Whether jobs whose directories are still to be made count too.
        limit: How many at most, the longest waiting first.
    """
    waiting = _of(scheduler_id, without, unstarted).filter(due_at__lte=timezone.now())
    return list(
        waiting.exclude(Q(state=JobState.RESULTS_READY.value) & ~Q(wanted=Wanted.DELETE.value))
        .select_related("user")
        .order_by("due_at")[:limit]
    )


def next_due(
    scheduler_id: int | None, *, without: Collection[int] = (), unstarted: bool = True
) -> datetime | None:
    """When the next thing is to be done about a job; see :func:`due`."""
    later = _of(scheduler_id, without, unstarted).filter(due_at__isnull=False)
    later = later.exclude(state=JobState.RESULTS_READY.value)
    found: datetime | None = later.order_by("due_at").values_list("due_at", flat=True).first()
    return found


def _of(scheduler_id: int | None, without: Collection[int], unstarted: bool) -> JobQuerySet:
    if scheduler_id is None:
        jobs = Job.objects.filter(scheduler_id__isnull=True)
    else:
        jobs = Job.objects.filter(scheduler_id=scheduler_id)
    if without:
        # A stop need not wait for them; a deletion must.
        jobs = jobs.exclude(pk__in=without, wanted__in=[Wanted.RUN.value, Wanted.DELETE.value])
    if not unstarted:
        jobs = jobs.exclude(wanted=Wanted.RUN.value, tasks_made=0, backlog=0)
    return jobs


def stage(job: Job) -> None:
    """Make a job's directory and copy its remote input files into it. Idempotent; no database.

    Raises:
        OSError: A file can't be read or written.
    """
    directory = paths.job_dir(job)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    inputs.bring(job.remote_input_files, directory)
    if job.spec.get("workflow"):
        nodes = WorkflowNode.objects.filter(workflow_id=job.pk).exclude(
            remote_input_files=[], dir=""
        )
        for folder, files in nodes.values_list("dir", "remote_input_files"):
            inputs.bring(files, directory, folder=folder)


def staged(hold: Hold, jobs: Sequence[Job]) -> None:
    """The directories of jobs are ready: let their processes, or their first nodes, go."""
    attempts = {job.pk: job.attempt for job in jobs}
    with transaction.atomic():
        guard(hold)
        told: list[events.Event] = []
        ready: dict[int, Job] = {}
        changes: dict[int, JobChange] = {}
        for locked in Job.objects.select_for_update().filter(pk__in=attempts).order_by("pk"):
            if locked.attempt != attempts[locked.pk] or locked.wanted != Wanted.RUN:
                continue
            if locked.tasks_made or locked.backlog:
                _settle(locked)
                continue
            if locked.spec.get("workflow"):
                is_one = dag_run.is_one(locked)
                change = dag_run.begin(locked) if is_one else workflow_run.begin(locked, told)
                change.deltas["tasks_made"] = locked.num_jobs
            else:
                change = JobChange()
                change.deltas["backlog"] = locked.num_jobs
            locked.due_at = None
            ready[locked.pk], changes[locked.pk] = locked, change
        apply_changes(ready, changes, told)
        events.write(told)


def cannot_stage(hold: Hold, job: Job, reason: str) -> None:
    """A job's files can't be brought together: it fails, and says why."""
    with transaction.atomic():
        guard(hold)
        locked = _locked(job.pk, attempt=job.attempt)
        if locked is None or locked.job_state.is_final or locked.tasks_made or locked.backlog:
            return
        told: list[events.Event] = []
        if locked.spec.get("workflow"):
            change = workflow_run.fail_all(locked, told, reason)
        else:
            change = JobChange()
            change.deltas["tasks_error"] = locked.num_jobs
        change.tell("missing-file", reason, "Put the file in place and resubmit the job.")
        locked.due_at = None
        apply_changes({locked.pk: locked}, {locked.pk: change}, told)
        events.write(told)
        tallies.failed(locked, locked.num_jobs, "missing-file")


def take_away(hold: Hold, job: Job, *, again_s: float) -> bool:
    """Abort what of a job has not been given to an engine; True when nothing is left of it.

    Args:
        hold: The scheduler's lease.
        job: A job that is to stop.
        again_s: Seconds after which to look again whether the rest has ended.
    """
    with transaction.atomic():
        guard(hold)
        locked = _locked(job.pk, attempt=job.attempt)
        if locked is None or locked.state == JobState.RESULTS_READY or locked.job_state.is_final:
            if locked is not None:
                _settle(locked)
            return True
        told: list[events.Event] = []
        if dag_run.is_one(locked):
            change = dag_run.stop(locked, told)
        elif locked.spec.get("workflow"):
            change = workflow_run.stop(locked, told)
        else:
            change = _abort_unstarted(locked, told)
        locked.due_at = timezone.now() + timedelta(seconds=again_s)
        apply_changes({locked.pk: locked}, {locked.pk: change}, told)
        events.write(told)
        return locked.job_state.is_final


def _abort_unstarted(job: Job, told: list[events.Event]) -> JobChange:
    change = JobChange()
    now = timezone.now()
    waiting = observe.load_where(job_id=job.pk, attempt=job.attempt, state=TaskState.QUEUED.value)
    for task in waiting:
        told.append(observe.task_event(task, TaskState.QUEUED, TaskState.ABORTED, now, ""))
    Task.objects.filter(pk__in=[task.id for task in waiting]).update(
        state=TaskState.ABORTED.value, completion_time=now
    )
    unmade = job.num_jobs - job.tasks_made
    change.deltas["tasks_aborted"] = len(waiting) + unmade
    change.deltas["tasks_made"] = unmade
    change.deltas["backlog"] = -job.backlog
    return change


def reckon(hold: Hold, job: Job, *, again_s: float) -> None:
    """Let a job's state follow a pause or resume of which no task told.

    Args:
        hold: The scheduler's lease.
        job: The job as it was when its engine was asked; what was wished since is kept.
        again_s: Seconds after which to ask again when some of it could not be asked yet.
    """
    with transaction.atomic():
        guard(hold)
        locked = _locked(job.pk, attempt=job.attempt)
        if locked is None:
            return
        told: list[events.Event] = []
        if locked.state == JobState.HELD and locked.wanted == Wanted.RUN:
            locked.reason_code = locked.status_message = locked.hint = ""
        if (locked.due_at, locked.wanted) == (job.due_at, job.wanted):
            is_underway = batches.on_the_way(locked.pk)
            locked.due_at = timezone.now() + timedelta(seconds=again_s) if is_underway else None
        apply_changes({locked.pk: locked}, {locked.pk: JobChange()}, told)
        events.write(told)


def remove(hold: Hold, job: Job) -> None:
    """Remove an ended job's rows, a bounded number at a time, then the job itself.

    Its directory must be gone before: whatever dies between leaves the job, to be removed again.
    """
    for model, column in ((JobEvent, "job_id"), (Task, "job_id")):
        while True:
            some = model.objects.filter(**{column: job.pk}).values_list("pk", flat=True)[:CHUNK]
            keys = list(some)
            if not keys:
                break
            with transaction.atomic():
                guard(hold)
                model.objects.filter(pk__in=keys)._raw_delete("default")
    with transaction.atomic():
        guard(hold)
        edges = WorkflowEdge.objects.filter(child__workflow_id=job.pk)
        edges.delete()
        hearing.tell_gone([job.pk])
        Job.objects.filter(pk=job.pk).delete()


def remove_directory(job: Job) -> None:
    """Remove a job's own directory, and nothing above it; links in it are not followed.

    Raises:
        OSError: Something in it can't be removed.
    """
    directory = paths.job_dir(job)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        _make_removable(directory)
        shutil.rmtree(directory)


def _make_removable(directory: Path) -> None:
    """A job may have taken its own folders' permissions away."""
    _open_up(directory)
    for folder, names, _ in os.walk(directory):
        # Before the walk goes into them: it passes over what it can't read.
        for name in names:
            _open_up(Path(folder, name))


def _open_up(folder: Path) -> None:
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        folder.chmod(mode | 0o700)


def _locked(pk: int, *, attempt: int) -> Job | None:
    return Job.objects.select_for_update().filter(pk=pk, attempt=attempt).first()


def _settle(job: Job) -> None:
    keep = job.wanted == Wanted.DELETE or job.state == JobState.RESULTS_READY
    if not keep:
        Job.objects.filter(pk=job.pk).update(due_at=None)
