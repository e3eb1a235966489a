"""An app of the portal under test: a process of its own that answers one question a line.

It is never killed, and talks to the Job Manager and the database only, as an app would.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - Django must be ready first
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from oceanid.errors import IllegalTransition  # noqa: E402
from oceanid.jobs import JobManager  # noqa: E402
from oceanid.models import Batch, Job, Lease, Scheduler, SupervisorBeat, Task  # noqa: E402
from oceanid.services import paths  # noqa: E402
from oceanid.states import JobState  # noqa: E402
from tests.faults.load import Wanted, attributes, nodes  # noqa: E402
from tests.integration.supervisor.house import in_order, told  # noqa: E402

jobs = JobManager("faults")


def main() -> None:
    """Answer questions until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": ANSWERS[question["ask"]](**question["with"])}
        except Exception:  # noqa: BLE001 - told to the test, which fails by it
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def user() -> User:
    """Who owns the jobs."""
    return User.objects.get_or_create(username="ann")[0]


def make(wanted: Wanted, scheduler: str | None) -> Any:
    """A job as it is wanted, not saved."""
    more = {"scheduler": scheduler} if scheduler else {}
    if wanted.kind == "python":
        return jobs.create_job(
            wanted.name, user(), job_type="PYTHON", function="operator.add", args=[40, 2], **more
        )
    if wanted.kind == "workflow":
        flow = jobs.create_job(wanted.name, user(), job_type="CONDORWORKFLOW", **more)
        for name, fields in nodes(wanted):
            flow.add_node(name, **fields)
        return flow
    return jobs.create_job(wanted.name, user(), job_type="CONDOR", **attributes(wanted), **more)


def submit(
    load: list[dict[str, Any]], together: bool, scheduler: str | None = None
) -> dict[str, int]:
    """Execute jobs, in one transaction or one by one; their numbers by name."""
    made = [make(Wanted(**each), scheduler) for each in load]
    if together:
        jobs.execute_many(made)
    else:
        for job in made:
            job.execute()
    return {job.name: job.pk for job in made}


def draft(load: list[dict[str, Any]]) -> dict[str, int]:
    """Save jobs without executing them."""
    made = [make(Wanted(**each), None) for each in load]
    for job in made:
        job.save()
    return {job.name: job.pk for job in made}


def session() -> dict[str, str]:
    """The cookies of a browser in which the owner has logged in."""
    store = SessionStore()
    owner = user()
    store["_auth_user_id"] = str(owner.pk)
    store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    store["_auth_user_hash"] = owner.get_session_auth_hash()
    store.create()
    return {settings.SESSION_COOKIE_NAME: str(store.session_key), "csrftoken": "x" * 32}


def active(ids: list[int] | None = None) -> int:
    """How many jobs have not ended."""
    found = Job.objects.active()
    return found.filter(pk__in=ids).count() if ids is not None else found.count()


def state(job: int) -> dict[str, Any]:
    """What the database says of one job, for a test to judge or to show."""
    found = Job.objects.get(pk=job)
    return {
        "status": found.status,
        "message": found.status_message,
        "code": found.reason_code,
        "hint": found.hint,
        "version": found.version,
        "attempt": found.attempt,
        "tasks": list(
            found.tasks.order_by("index").values_list("index", "state", "exit_code", "reason_code")
        ),
        "told": told(found),
    }


def statuses(ids: list[int]) -> list[str]:
    """The statuses of jobs."""
    found = Job.objects.in_bulk(ids)
    return [found[pk].status for pk in ids]


def outcome(ids: list[int]) -> dict[str, dict[str, Any]]:
    """How jobs ended, by name: state, exit codes, output, and what came back."""
    found = {}
    for job in Job.objects.filter(pk__in=ids):
        tasks = Task.objects.filter(job=job, node=None, attempt=job.attempt).order_by("index")
        logs = job.get_logs() if job.type == "CONDOR" else {}
        by_process = {"0": logs} if "output" in logs else {k: logs[k] for k in logs if k != "log"}
        directory = paths.job_dir(job)
        found[job.name] = {
            "state": job.state,
            "status": job.status,
            "message": job.status_message,
            "result": job.result,
            "codes": list(tasks.values_list("exit_code", flat=True)),
            "output": {index: logs["output"] for index, logs in by_process.items()},
            "files": sorted(each.name for each in directory.glob("*") if each.is_file()),
            "nodes": {
                node.name: [node.state, node.exit_code, node.tasks_ended]
                for node in job.node_set.all()
            },
            "told": told(job),
        }
    return found


def order() -> None:
    """Look at the database as a whole; raises when something in it does not fit."""
    in_order()


def holders() -> dict[str, int]:
    """The process that holds each lease; leases that ran out are left out."""
    pids = dict(SupervisorBeat.objects.values_list("uuid", "pid"))
    held = Lease.objects.filter(expires_at__gt=timezone.now() - timedelta(seconds=0))
    return {name: pids.get(holder, 0) for name, holder in held.values_list("name", "holder")}


def batches() -> dict[str, str]:
    """Every batch and its state."""
    return {str(pk): state for pk, state in Batch.objects.values_list("pk", "state")}


def scheduler(name: str, engine: str, config: dict[str, Any]) -> str:
    """Make a scheduler's record; the name of its lease."""
    made = Scheduler.objects.create(name=name, engine=engine, config=config)
    return f"scheduler:{made.pk}"


def litter(name: str = "local") -> list[str]:
    """What a scheduler's spool still holds of batches."""
    found = paths.scheduler_spool(Scheduler.objects.get(name=name))
    folders = [found / "batches", found / "sandboxes"]
    return [str(each) for folder in folders if folder.exists() for each in folder.iterdir()]


def health(name: str) -> dict[str, str]:
    """How a scheduler is, as the site admin shows it."""
    found = Scheduler.objects.get(name=name)
    return {"health": found.health, "message": found.health_message}


def mend(name: str, engine: str) -> None:
    """Let a scheduler's record name another engine, as the site admin would."""
    Scheduler.objects.filter(name=name).update(engine=engine, config={"disk_reserve_mib": 1})


def submit_with_input(name: str, source: str) -> int:
    """Execute a job that needs a file of the portal."""
    job = jobs.create_job(
        name, user(), job_type="CONDOR", executable="/bin/true", transfer_executable=False,
        remote_input_files=[source],
    )  # fmt: skip
    job.execute()
    return int(job.pk)


def stop(job: int) -> None:
    """Ask for a job's end."""
    Job.objects.get(pk=job).stop()


def resume_held() -> int:
    """Resume every job that is held; how many there were."""
    held = Job.objects.filter(state=JobState.HELD.value)
    for job in held:
        with suppress(IllegalTransition):  # it went on meanwhile
            job.resume()
    return len(held)


def cut() -> int:
    """PostgreSQL: cut every other connection to the database; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


ANSWERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        submit, draft, session, active, state, statuses, outcome, order, holders, batches,
        scheduler, health, litter, mend, submit_with_input, stop, resume_held, cut,
    )
}  # fmt: skip

if __name__ == "__main__":
    main()
