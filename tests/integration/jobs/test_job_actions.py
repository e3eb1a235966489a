"""What can be asked of a job: intents are written down, reality is another's business."""

from __future__ import annotations

import inspect
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.utils import timezone

from oceanid.errors import (
    IllegalTransition,
    InvalidSettings,
    InvalidSpecification,
    NotFound,
    OceanidError,
    WaitTimeout,
)
from oceanid.jobs import BasicJob, CondorJob, Job, JobManager
from oceanid.jobs.actions import JobActions
from oceanid.jobs.logs import read_tail
from oceanid.services import jobs as services
from oceanid.states import Wanted

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(jobs: JobManager, ann: User, true: dict[str, Any]) -> CondorJob:
    """A job that was executed."""
    job: CondorJob = jobs.create_job("x", ann, **true)
    job.execute()
    return job


@pytest.fixture
def ended(running: CondorJob) -> CondorJob:
    """A job that has ended."""
    Job.objects.filter(pk=running.pk).update(state="COM", wanted="RUN", due_at=None)
    running.refresh_from_db()
    return running


def test_execute_writes_the_intent_and_returns(running: CondorJob) -> None:
    again = Job.objects.get(pk=running.pk)
    assert running.status == again.status == "Submitted"
    assert again.wanted == Wanted.RUN
    assert again.execute_time is not None
    assert [event.after for event in again.events.all()] == ["SUB"]


def test_a_job_is_executed_once(running: CondorJob) -> None:
    stale = Job.objects.get(pk=running.pk)
    for job in (running, stale):
        with pytest.raises(IllegalTransition):
            job.execute()
    assert running.events.count() == 1


