"""Workflows run by DAGMan, from execute() to their ends, with a real supervisor over SSH."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.errors import InvalidSpecification
from oceanid.jobs import CondorWorkflow, JobManager
from oceanid.models import Batch, JobEvent, Scheduler, Task, TaskRole
from oceanid.services.paths import job_dir
from oceanid.states import JobState, NodeState
from tests.contract.condor import Pool
from tests.integration.running import eventually
from tests.integration.supervisor.house import (
    Running,
    counters_are_right,
    in_order,
    reaches,
    supervising,
    told,
)

pytestmark = pytest.mark.condor
Make = Callable[..., CondorWorkflow]


@pytest.fixture
def pool(_house: None) -> Scheduler:
    """The pool as an administrator's record, which allows scripts."""
    config = {**Pool.running().ssh, "allow_scripts": True}
    return Scheduler.objects.create(name="pool", engine="htcondor", config=config)


@pytest.fixture
def workflow(pool: Scheduler, jobs: JobManager, ann: User) -> Make:
    """Makes a draft of a workflow."""

    def make(**more: Any) -> CondorWorkflow:
        made = jobs.create_job("flow", ann, job_type="CONDORWORKFLOW", scheduler=pool, **more)
        assert isinstance(made, CondorWorkflow)
        return made

    return make


def line(text: str, **more: Any) -> dict[str, Any]:
    """The attributes of a node that runs a line of shell."""
    return {
        "executable": "/bin/sh", "transfer_executable": False, "arguments": ["-c", text], **more,
    }  # fmt: skip


def moves(job: CondorWorkflow, node: str) -> list[str]:
    """The states that a node was in, in order."""
    key = job.nodes.get(name=node).pk
    events = JobEvent.objects.filter(job=job, kind="node", node_id=key).order_by("id")
    return [NodeState(after).word for after in events.values_list("after", flat=True)]


def ends(job: CondorWorkflow, within_s: float = 150) -> str:
    """Wait for a workflow's end."""
    final = (JobState.COMPLETE, JobState.ERROR, JobState.ABORTED)
    return reaches(job, *final, within_s=within_s).status


def test_a_diamond_with_an_array_in_it_runs_as_one_batch_and_brings_all_home(
    supervisor: Running, workflow: Make
) -> None:
    job = workflow()
    job.add_node("A", attributes=line("echo rain > a.txt"))
    job.add_node(
        "B", parents=["A"], num_jobs=3,
        attributes=line("cat a.txt > b${OCEANID_KEY##*J}.txt", transfer_input_files=["a.txt"]),
    )  # fmt: skip
    job.add_node(
        "C", parents=["A"], attributes=line("cat a.txt > c.txt", transfer_input_files=["a.txt"])
    )
    job.add_node(
        "D", parents=["B", "C"],
        attributes=line("cat b0.txt b1.txt b2.txt c.txt > d.txt",
                        transfer_input_files=["b0.txt", "b1.txt", "b2.txt", "c.txt"]),
    )  # fmt: skip
    job.execute()
    eventually(lambda: "Running" in moves(job, "A"), within_s=90, what="A is told to run")
    assert Batch.objects.count() == 1, "the whole workflow is one batch"
    assert Batch.objects.get().size == 7
    assert ends(job) == "Complete", told(job)
    assert (job_dir(job) / "d.txt").read_text() == "rain\n" * 4
    assert job.statuses["Done"] == 4
    assert moves(job, "A") == ["Running", "Done"]
    assert moves(job, "D") == ["Ready", "Running", "Done"]
    assert set(job.tasks.values_list("state", flat=True)) == {"COM"}
    eventually(lambda: not Batch.objects.exists(), within_s=30, what="the batch is forgotten")


