"""Jobs that mean no good, from execute() to what a person sees of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from oceanid.engines.local.runner import processes
from oceanid.jobs import JobManager
from oceanid.models import Scheduler
from oceanid.states import JobState
from tests.integration.running import eventually
from tests.integration.supervisor.house import Running, gone, lines, reaches, supervising

Shell = Callable[..., Any]
MIB = 1 << 20
DOUBLE_FORK = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.chdir("/")
os.environ.clear()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(900)
"""


def _left(pids: Path) -> list[str]:
    return [pid for pid in lines(pids) if processes.start_time(int(pid))]


def test_a_gigabyte_of_output_costs_neither_the_job_nor_its_page_much(
    supervisor: Running, shell: Shell, client: Client, ann: User
) -> None:
    client.force_login(ann)
    small, job = shell("echo the end"), shell("truncate -s 1G /dev/stdout; echo; echo the end")
    for each in (small, job):
        each.execute()
        assert each.wait(60) == "Complete"
    logs = job.get_logs()["output"]
    assert logs.endswith("the end\n")
    assert len(logs) < 2 * MIB
    took: dict[int, list[float]] = {small.pk: [], job.pk: []}
    for each in (small, job) * 6:
        began = time.monotonic()
        page = client.get(f"/compute/jobs/{each.pk}/")
        took[each.pk].append(time.monotonic() - began)
        assert page.status_code == 200
        assert b"the end" in page.content
        assert len(page.content) < MIB
    assert min(took[job.pk]) < 5 * min(took[small.pk]) + 0.1


def test_a_daemon_that_forked_twice_and_hid_ends_with_its_job(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    script, pids = tmp_path / "daemon.py", tmp_path / "pids"
    script.write_text(DOUBLE_FORK)
    line = f"python3 {script} {pids}; until test -s {pids}; do sleep 0.01; done"
    job = shell(line)
    job.execute()
    assert job.wait(30) == "Complete"
    assert lines(pids)
    assert not _left(pids)


def test_a_deleted_job_leaves_no_process_however_it_resists(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    script, pids = tmp_path / "daemon.py", tmp_path / "pids"
    script.write_text(DOUBLE_FORK)
    job = shell(
        f"trap '' TERM INT HUP; python3 {script} {pids}; echo $$ >> {pids}; "
        "while :; do sleep 1; done",
        job_max_vacate_time=1,
    )
    job.execute()
    eventually(lambda: len(lines(pids)) == 2, within_s=20, what="it runs")
    job.delete()
    gone(job, within_s=40)
    assert not _left(pids)


def test_a_job_that_fills_the_disk_is_ended_at_the_reserve(
    _house: None, jobs: JobManager, ann: User, shell: Shell, tmp_path: Path
) -> None:
    free_mib = shutil.disk_usage(tmp_path).free // MIB
    Scheduler.objects.create(name="local", config={"cpus": 2, "disk_reserve_mib": free_mib - 200})
    # It writes more than there is above the reserve, though not without an end.
    line = (
        "i=0; while [ $i -lt 400 ]; do dd if=/dev/zero of=f$i bs=1M count=8 conv=fsync "
        "2>/dev/null; i=$((i + 1)); done; echo done"
    )
    job = shell(line, should_transfer_files="YES")
    job.execute()
    with supervising():
        reaches(job, JobState.ERROR, within_s=120)
    assert job.reason_code == "disk-full"
    assert "reserve" in job.status_message or "nearly full" in job.status_message
    assert job.hint
    assert "done" not in job.get_logs()["output"]


def test_what_a_job_lays_out_for_others_to_step_into_is_not_brought_back(
    supervisor: Running, shell: Shell, client: Client, ann: User
) -> None:
    job = shell(
        "ln -s /etc/passwd passwd; ln -s ../../db.sqlite3 db; ln -s / root; mkfifo pipe; "
        "echo fine > fine; touch -- '-rf' '<b>'",
        should_transfer_files="YES",
    )
    job.execute()
    assert job.wait(20) == "Complete"
    names = {each.name for each in job.directory.iterdir()}
    assert {"fine", "-rf", "<b>"} <= names
    assert not names & {"passwd", "db", "root", "pipe"}
    assert "passwd" in job.tasks.get().reason
    client.force_login(ann)
    for name in ("passwd", "root/etc/passwd", "../../../etc/passwd"):
        assert client.get(f"/compute/jobs/{job.pk}/files/{name}").status_code == 404