def test_many_are_executed_together_or_not_at_all(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    made = [jobs.create_job(f"run {n} {{id}}", ann, **true) for n in range(5)]
    jobs.execute_many(made)
    assert {job.status for job in made} == {"Submitted"}
    assert [job.name for job in made] == [f"run {n} {job.pk}" for n, job in enumerate(made)]
    before = Job.objects.count()
    bad = jobs.create_job("bad", ann, job_type="CONDOR", executable="/no/such/thing")
    saved = jobs.create_job("saved", ann, **true)
    saved.save()
    good = jobs.create_job("good", ann, **true)
    with pytest.raises(OceanidError):
        jobs.execute_many([good, saved, bad])
    assert Job.objects.count() == before + 1
    assert (good.pk, good.status, good.wanted) == (None, "Pending", "DRA")
    good.execute()
    stale = Job.objects.get(pk=saved.pk)
    saved.execute()
    fresh = jobs.create_job("fresh {id}", ann, **true)
    with pytest.raises(IllegalTransition):
        jobs.execute_many([fresh, stale])
    assert (fresh.pk, fresh.status, fresh.name) == (None, "Pending", "fresh {id}")
    fresh.execute()
    jobs.execute_many([])


def test_stop_pause_and_resume_are_wishes_and_idempotent(running: CondorJob) -> None:
    for verb, wanted in (("pause", Wanted.PAUSE), ("resume", Wanted.RUN), ("stop", Wanted.STOP)):
        for _ in range(2):
            getattr(running, verb)()
        assert Job.objects.get(pk=running.pk).wanted == wanted
    assert running.status == "Submitted"


def test_a_draft_can_be_stopped_and_not_paused(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    job = jobs.create_job("x", ann, **true)
    verbs = ("stop", "pause", "resume", "resubmit", "delete", "retry_results", "wait")
    for verb in verbs:
        with pytest.raises(IllegalTransition, match="not saved"):
            getattr(job, verb)()
    job.save()
    for verb in ("pause", "resume", "resubmit", "retry_results", "wait"):
        with pytest.raises(IllegalTransition):
            getattr(job, verb)()
    job.stop()
    assert job.status == "Aborted"


def test_a_finished_job_is_resubmitted_and_a_running_one_is_not(ended: CondorJob) -> None:
    ended.resubmit()
    assert (ended.status, ended.attempt) == ("Submitted", 2)
    with pytest.raises(IllegalTransition):
        ended.resubmit()


def test_two_people_at_once_do_it_once(ended: CondorJob) -> None:
    first, second = Job.objects.get(pk=ended.pk), Job.objects.get(pk=ended.pk)
    first.resubmit()
    with pytest.raises(IllegalTransition):
        second.resubmit()
    second.stop()
    first.refresh_from_db()
    assert (first.attempt, first.wanted) == (2, Wanted.STOP)


def test_a_draft_is_deleted_at_once_and_another_when_it_was_seen_to(
    jobs: JobManager, ann: User, running: CondorJob, true: dict[str, Any]
) -> None:
    draft = jobs.create_job("x", ann, **true)
    draft.save()
    assert draft.delete()[0] == 1
    assert jobs.get_job(draft.pk or 1) is None or draft.pk is None
    running.delete()
    running.delete()
    assert Job.objects.get(pk=running.pk).wanted == Wanted.DELETE


def test_a_running_job_is_saved_without_undoing_what_was_seen(running: CondorJob) -> None:
    stale = Job.objects.get(pk=running.pk)
    Job.objects.filter(pk=running.pk).update(state="RUN", tasks_running=1)
    stale.name, stale.extended_properties = "other", {"seen": True}
    stale.state, stale.attributes = "COM", {"executable": "/bin/false"}
    stale.save()
    again = Job.objects.get(pk=running.pk)
    assert (again.name, again.name_key, again.extended_properties) == (
        "other",
        "other",
        {"seen": True},
    )
    assert (again.status, again.tasks_running) == ("Running", 1)
    assert again.get_attribute("executable") == "/bin/true"
    assert again.version > running.version
    stale.name = "n" * 2000
    with pytest.raises(InvalidSpecification):
        stale.save()


def test_a_draft_that_somebody_else_executed_is_not_overwritten(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    job = jobs.create_job("x", ann, **true)
    job.save()
    other = Job.objects.get(pk=job.pk)
    other.execute()
    job.set_attribute("executable", "/bin/false")
    with pytest.raises(IllegalTransition):
        job.save()
    assert Job.objects.get(pk=job.pk).get_attribute("executable") == "/bin/true"


def test_drafts_are_changed_until_they_are_executed(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    job = jobs.create_job("x", ann, **true)
    job.save()
    job.set_attribute("Arguments", "1")
    job.set_attribute("ARGUMENTS", "2")
    job.set_attribute("request_cpus", 1)
    job.set_attribute("request_cpus", None)
    job.num_jobs = 4
    job.save()
    again = Job.objects.get(pk=job.pk)
    assert again.attributes == {"executable": "/bin/true", "ARGUMENTS": "2"}
    assert again.num_jobs == 4
    assert again.get_attribute("nothing") is None


def test_the_status_of_an_observed_job_can_not_be_set(running: CondorJob) -> None:
    for word in ("Complete", "COM", "Running"):
        with pytest.raises(IllegalTransition):
            running.status = word
    running.status = "Calibrating"
    assert Job.objects.get(pk=running.pk).status == "Calibrating"


def test_reading_the_status_asks_nobody(running: CondorJob, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert running.status == running.cached_status == "Submitted"
    Job.objects.filter(pk=running.pk).update(state="RUN")
    assert running.status == "Submitted"
    running.update_status()
    assert running.status == "Running"


def test_custom_statuses_have_categories() -> None:
    Job.add_custom_pre_running_status("Soaking")
    Job.add_custom_running_status("Raining")
    CondorJob.add_custom_active_status("Dripping")
    Job.add_custom_terminal_status("Dry")
    Job.add_custom_terminal_status("Dry")
    assert "Soaking" in Job.PRE_RUNNING_STATUSES
    assert "Raining" in Job.RUNNING_STATUSES
    assert "Raining" in BasicJob.ACTIVE_STATUSES
    assert "Dripping" in Job.ACTIVE_STATUSES
    assert "Dripping" in Job.NON_TERMINAL_STATUSES
    assert Job.TERMINAL_STATUSES.count("Dry") == 1
    assert "Complete" in Job.TERMINAL_STATUSES
    assert "Submitted" in Job.PRE_RUNNING_STATUSES


def test_wait_ends_at_an_end_or_in_time(
    running: CondorJob, ended: CondorJob, basic: BasicJob, jobs: JobManager, ann: User,
    true: dict[str, Any],
) -> None:  # fmt: skip
    assert ended.wait(5) == "Complete"
    under_way = jobs.create_job("y", ann, **true)
    under_way.execute()
    began = time.monotonic()
    with pytest.raises(WaitTimeout) as late:
        under_way.wait(timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 2
    assert late.value.transient
    with pytest.raises(WaitTimeout):
        under_way.wait(0)
    Job.objects.filter(pk=under_way.pk).update(state="OTH", custom_status="Dry")
    Job.add_custom_terminal_status("Dry")
    with pytest.raises(WaitTimeout):
        under_way.wait(0.1)
    basic.status = "Dry"
    assert basic.wait(1) == "Dry"
    Job.objects.filter(pk=under_way.pk).delete()
    with pytest.raises(NotFound):
        under_way.wait(1)


def test_run_time_is_from_the_start_to_the_end(running: CondorJob, jobs: JobManager) -> None:
    now = timezone.now()
    assert CondorJob().run_time is None
    running.start_time = now - timedelta(minutes=2)
    assert running.run_time is not None
    assert timedelta(minutes=2) <= running.run_time < timedelta(minutes=3)
    running.completion_time = now - timedelta(minutes=1)
    assert running.run_time == timedelta(minutes=1)


def test_statuses_count_the_processes(running: CondorJob) -> None:
    running.num_jobs, running.tasks_running, running.tasks_error = 10, 3, 1
    counts = running.statuses
    assert (counts["Submitted"], counts["Running"], counts["Error"]) == (6, 3, 1)
    assert sum(counts.values()) == 10


def test_progress_is_told_and_bounded(running: CondorJob) -> None:
    running.report_progress(40, "x" * 1000)
    again = Job.objects.get(pk=running.pk)
    assert (again.progress, len(again.progress_message)) == (40, 500)
    for wrong in (-1, 101):
        with pytest.raises(InvalidSpecification):
            running.report_progress(wrong)


def test_a_callback_address_needs_an_executed_job_and_a_known_portal(
    running: CondorJob, jobs: JobManager, ann: User, true: dict[str, Any], settings: Any, rf: Any
) -> None:
    with pytest.raises(IllegalTransition):
        jobs.create_job("x", ann, **true).callback_url()
    with pytest.raises(InvalidSettings, match="address"):
        running.callback_url()
    made = jobs.get_job_status_callback_url(rf.get("/"), running.pk)
    assert made.startswith("http://testserver/compute/callback/")
    settings.OCEANID = {**settings.OCEANID, "BASE_URL": "http://10.0.0.1:8000/"}
    assert running.callback_url().startswith("http://10.0.0.1:8000/compute/callback/")
    with pytest.raises(NotFound):
        jobs.get_job_status_callback_url(rf.get("/"), 10**6)


def test_logs_are_read_when_they_are_looked_at(running: CondorJob) -> None:
    logs = running.get_logs()
    assert list(logs) == ["log", "output", "error"]
    assert logs["output"] == ""
    folder = running.directory / "logs"
    folder.mkdir(parents=True)
    (folder / "stdout.0").write_bytes(b"caf\xc3\xa9 \xff\n")
    assert logs["output"] == "café \ufffd\n"
    assert "Pending → Submitted" in logs["log"]
    with pytest.raises(KeyError):
        logs["other"]


def test_logs_of_an_array_are_by_process(jobs: JobManager, ann: User, true: Any) -> None:
    job = jobs.create_job("x", ann, num_jobs=1_000_000, **true)
    assert list(job.get_logs()) == ["log"]
    job.execute()
    logs = job.get_logs()
    assert len(logs) == 1_000_001
    folder = job.directory / "logs"
    folder.mkdir(parents=True)
    (folder / "stderr.999999").write_text("last")
    assert logs["999999"]["error"] == "last"
    for wrong in ("1000000", "-1", "x", "²"):
        with pytest.raises(KeyError):
            logs[wrong]


def test_only_the_end_of_a_huge_log_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "stdout.0"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
    began = time.monotonic()
    text = read_tail(str(huge), within=tmp_path)
    assert time.monotonic() - began < 2
    assert text.endswith("the end")
    assert text.startswith("[the first 1,072,693,255 bytes are left out]")
    assert len(text) < 1_100_000


def test_links_and_other_things_that_a_job_left_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    box = tmp_path / "box"
    (box / "logs").mkdir(parents=True)
    (box / "link").symlink_to(secret)
    (box / "folder").symlink_to(tmp_path)
    os.mkfifo(box / "pipe")
    for name in ("link", "folder/secret", "pipe", "logs", "logs/../../secret", "absent", ""):
        path = str(box / name) if name else ""
        assert read_tail(path, within=box) == ""
    assert read_tail(str(secret), within=box) == "secret"


def test_every_verb_has_an_awaitable_twin() -> None:
    for name in ("execute", "stop", "pause", "resume", "resubmit", "retry_results",
                 "update_status", "report_progress", "get_logs"):  # fmt: skip
        assert inspect.iscoroutinefunction(getattr(JobActions, f"a{name}"))
        assert inspect.signature(getattr(JobActions, f"a{name}")) == inspect.signature(
            getattr(JobActions, name)
        )
    for name in ("create_job", "get_job", "execute_many", "list_jobs", "get_scheduler"):
        assert inspect.iscoroutinefunction(getattr(JobManager, f"a{name}"))


@pytest.mark.django_db(transaction=True)
def test_the_twins_do_the_same(jobs: JobManager, true: dict[str, Any]) -> None:
    ann = User.objects.create_user("ann")

    async def life() -> Any:
        job = await jobs.acreate_job("x", ann, **true)
        await job.aexecute()
        await job.apause()
        await job.aresume()
        await job.astop()
        await job.aupdate_status()
        with pytest.raises(WaitTimeout):
            await job.await_(0.1)
        assert await jobs.aget_job(job.pk, user=ann) == job
        assert await jobs.alist_jobs(user=ann) == [job]
        assert (await job.aget_logs())["output"] == ""
        await job.adelete()
        return job

    job = async_to_sync(life)()
    assert Job.objects.get(pk=job.pk).wanted == Wanted.DELETE


def test_the_actor_is_written_down(running: CondorJob, bob: User) -> None:
    running.stop(actor=bob)
    assert running.events.latest("id").actor == bob
    with pytest.raises(IllegalTransition):
        services.retry_results(running)