def test_retries_scripts_and_odd_names_are_dagmans_and_are_told(
    supervisor: Running, workflow: Make
) -> None:
    job = workflow(max_jobs={"few": 1})
    folder = job_dir_of(job)
    script(folder / "pre.sh", 'echo "$1" > "pre $2.txt"')
    script(folder / "post.sh", 'test "$1" = 9 && exit 0; exit 3')
    odd = "no; de $(x) 'q\" %s"
    job.add_node(
        odd, pre_script="pre.sh", pre_script_args="'$JOB x' made", category="few",
        attributes=line("cat 'pre made.txt'", transfer_input_files=["pre made.txt"]),
    )  # fmt: skip
    job.add_node(
        "again", parents=[odd], retry=2, category="few",
        attributes=line("exit 9"), post_script="post.sh", post_script_args="$RETURN",
    )  # fmt: skip
    job.add_node("stubborn", retry=4, retry_unless_exit_value=5, attributes=line("exit 5"))
    job.add_node("nothing", noop=True, parents=["again"])
    job.add_node("was done", done=True, attributes=line("touch never.txt"))
    job.add_node("in dir", dir="sub", attributes=line("echo x > x.txt"))
    job.add_node("futile", parents=["stubborn"], attributes=line("touch never.txt"))
    job.execute()
    assert ends(job) == "Error", told(job)
    states = dict(job.nodes.values_list("name", "state"))
    assert states == {
        odd: "DON", "again": "DON", "stubborn": "FAI", "nothing": "DON", "was done": "DON",
        "in dir": "DON", "futile": "FUT",
    }, told(job)  # fmt: skip
    stubborn = job.get_job("stubborn")
    assert stubborn is not None
    assert (stubborn.exit_code, stubborn.tries) == (5, 0)
    assert "stubborn" in job.status_message and "5" in job.status_message
    assert (job_dir(job) / "sub" / "x.txt").read_text() == "x\n"
    assert not list(job_dir(job).rglob("never.txt"))
    assert moves(job, odd) == ["Prerun", "Running", "Done"]
    assert moves(job, "again")[-2:] == ["Postrun", "Done"]
    assert moves(job, "futile") == ["Futile"]


def test_the_second_try_succeeds_and_the_task_says_so(supervisor: Running, workflow: Make) -> None:
    shared = Pool.running().folder()
    job = workflow()
    job.add_node(
        "A", retry=2, num_jobs=2,
        attributes=line(f"t={shared}/tries.${{OCEANID_KEY##*J}}; echo x >> $t; "
                        "[ $(wc -l < $t) -ge 2 ] && echo ok > r${OCEANID_KEY##*J}"),
    )  # fmt: skip
    job.execute()
    assert ends(job) == "Complete", told(job)
    assert moves(job, "A") == ["Running", "Ready", "Running", "Done"]
    tasks = Task.objects.filter(job=job, role=TaskRole.JOB)
    assert [(task.state, task.tries) for task in tasks] == [("COM", 1)] * 2
    assert (job_dir(job) / "r0").exists() and (job_dir(job) / "r1").exists()


def test_what_is_done_stays_done_when_it_is_resubmitted(
    supervisor: Running, workflow: Make
) -> None:
    shared = Pool.running().folder()
    job = workflow()
    job.add_node("A", attributes=line(f"echo A >> {shared}/ran; echo data > a.txt"))
    job.add_node(
        "B", parents=["A"],
        attributes=line(f"echo B >> {shared}/ran; test -e {shared}/mended && cat a.txt > b.txt",
                        transfer_input_files=["a.txt"]),
    )  # fmt: skip
    job.add_node("C", parents=["B"], attributes=line(f"echo C >> {shared}/ran"))
    job.execute()
    assert ends(job) == "Error", told(job)
    (shared / "mended").touch()
    job.resubmit()
    assert ends(job) == "Complete", told(job)
    assert (shared / "ran").read_text().split() == ["A", "B", "B", "C"]
    assert (job_dir(job) / "b.txt").read_text() == "data\n"


def test_a_workflow_is_paused_resumed_and_stopped_with_its_nodes(
    supervisor: Running, workflow: Make
) -> None:
    job = workflow()
    job.add_node("A", attributes=line("sleep 600"))
    job.add_node("B", parents=["A"], attributes=line("true"))
    job.execute()
    reaches(job, JobState.RUNNING, within_s=90)
    eventually(lambda: Task.objects.filter(job=job, state="RUN").count() == 2, within_s=60,
               what="DAGMan and A run")  # fmt: skip
    job.pause()
    reaches(job, JobState.PAUSED, within_s=90)
    job.resume()
    reaches(job, JobState.RUNNING, within_s=90)
    job.stop()
    assert ends(job) == "Aborted", told(job)
    assert set(job.nodes.values_list("state", flat=True)) == {"ABT"}


