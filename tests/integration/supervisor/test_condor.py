"""From execute() to a result, on a real HTCondor pool over SSH, with a real supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.jobs import JobManager
from oceanid.models import Batch, Scheduler
from oceanid.services.paths import job_dir
from oceanid.states import JobState
from tests.contract.condor import Gate, Pool, remove
from tests.integration.running import eventually
from tests.integration.supervisor.house import Running, reaches

pytestmark = pytest.mark.condor
Shell = Callable[..., Any]


@pytest.fixture
def pool(_house: None) -> Scheduler:
    """The pool as an administrator's record."""
    return Scheduler.objects.create(name="pool", engine="htcondor", config=Pool.running().ssh)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every node of the pool sees."""
    made = Pool.running().folder()
    yield made
    remove(made)


@pytest.fixture
def on_pool(pool: Scheduler, shell: Shell) -> Shell:
    """Makes a job that runs a line of shell on the pool."""

    def make(line: str, **more: Any) -> Any:
        return shell(line, scheduler=pool, **more)

    return make


def test_an_array_runs_and_brings_its_outputs_and_logs(
    supervisor: Running, on_pool: Shell, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("rain")
    job = on_pool(
        'n=${OCEANID_KEY##*.}; echo "out $n"; cat in.txt > "r$n"',
        num_jobs=30,
        remote_input_files=[str(tmp_path / "in.txt")],
        transfer_input_files=["in.txt"],
    )
    job.execute()
    assert job.wait(120) == "Complete"
    folder = job_dir(job)
    assert sorted(path.name for path in folder.glob("r*")) == sorted(f"r{n}" for n in range(30))
    assert (folder / "r7").read_text() == "rain"
    assert (folder / "logs/stdout.7").read_text() == "out 7\n"
    task = job.tasks.get(index=7)
    assert (task.exit_code, task.host.startswith("worker")) == (0, True)
    eventually(lambda: not Batch.objects.exists(), within_s=30, what="the batch is forgotten")


def test_a_failure_is_tried_again_and_then_told(supervisor: Running, on_pool: Shell) -> None:
    job = on_pool("exit 7", max_retries=1)
    job.execute()
    assert job.wait(120) == "Error"
    assert "7" in job.status_message
    assert job.tasks.get().tries == 1


def test_a_held_job_says_why_and_what_to_do(supervisor: Running, on_pool: Shell) -> None:
    job = on_pool("true", transfer_output_files=["promised.csv"])
    job.execute()
    reaches(job, JobState.HELD, within_s=60)
    assert "promised.csv" in job.status_message
    assert "transfer_output_files" in job.hint
    job.stop()
    reaches(job, JobState.ABORTED, within_s=60)


def test_a_job_is_paused_resumed_and_stopped(supervisor: Running, on_pool: Shell) -> None:
    job = on_pool("sleep 300", num_jobs=3)
    job.execute()
    reaches(job, JobState.RUNNING, JobState.VARIOUS, within_s=60)
    job.pause()
    reaches(job, JobState.PAUSED, within_s=60)
    job.resume()
    reaches(job, JobState.RUNNING, within_s=60)
    job.stop()
    reaches(job, JobState.ABORTED, within_s=60)


def test_a_python_function_travels_with_its_apps_package_and_returns_its_value(
    supervisor: Running, pool: Scheduler, jobs: JobManager, ann: User
) -> None:
    job = jobs.create_job(
        "call", ann, job_type="PYTHON", scheduler=pool,
        function="tests.integration.jobs.functions.add", args=[3, 4],
    )  # fmt: skip
    job.execute()
    assert job.wait(120) == "Complete"
    assert job.result == 7


def test_a_module_that_the_machine_lacks_is_told_by_name(
    supervisor: Running, pool: Scheduler, jobs: JobManager, ann: User
) -> None:
    job = jobs.create_job(
        "call", ann, job_type="PYTHON", scheduler=pool,
        function="tests.integration.jobs.functions.needs_more",
    )  # fmt: skip
    job.execute()
    assert job.wait(120) == "Error"
    assert "No module named" in job.status_message
    assert "Python 3" in job.status_message


def test_a_job_that_no_machine_can_run_says_why_until_it_runs(
    supervisor: Running, pool: Scheduler, on_pool: Shell
) -> None:
    pool.config = {**pool.config, "idle_after_s": 2, "idle_every_s": 3}
    pool.save()
    large = on_pool("sleep 300", num_jobs=3, request_memory="900 GB")
    strange = on_pool("sleep 300", requirements='Kernel == "plan9"')
    gpu = on_pool("sleep 300", request_gpus=1)
    for job in (large, strange, gpu):
        job.execute()

    def told() -> bool:
        for job in (large, strange, gpu):
            job.refresh_from_db()
        return all(job.hint for job in (large, strange, gpu))

    eventually(told, within_s=240, what="why they wait")
    assert (large.status, large.reason_code) == ("Submitted", "idle-too-large")
    assert "921,600 MiB of memory" in large.status_message
    assert large.tasks.filter(reason_code="idle-too-large").count() == 3
    assert (strange.reason_code, "plan9" in strange.status_message) == ("idle-requirements", True)
    assert gpu.reason_code == "idle-no-gpu"
    handle = Batch.objects.get(tasks__job=gpu).handle
    Pool.running().run("condor_qedit", str(handle["clusters"][0]), "RequestGPUs=0")
    reaches(gpu, JobState.RUNNING, within_s=90)
    assert (gpu.reason_code, gpu.status_message, gpu.hint) == ("", "", "")
    for job in (large, strange, gpu):
        job.stop()
    for job in (large, strange, gpu):
        reaches(job, JobState.ABORTED, within_s=60)


def test_what_the_pool_itself_has_against_a_job_is_told(
    supervisor: Running, pool: Scheduler, on_pool: Shell
) -> None:
    pool.config = {**pool.config, "idle_after_s": 2, "idle_every_s": 3}
    pool.save()
    # The test pools have such a limit, and machines that refuse what says so of itself.
    limited = on_pool("sleep 300", concurrency_limits="oceanid_none")
    refused = on_pool("sleep 300", **{"+Unwelcome": True})
    contained = on_pool("sleep 300", universe="container", container_image="docker://debian")
    every = (limited, refused, contained)
    for job in every:
        job.execute()

    def told() -> bool:
        for job in every:
            job.refresh_from_db()
        return all(job.hint for job in every)

    eventually(told, within_s=240, what="why they wait")
    assert limited.reason_code == "idle-limit", limited.status_message
    assert "oceanid_none" in limited.status_message.lower()
    assert refused.reason_code == "idle-refused", refused.status_message
    assert contained.reason_code == "idle-no-container", contained.status_message
    for job in every:
        job.stop()
    for job in every:
        reaches(job, JobState.ABORTED, within_s=60)


def test_what_a_job_uses_is_told_while_it_runs_and_at_its_end(
    supervisor: Running, on_pool: Shell, folder: Path
) -> None:
    gate = Gate(folder)
    job = on_pool(f"head -c 30000000 /dev/zero >big; {gate.line}", transfer_output_files=[])
    job.execute()
    reaches(job, JobState.RUNNING, within_s=60)
    task = job.tasks.get()

    def known() -> bool:
        task.refresh_from_db()
        return bool(task.peak_memory_mib is not None and task.host)

    eventually(known, within_s=120, what="its memory while it runs")
    assert task.state == "RUN"
    gate.open()
    assert job.wait(120) == "Complete"
    task.refresh_from_db()
    assert task.disk_mib is not None
    assert task.disk_mib >= 28


def test_output_is_seen_on_the_page_while_the_job_runs(
    supervisor: Running, on_pool: Shell, client: Client, ann: User
) -> None:
    client.force_login(ann)
    job = on_pool(
        "seq 1 30000; for n in $(seq 1 300); do echo step $n; echo bad $n >&2; sleep 1; done; "
    )
    job.execute()
    reaches(job, JobState.RUNNING, within_s=60)

    def look(stream: str, **parameters: object) -> dict[str, Any]:
        at = f"/compute/jobs/{job.pk}/tasks/0/{stream}/"
        found: dict[str, Any] = client.get(at, parameters).json()
        return found

    eventually(lambda: "step 3\n" in look("stdout")["text"], within_s=60, what="what it prints")
    eventually(lambda: "bad 3\n" in look("stderr")["text"], within_s=60, what="its errors")
    first = look("stdout")
    assert first["text"].splitlines()[-1].startswith("step")
    assert first["offset"] > 30_000  # the end of 170 kB, and where it stands is known
    eventually(
        lambda: look("stdout", offset=first["next"])["text"].startswith("step"),
        within_s=30, what="it follows",
    )  # fmt: skip
    job.refresh_from_db()
    assert job.status == "Running"
    job.stop()
    reaches(job, JobState.ABORTED, within_s=60)


def test_output_of_a_workflows_node_is_seen_while_it_runs(
    supervisor: Running, pool: Scheduler, jobs: JobManager, ann: User, client: Client
) -> None:
    client.force_login(ann)
    workflow = jobs.create_job("flow", ann, job_type="CONDORWORKFLOW", scheduler=pool)
    attributes = {
        "executable": "/bin/sh", "transfer_executable": False,
        "arguments": ["-c", "for n in $(seq 1 300); do echo step $n; sleep 1; done"],
    }  # fmt: skip
    workflow.add_node("steps", attributes=attributes)
    workflow.execute()
    reaches(workflow, JobState.RUNNING, JobState.VARIOUS, within_s=90)
    node = workflow.get_job("steps")

    def shows() -> bool:
        at = f"/compute/jobs/{workflow.pk}/nodes/{node.pk}/tasks/0/stdout/"
        answer = client.get(at)
        return answer.status_code == 200 and "step 3\n" in answer.json()["text"]

    eventually(shows, within_s=120, what="what the node prints")
    workflow.stop()
    reaches(workflow, JobState.ABORTED, within_s=90)
