"""Whatever people wish and supervisors suffer, no job is lost, run twice or shown wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from oceanid.errors import OceanidError
from oceanid.models import Job, Task
from oceanid.states import JOB_FINAL, JobState
from tests.integration.supervisor.house import told
from tests.property.machines import Lives, live_through

RESULTS = "operator.truth"


class JobLives(Lives):
    """Arrays, with retries, files to be brought and results functions."""

    folder: ClassVar[Path]

    @initialize(size=st.integers(1, 4), retries=st.integers(0, 1), results=st.booleans())
    def a_job_is_executed(self, size: int, retries: int, results: bool) -> None:
        self.a_job_is_made(size, retries, 0, 0, brings=False, results=results, executed=True)

    @precondition(lambda self: len(self.made) < 4)
    @rule(
        size=st.integers(1, 4),
        retries=st.integers(0, 2),
        priority=st.integers(-1, 1),
        whose=st.integers(0, 1),
        brings=st.booleans(),
        results=st.booleans(),
        executed=st.booleans(),
    )
    def a_job_is_made(
        self,
        size: int,
        retries: int,
        priority: int,
        whose: int,
        brings: bool,
        results: bool,
        executed: bool,
    ) -> None:
        given = self.folder / "given"
        given.touch()
        job = self.jobs.create_job(
            "run {id}", self.house.users[whose], job_type="CONDOR", executable="/bin/true",
            num_jobs=size, max_retries=retries, priority=priority, scheduler=self.house.scheduler,
            remote_input_files=[str(given)] if brings else [],
            process_results_function=RESULTS if results else None,
        )  # fmt: skip
        job.save()
        self.made.append(job)
        if executed:
            with suppress(OceanidError):
                job.execute()

    @rule(count=st.integers(2, 4))
    def several_are_executed_at_once(self, count: int) -> None:
        drafts = list(Job.objects.filter(state="PEN", wanted="DRA").order_by("pk"))[:count]
        with suppress(OceanidError):
            self.jobs.execute_many(drafts)

    @rule()
    def a_file_is_lost(self) -> None:
        (self.folder / "given").unlink(missing_ok=True)

    def at_rest(self) -> None:
        for job in Job.objects.all():
            if job.state == JobState.PENDING:
                continue
            assert job.job_state in JOB_FINAL, told(job)
            self.ran_as_often_as_it_should(job)

    def ran_as_often_as_it_should(self, job: Job) -> None:
        """Each process ended as its last try did, and was tried no more often than allowed."""
        retries = int(job.attributes.get("max_retries") or 0)
        world = self.house.world
        for task in Task.objects.filter(job=job):
            key = f"{job.uuid}.{task.attempt}.{task.index}"
            ends = [end for end in world.ends.get(key, []) if end != "QUE"]
            assert len(ends) <= 1 + retries, told(job)
            assert task.tries <= retries, told(job)
            if task.state == "COM":
                assert ends[-1] == "COM", told(job)
            assert ends.count(JobState.COMPLETE.value) <= 1, f"ran on after its end: {told(job)}"


def test_no_life_of_a_job_leads_astray(scripted: Path) -> None:
    JobLives.folder = scripted
    live_through(JobLives, examples=25, steps=30)
