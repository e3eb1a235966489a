"""Stop, pause, resume, resubmit and delete, on the local engine, with a real supervisor."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.errors import IllegalTransition
from oceanid.jobs import JobManager
from oceanid.models import Job, JobEvent, Task
from oceanid.states import JobState
from tests.integration.running import eventually
from tests.integration.supervisor.house import Running, gone, lines, reaches, supervising

Shell = Callable[..., Any]
COMPLETE, ERROR, ABORTED = JobState.COMPLETE, JobState.ERROR, JobState.ABORTED


def test_a_queued_job_is_stopped_without_ever_running(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    blockers = [shell("exec sleep 60") for _ in range(2)]
    for each in blockers:
        each.execute()
    for each in blockers:
        reaches(each, JobState.RUNNING)
    job = shell(f"touch {tmp_path}/ran", num_jobs=5)
    job.execute()
    job.stop()
    assert job.wait(20) == "Aborted"
    for each in blockers:
        each.stop()
        assert each.wait(20) == "Aborted"
    assert not (tmp_path / "ran").exists()


def test_a_running_job_is_stopped_with_all_that_it_started(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    job = shell(f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 300' & wait")
    job.execute()
    eventually(lambda: lines(tmp_path / "pid"), within_s=20, what="the job runs")
    job.stop()
    assert job.wait(20) == "Aborted"
    assert not Path("/proc", lines(tmp_path / "pid")[0]).exists()
    job.stop()
    assert job.status == "Aborted"


def test_a_job_that_ignores_sigterm_is_killed_after_its_time(
    supervisor: Running, shell: Shell
) -> None:
    job = shell("trap '' TERM; echo on; while :; do sleep 0.1; done", job_max_vacate_time=1)
    job.execute()
    reaches(job, JobState.RUNNING)
    eventually(lambda: job.get_logs()["output"], within_s=20, what="it runs")
    job.stop()
    assert job.wait(30) == "Aborted"


def test_a_job_is_paused_and_goes_on(supervisor: Running, shell: Shell, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    job = shell(f"while test ! -e {tmp_path}/end; do echo x >> {beat}; sleep 0.02; done")
    job.execute()
    eventually(lambda: len(lines(beat)) > 3, within_s=20, what="the job runs")
    job.pause()
    job.pause()
    reaches(job, JobState.PAUSED)
    count = len(lines(beat))
    time.sleep(0.3)  # that nothing happens can only be seen in time
    assert len(lines(beat)) == count
    job.resume()
    eventually(lambda: len(lines(beat)) > count + 3, within_s=20, what="the job goes on")
    reaches(job, JobState.RUNNING)
    (tmp_path / "end").touch()
    assert job.wait(20) == "Complete"


def test_a_paused_job_can_be_stopped(supervisor: Running, shell: Shell) -> None:
    job = shell("exec sleep 300")
    job.execute()
    reaches(job, JobState.RUNNING)
    job.pause()
    reaches(job, JobState.PAUSED)
    job.stop()
    assert job.wait(20) == "Aborted"


def test_a_queued_job_that_is_paused_does_not_start_until_it_is_resumed(
    _house: None, shell: Shell, tmp_path: Path
) -> None:
    job = shell(f"touch {tmp_path}/ran")
    job.execute()
    job.pause()
    with supervising():
        reaches(job, JobState.PAUSED)
        assert not (tmp_path / "ran").exists()
        job.resume()
        assert job.wait(20) == "Complete"


# Resubmit and delete ------------------------------------------------------------------------


def test_a_resubmitted_job_runs_again_as_its_next_attempt(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    job = shell(f"echo x >> {count}; wc -l < {count}; test $(wc -l < {count}) -gt 1")
    job.execute()
    assert job.wait(20) == "Error"
    job.resubmit()
    assert (job.attempt, job.status, job.status_message) == (2, "Submitted", "")
    assert job.wait(20) == "Complete"
    assert job.get_logs()["output"].split()[-1] == "2"
    assert sorted(job.tasks.values_list("attempt", "state")) == [(1, "ERR"), (2, "COM")]


def test_a_running_job_is_deleted_with_its_directory_and_not_its_workspace(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    workspace = tmp_path / "apps own"
    workspace.mkdir()
    (workspace / "precious").write_text("data")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("data")
    job = shell(
        f"ln -s {outside} link; mkdir deep; chmod 0 deep; exec sleep 300",
        workspace=str(workspace), should_transfer_files="NO",
    )  # fmt: skip
    job.execute()
    reaches(job, JobState.RUNNING)
    eventually(lambda: (job.directory / "deep").exists(), within_s=20, what="it runs")
    directory = job.directory
    job.delete()
    gone(job)
    assert not directory.exists()
    assert (workspace / "precious").read_text() == "data"
    assert (outside / "kept").read_text() == "data"
    assert not Task.objects.exists()
    assert not JobEvent.objects.exists()


def test_deleting_twice_is_once(supervisor: Running, shell: Shell) -> None:
    job = shell("true")
    job.execute()
    job.wait(20)
    again = Job.objects.get(pk=job.pk)
    job.delete()
    again.delete()
    gone(job)
    again.delete()


def test_a_job_for_each_item_is_as_large_when_it_is_resubmitted(
    supervisor: Running, shell: Callable[..., Any]
) -> None:
    rows = [{"place": "Ulm"}, {"place": "Bonn"}, {"place": "Köln"}]
    job = shell("true", itemdata=rows, num_jobs=2)
    job.execute()
    for attempt in (1, 2, 3):
        reaches(job, JobState.COMPLETE)
        assert (job.num_jobs, job.tasks.filter(attempt=attempt).count()) == (6, 6)
        job.resubmit()
    reaches(job, JobState.COMPLETE)


def test_a_node_for_each_item_is_as_large_when_it_is_rescued(
    supervisor: Running, jobs: JobManager, ann: User, tmp_path: Path
) -> None:
    workflow = jobs.create_job("flow", ann, job_type="CONDORWORKFLOW")
    line = f"test -e {tmp_path}/good"
    attributes = {"executable": "/bin/sh", "transfer_executable": False, "arguments": ["-c", line]}
    workflow.add_node("all", attributes={**attributes, "itemdata": [{"n": "1"}, {"n": "2"}]})
    workflow.execute()
    reaches(workflow, JobState.ERROR)
    (tmp_path / "good").touch()
    workflow.resubmit()
    reaches(workflow, JobState.COMPLETE)
    assert workflow.get_job("all").num_jobs == 2


def test_a_deleted_job_is_not_brought_back_by_a_resubmission(
    _house: None, shell: Shell, tmp_path: Path
) -> None:
    job = shell("true")
    job.execute()
    with supervising():
        job.wait(20)
    other = Job.objects.get(pk=job.pk)
    job.delete()
    with pytest.raises(IllegalTransition):
        other.resubmit()
    with supervising():
        gone(job)


def test_a_job_directory_that_is_a_link_is_removed_and_not_what_it_leads_to(
    _house: None, shell: Shell, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").touch()
    job = shell("true")
    job.execute()
    job.stop()
    job.directory.parent.mkdir(parents=True, exist_ok=True)
    job.directory.symlink_to(target)
    job.delete()
    with supervising():
        gone(job)
    assert not job.directory.is_symlink()
    assert (target / "kept").exists()


# PYTHON -------------------------------------------------------------------------------------
