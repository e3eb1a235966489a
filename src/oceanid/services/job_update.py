"""Moves jobs by what happened to their tasks or nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils import timezone

from oceanid.models import EventKind, Job, Task, TaskRole
from oceanid.services import events
from oceanid.services.bulk import update_many
from oceanid.services.derive import Counts, job_state
from oceanid.services.wake import wake
from oceanid.specs import IDLE
from oceanid.states import TASK_FINAL, JobState, TaskState, Wanted, job_can_move

COUNTER_OF = {
    TaskState.QUEUED: "backlog",
    TaskState.SUBMITTED: "tasks_submitted",
    TaskState.RUNNING: "tasks_running",
    TaskState.TRANSFERRING: "tasks_running",
    TaskState.PAUSED: "tasks_paused",
    TaskState.HELD: "tasks_held",
    TaskState.COMPLETE: "tasks_complete",
    TaskState.ERROR: "tasks_error",
    TaskState.ABORTED: "tasks_aborted",
}
COUNTERS = (
    "backlog", "tasks_made", "tasks_submitted", "tasks_running", "tasks_paused", "tasks_held",
    "tasks_complete", "tasks_error", "tasks_aborted",
)  # fmt: skip
REMOVED = "removed"
"""The reason of a process that the scheduler took off, whoever asked for it."""
AT_WORK = [TaskState.RUNNING.value, TaskState.TRANSFERRING.value]
COLUMNS = (
    *COUNTERS, "state", "custom_status", "status_message", "reason_code", "hint", "start_time",
    "completion_time", "due_at", "version",
)  # fmt: skip


@dataclass(slots=True)
class JobChange:
    """What happened to one job since it was last written."""

    deltas: Counter[str] = field(default_factory=Counter)
    started: datetime | None = None
    ended: datetime | None = None
    reason_code: str = ""
    reason: str = ""
    hint: str = ""
    waits: tuple[str, str, str] | None = None
    """Why its tasks wait at their engine: code, reason and hint."""
    rests: bool = False
    """Whether something of it has stopped to run, so that others may be what it waits for."""

    def move(self, before: TaskState, after: TaskState) -> None:
        """Count one task out of one state and into another."""
        self.deltas[COUNTER_OF[before]] -= 1
        self.deltas[COUNTER_OF[after]] += 1

    def see(self, started: datetime | None, ended: datetime | None) -> None:
        """Widen the job's span of time by a task's."""
        if started is not None and (self.started is None or started < self.started):
            self.started = started
        if ended is not None and (self.ended is None or ended > self.ended):
            self.ended = ended

    def tell(self, code: str, reason: str, hint: str) -> None:
        """Remember the first reason that was told."""
        if not self.reason:
            self.reason_code, self.reason, self.hint = code, reason, hint


def apply_changes(
    jobs: Mapping[int, Job], changes: Mapping[int, JobChange], told: list[events.Event]
) -> None:
    """Write changes into locked jobs, move those whose state follows, and tell of each move."""
    rows = []
    for pk, change in changes.items():
        job = jobs[pk]
        for name in COUNTERS:
            if change.deltas[name]:
                setattr(job, name, max(0, getattr(job, name) + change.deltas[name]))
        if change.started is not None and (
            job.start_time is None or change.started < job.start_time
        ):
            job.start_time = change.started
        is_told = job.status_message and job.reason_code and not job.reason_code.startswith(IDLE)
        # That it was removed says something only to who did not ask for it.
        is_old_news = change.reason_code == REMOVED and job.wanted != Wanted.RUN
        if change.reason and not is_told and not is_old_news:
            job.reason_code = change.reason_code
            job.status_message, job.hint = change.reason, change.hint
        _move(job, change, told)
        _wait(job, change, told)
        job.version += 1
        rows.append((*(getattr(job, name) for name in COLUMNS), pk))
    update_many(Job, COLUMNS, rows)


def _move(job: Job, change: JobChange, told: list[events.Event]) -> None:
    before = JobState(job.state)
    wanted = Wanted(job.wanted)
    is_workflow = bool(job.spec.get("workflow"))
    counts = counts_of(job)
    if is_workflow and wanted is Wanted.PAUSE and counts.running and not _goes_on(job):
        counts = replace(counts, running=0, paused=counts.running)
    if job.spec.get("dag") and counts.ended >= counts.total and _has_open_tasks(job):
        return  # outputs are still to come
    after = job_state(
        counts,
        wanted,
        has_results_step=has_results_step(job),
        is_workflow=is_workflow,
        returned=returned(job),
    )
    if after is JobState.ERROR and job.RETURNS_VALUE:
        after = JobState.RESULTS_READY  # its exception is read from its files, as a result is
    if after is before or not job_can_move(before, after):
        return
    now = timezone.now()
    ended = after.is_final or after is JobState.RESULTS_READY
    if ended:
        job.completion_time = change.ended or now
    if after is JobState.RESULTS_READY or (ended and wanted is Wanted.DELETE):
        job.due_at = now
        wake()  # whoever deals with results, or keeps the house, may be another supervisor
    elif ended:
        job.due_at = None
    if before is JobState.HELD and not ended:
        job.reason_code = job.status_message = job.hint = ""
    if before is JobState.OTHER:
        job.custom_status = ""
    job.state = after.value
    has_reason = after in (JobState.ERROR, JobState.HELD) or job.reason_code == REMOVED
    told.append(
        events.job_event(
            job.pk,
            job.attempt,
            EventKind.STATE,
            change.ended or change.started or now,
            before=before.value,
            after=after.value,
            message=job.status_message if has_reason else "",
        )
    )


def _wait(job: Job, change: JobChange, told: list[events.Event]) -> None:
    """Tell why a job waits for as long as all of it does."""
    is_ours = job.reason_code.startswith(IDLE)
    if not (is_ours or change.waits or change.rests):
        return
    waits = change.waits
    if job.spec.get("dag") and job.state == JobState.RUNNING:
        waits = _why_all_wait(job, change)
    elif job.state != JobState.SUBMITTED:
        waits = None
    elif waits is None:
        return
    if waits is None:
        if is_ours:
            job.reason_code = job.status_message = job.hint = ""
        return
    if waits == (job.reason_code, job.status_message, job.hint) or not (
        is_ours or not job.status_message
    ):
        return
    job.reason_code, job.status_message, job.hint = waits
    told.append(
        events.job_event(
            job.pk, job.attempt, EventKind.NOTE, timezone.now(), message=job.status_message
        )
    )


def _why_all_wait(job: Job, change: JobChange) -> tuple[str, str, str] | None:
    """Why nodes wait of a workflow that its engine runs as a whole; None while anything runs."""
    tasks = Task.objects.filter(job_id=job.pk, role=TaskRole.JOB.value)
    if tasks.filter(state__in=AT_WORK).exists():
        return None
    if change.waits is not None:
        return change.waits
    waiting = tasks.filter(state=TaskState.SUBMITTED.value, reason_code__startswith=IDLE)
    task = waiting.select_related("node").order_by("id").first()
    if task is None or task.node is None:
        return None
    return task.reason_code, node_waits(task.node.name, task.reason), task.hint


def node_waits(name: str, reason: str) -> str:
    """What a workflow says of a node that waits."""
    return f"Node “{name}” waits: {reason}"


def counts_of(job: Job) -> Counts:
    """Where the job's processes (of a workflow: its nodes) stand."""
    return Counts(
        total=job.num_jobs,
        running=job.tasks_running,
        paused=job.tasks_paused,
        held=job.tasks_held,
        complete=job.tasks_complete,
        error=job.tasks_error,
        aborted=job.tasks_aborted,
    )


