"""An app of the portal: a process of its own that answers one question a line.

It talks to the Job Manager and the database only, as an app would.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - Django must be ready first

from oceanid.jobs import JobManager  # noqa: E402
from oceanid.models import Cluster, ClusterEvent, ClusterNode, Job, Task  # noqa: E402
from oceanid.services import paths  # noqa: E402
from oceanid.states import MachineState  # noqa: E402

jobs = JobManager("chain")
ADMIN = "admin"


def main() -> None:
    """Answer questions until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": ANSWERS[question["ask"]](**question["with"])}
        except Exception:  # noqa: BLE001 - told to the chain, which fails by it
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def boss(password: str) -> str:
    """The administrator, with a password that is known."""
    user, _ = User.objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True}
    )
    user.set_password(password)
    user.save()
    return ADMIN


def cluster() -> dict[str, Any] | None:
    """The only cluster with its machines; None when there is none any more."""
    row = Cluster.objects.select_related("scheduler").first()
    if row is None:
        return None
    nodes = ClusterNode.objects.filter(cluster=row, gone_at=None)
    return {
        "pk": row.pk, "state": row.get_state_display(), "code": row.state, "message": row.message,
        "hint": row.hint, "target": row.target, "cost": str(row.cost),
        "preflight": row.preflight, "preflighted": row.preflighted_at is not None,
        "scheduler": row.scheduler.name if row.scheduler else "",
        "health": row.scheduler.health if row.scheduler else "",
        "nodes": [
            {"id": each.cloud_id, "role": each.role, "state": each.state,
             "running": each.state == MachineState.RUNNING, "joined": each.joined_at is not None,
             "leaving": each.leaving_at is not None, "jobs": each.jobs_running,
             "private": each.private_address, "public": each.public_address,
             "problem": each.problem, "console": each.console[-2000:]}
            for each in nodes
        ],
        "events": [
            f"{each.at:%H:%M:%S} {each.message[:300]}"
            for each in ClusterEvent.objects.filter(cluster=row).order_by("id")
        ][-25:],
    }  # fmt: skip


def submit(name: str, seconds: float, count: int = 1) -> int:
    """A job of so many processes, each of which sleeps; its number."""
    job = jobs.create_job(
        name, User.objects.get(username=ADMIN), job_type="CONDOR", num_jobs=count,
        attributes={"executable": "/bin/sleep", "arguments": str(seconds)},
    )  # fmt: skip
    job.execute()
    return int(job.pk)


def job(pk: int) -> dict[str, Any]:
    """How far a job is."""
    row = Job.objects.select_related("scheduler").get(pk=pk)
    tasks = Task.objects.filter(job=row)
    attempts = tasks.order_by("-attempt").values_list("attempt", flat=True).first()
    return {
        "status": row.status, "final": row.job_state.is_final, "message": row.status_message,
        "scheduler": row.scheduler.name if row.scheduler else "", "result": row.result,
        "attempt": attempts, "folder": str(paths.job_dir(row)),
        "hosts": sorted({each for each in tasks.values_list("host", flat=True) if each}),
        "tasks": list(tasks.values_list("state", flat=True)),
    }  # fmt: skip


def newest() -> int:
    """The number of the job that was made last."""
    return int(Job.objects.order_by("-pk").values_list("pk", flat=True)[0])


ANSWERS: dict[str, Callable[..., Any]] = {
    "boss": boss, "cluster": cluster, "submit": submit, "job": job, "newest": newest,
}  # fmt: skip

if __name__ == "__main__":
    main()
