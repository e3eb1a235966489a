"""What a job's row says once it is submitted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from oceanid.models import Job
from oceanid.services.freeze import Frozen
from oceanid.states import JobState, Wanted

DRAFTED = (
    "name",
    "name_key",
    "description",
    "label",
    "attributes",
    "remote_input_files",
    "extended_properties",
    "process_results_function",
    "priority",
    "workspace",
)
"""What its owner wrote, and may have changed until then."""


def mark_submitted(job: Job, frozen: Frozen, now: datetime, *, attempt: int) -> list[str]:
    """Set the fields that a submission sets; returns their names."""
    runs = frozen.scheduler is not None
    values: dict[str, Any] = {
        "state": JobState.SUBMITTED.value,
        "wanted": Wanted.RUN.value,
        "attempt": attempt,
        "execute_time": now,
        "start_time": None,
        "completion_time": None,
        "custom_status": "",
        "status_message": "",
        "reason_code": "",
        "hint": "",
        "progress": None,
        "progress_message": "",
        "result": None,
        "results_tries": 0,
        "results_error": "",
        "spec": frozen.spec,
        "num_jobs": frozen.num_jobs,
        "due_at": now if frozen.needs_preparation else None,
        "backlog": frozen.num_jobs if runs and not frozen.needs_preparation else 0,
        "tasks_made": 0,
        "tasks_submitted": 0,
        "tasks_running": 0,
        "tasks_paused": 0,
        "tasks_held": 0,
        "tasks_complete": frozen.done,
        "tasks_error": 0,
        "tasks_aborted": 0,
    }
    if frozen.scheduler is not None:
        job.scheduler = frozen.scheduler
        values["scheduler_id"] = frozen.scheduler.pk
    for name, value in values.items():
        setattr(job, name, value)
    return list(values)