def test_abort_dag_on_ends_the_workflow_with_its_value(supervisor: Running, workflow: Make) -> None:
    job = workflow()
    job.add_node("long", attributes=line("sleep 600"))
    job.add_node("A", abort_dag_on=3, abort_dag_on_return_value=0, attributes=line("exit 3"))
    job.add_node("B", parents=["A"], attributes=line("true"))
    job.execute()
    assert ends(job) == "Complete", told(job)
    assert dict(job.nodes.values_list("name", "state")) == {"long": "ABT", "A": "FAI", "B": "ABT"}


def test_a_supervisor_that_begins_anew_half_way_loses_nothing(_house: None, workflow: Make) -> None:
    job = workflow()
    job.add_node("A", attributes=line("echo a > a.txt"))
    job.add_node(
        "B", parents=["A"], num_jobs=2, attributes=line("sleep 6; echo b > b${OCEANID_KEY##*J}")
    )
    job.add_node("C", parents=["B"], attributes=line("echo c > c.txt"))
    with supervising():
        job.execute()
        eventually(lambda: "Running" in moves(job, "B"), within_s=120, what="B runs")
    with supervising():
        eventually(lambda: Task.objects.filter(job=job, state="COM").count() >= 1, within_s=90,
                   what="something ended")  # fmt: skip
    with supervising():
        assert ends(job) == "Complete", told(job)
    in_order()
    assert (job_dir(job) / "c.txt").exists() and (job_dir(job) / "b1").exists()
    assert moves(job, "B") == ["Ready", "Running", "Done"]


def test_what_htcondor_refuses_is_told_and_nothing_ran(supervisor: Running, workflow: Make) -> None:
    job = workflow()
    job.add_node("A", attributes=line("true", requirements="((("))
    job.execute()
    assert ends(job) == "Error", told(job)
    assert "A" in job.status_message and "requirements" in job.status_message.lower()


def test_a_workflow_whose_node_no_machine_can_run_says_which_and_why(
    supervisor: Running, pool: Scheduler, workflow: Make
) -> None:
    pool.config = {**pool.config, "idle_after_s": 2, "idle_every_s": 3}
    pool.save()
    job = workflow()
    job.add_node("small", attributes=line("true"))
    job.add_node("giant", parents=["small"], attributes=line("true", request_memory="900 GB"))
    job.execute()

    def told_why() -> bool:
        job.refresh_from_db()
        return bool(job.hint)

    eventually(told_why, within_s=120, what=f"why it waits: {told(job)}")
    assert (job.status, job.reason_code) == ("Running", "idle-too-large")
    assert "“giant” waits" in job.status_message and "921,600 MiB" in job.status_message
    assert "921,600 MiB" in job.nodes.get(name="giant").reason
    job.stop()
    assert ends(job) == "Aborted"


def test_scripts_are_refused_by_name_where_the_record_does_not_allow_them(
    pool: Scheduler, workflow: Make
) -> None:
    Scheduler.objects.filter(pk=pk_of(pool)).update(config=Pool.running().ssh)
    pool.refresh_from_db()
    job = workflow()
    job.add_node("A", pre_script="pre.sh", attributes=line("true"))
    with pytest.raises(InvalidSpecification, match=r"“A”.*PRE and POST.*“pool”") as refused:
        job.execute()
    assert refused.value.slug == "scripts-not-allowed"
    assert "administrator" in refused.value.hint
    job.refresh_from_db()
    counters_are_right(job)


def pk_of(record: Scheduler) -> int:
    """A record's number."""
    assert record.pk is not None
    return record.pk


def job_dir_of(job: CondorWorkflow) -> Path:
    """A draft's directory, made before it is executed."""
    job.save()
    folder = job_dir(job)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def script(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
