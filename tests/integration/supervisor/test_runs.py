"""From execute() to a result, on the local engine, with a real supervisor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.errors import InvalidSpecification
from oceanid.jobs import JobManager
from oceanid.models import Job, Scheduler
from oceanid.states import JobState
from tests.integration.running import eventually
from tests.integration.supervisor.house import Running, lines, reaches, supervising

Shell = Callable[..., Any]
COMPLETE, ERROR, ABORTED = JobState.COMPLETE, JobState.ERROR, JobState.ABORTED


def test_a_job_runs_once_and_its_output_exit_code_and_times_are_kept(
    supervisor: Running, shell: Shell
) -> None:
    job = shell("echo hello; echo oops >&2")
    job.execute()
    assert job.status == "Submitted"
    assert job.wait(20) == "Complete"
    logs = job.get_logs()
    assert (logs["output"], logs["error"]) == ("hello\n", "oops\n")
    task = job.tasks.get()
    assert (task.state, task.exit_code, task.exit_signal) == ("COM", 0, None)
    assert job.execute_time <= job.start_time <= job.completion_time


def test_an_array_runs_each_process_once(supervisor: Running, shell: Shell, tmp_path: Path) -> None:
    job = shell(f"echo ${{OCEANID_KEY##*.}} >> {tmp_path}/seen", num_jobs=40)
    job.execute()
    assert job.wait(40) == "Complete"
    assert sorted(map(int, lines(tmp_path / "seen"))) == list(range(40))
    assert job.tasks_complete == 40


def test_an_array_with_failures_is_various_complete(supervisor: Running, shell: Shell) -> None:
    job = shell("exit ${OCEANID_KEY##*.}", num_jobs=3)
    job.execute()
    assert job.wait(20) == "Various-Complete"
    codes = job.tasks.order_by("index").values_list("exit_code", flat=True)
    assert list(codes) == [0, 1, 2]


def test_a_failure_is_told_with_its_exit_code(supervisor: Running, shell: Shell) -> None:
    job = shell("exit 7")
    job.execute()
    assert job.wait(20) == "Error"
    assert "7" in job.status_message


def test_many_jobs_are_executed_at_once_and_each_runs_once(
    supervisor: Running, shell: Shell, jobs: JobManager, tmp_path: Path
) -> None:
    many = [shell(f"echo {n} >> {tmp_path}/seen", name=f"run {n}") for n in range(400)]
    jobs.execute_many(many)
    eventually(lambda: not Job.objects.active().exists(), within_s=90, what="all have ended")
    assert sorted(map(int, lines(tmp_path / "seen"))) == list(range(400))
    assert Job.objects.filter(state="COM").count() == 400


def test_a_job_is_tried_again_as_often_as_max_retries_says(
    supervisor: Running, shell: Shell, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    good = shell(f"echo x >> {tries}; test $(wc -l < {tries}) -ge 3", max_retries=5)
    bad = shell("exit 3", max_retries=2)
    JobManager("floods").execute_many([good, bad])
    assert good.wait(30) == "Complete"
    assert len(lines(tries)) == 3
    assert bad.wait(30) == "Error"
    assert bad.tasks.get().tries == 2


def test_a_missing_file_is_refused_by_name_and_the_job_can_be_mended(
    supervisor: Running, jobs: JobManager, ann: User, tmp_path: Path
) -> None:
    script = tmp_path / "missing.sh"
    job = jobs.create_job("run", ann, job_type="CONDOR", executable=str(script))
    with pytest.raises(InvalidSpecification, match=r"missing\.sh"):
        job.execute()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    job.execute()
    assert job.wait(20) == "Complete"


def test_a_workflow_that_was_refused_can_be_mended_and_executed(
    supervisor: Running, jobs: JobManager, ann: User, tmp_path: Path
) -> None:
    script = tmp_path / "missing.sh"
    flow = jobs.create_job("flow", ann, job_type="CONDORWORKFLOW")
    flow.add_node("a", attributes={"executable": "/bin/true"})
    flow.add_node("b", attributes={"executable": str(script)}, parents=["a"])
    with pytest.raises(InvalidSpecification, match=r"missing\.sh"):
        flow.execute()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    flow.execute()
    assert flow.wait(20) == "Complete"


# Stop, pause, resume ------------------------------------------------------------------------


def test_a_function_runs_and_what_it_returns_is_the_result(
    supervisor: Running, jobs: JobManager, ann: User
) -> None:
    job = jobs.create_job("sum", ann, job_type="PYTHON", function="operator.add", args=[2, 3])
    job.execute()
    assert job.wait(20) == "Complete"
    assert job.result == 5


def test_a_functions_exception_is_the_reason(
    supervisor: Running, jobs: JobManager, ann: User
) -> None:
    job = jobs.create_job("bad", ann, job_type="PYTHON", function="operator.truediv", args=[1, 0])
    job.execute()
    assert job.wait(20) == "Error"
    assert "ZeroDivisionError" in job.status_message
    assert "ZeroDivisionError" in job.results_error


# Room ---------------------------------------------------------------------------------------


def test_a_job_that_is_larger_than_the_machine_is_held_and_says_why(
    _house: None, shell: Shell
) -> None:
    job = shell("true", request_cpus=64)
    job.execute()  # nobody has looked yet how large the machine is
    with supervising():
        reaches(job, JobState.HELD)
        assert "64 CPUs" in job.status_message
        assert job.hint
        with pytest.raises(InvalidSpecification):
            shell("true", request_cpus=64).execute()
        job.stop()
        assert job.wait(20) == "Aborted"


def test_users_share_the_machine_fairly(
    _house: None, shell: Shell, ann: User, bob: User, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    for _ in range(10):
        shell(f"echo ann >> {order}; sleep 0.1").execute()
    for _ in range(10):
        shell(f"echo bob >> {order}; sleep 0.1", user=bob).execute()
    with supervising():
        eventually(lambda: not Job.objects.active().exists(), within_s=60, what="all have ended")
    ran = lines(order)
    assert len(ran) == 20
    assert 3 <= ran[:10].count("bob") <= 7


def test_jobs_of_higher_priority_go_first(_house: None, shell: Shell, tmp_path: Path) -> None:
    order = tmp_path / "order"
    Scheduler.objects.create(name="local", config={"cpus": 1})
    for priority in (0, 5, -5, 10):
        shell(f"echo {priority} >> {order}", priority=priority).execute()
    with supervising():
        eventually(lambda: not Job.objects.active().exists(), within_s=60, what="all have ended")
    assert lines(order) == ["10", "5", "0", "-5"]


def test_a_users_limit_of_running_tasks_is_kept(
    settings: Any, _house: None, shell: Shell, tmp_path: Path
) -> None:
    settings.OCEANID = {**settings.OCEANID, "LIMITS": {"RUNNING_TASKS": 1}}
    line = f"mkdir {tmp_path}/alone || touch {tmp_path}/both; sleep 0.2; rmdir {tmp_path}/alone"
    for _ in range(4):
        shell(line).execute()
    with supervising():
        eventually(lambda: not Job.objects.active().exists(), within_s=60, what="all have ended")
    assert not (tmp_path / "both").exists()


def test_remote_input_files_are_in_the_directory_before_the_job_starts(
    supervisor: Running, jobs: JobManager, ann: User, tmp_path: Path
) -> None:
    given = tmp_path / "in.csv"
    given.write_text(json.dumps([1, 2]))
    job = jobs.create_job(
        "run", ann, job_type="CONDOR", executable="/bin/cat", transfer_executable=False,
        arguments="in.csv", transfer_input_files=["in.csv"], remote_input_files=[str(given)],
    )  # fmt: skip
    job.execute()
    assert job.wait(20) == "Complete"
    assert job.get_logs()["output"] == "[1, 2]"