def returned(job: Job) -> int | None:
    """What a node made the whole workflow return (``abort_dag_on``); None when none did."""
    abort = job.spec.get("abort")
    return int(abort["return"]) if abort else None


def _goes_on(job: Job) -> bool:
    """Whether any task at the engine is not paused; asked of a workflow that is to pause."""
    if job.spec.get("dag"):
        # Tasks that its engine has not submitted wait as long as its run stands still.
        running = Task.objects.filter(job_id=job.pk, state=TaskState.RUNNING.value)
        run = Task.objects.filter(job_id=job.pk, role=TaskRole.DAG.value)
        return running.exists() or run.filter(state=TaskState.SUBMITTED.value).exists()
    states = [TaskState.SUBMITTED, TaskState.RUNNING, TaskState.TRANSFERRING]
    return Task.objects.filter(job_id=job.pk, state__in=[each.value for each in states]).exists()


def _has_open_tasks(job: Job) -> bool:
    """Whether a task has not ended; asked of a workflow whose nodes all have."""
    ended = [state.value for state in TASK_FINAL]
    return Task.objects.filter(job_id=job.pk).exclude(state__in=ended).exists()


def has_results_step(job: Job) -> bool:
    """Whether something remains to be done with the results when all processes have ended."""
    return bool(job.process_results_function) or job.RETURNS_VALUE
