"""One table, many classes: every way to load a job gives the class of its type."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps

from oceanid.errors import InvalidSpecification
from oceanid.jobs import (
    BasicJob,
    CondorJob,
    CondorWorkflow,
    Job,
    JobManager,
    PythonJob,
    register_job_type,
)
from tests.integration.jobs import functions

pytestmark = pytest.mark.django_db


@register_job_type("floodrun")
class FloodRun(CondorJob):
    """An app's own type."""

    class Meta:
        app_label = "oceanid"
        proxy = True

    def describe(self, directory: str) -> Any:
        """Always the same program."""
        return self._description({"executable": "/bin/true", **self.attributes}, directory)


@pytest.fixture
def rows(jobs: JobManager, ann: User) -> list[Any]:
    """A job of each type."""
    made = [
        jobs.create_job("basic", ann, job_type="BASIC"),
        jobs.create_job("condor", ann, job_type="CONDOR", executable="/bin/true"),
        jobs.create_job("workflow", ann, job_type="CONDORWORKFLOW"),
        jobs.create_job("python", ann, job_type="PYTHON", function=functions.add, args=[1]),
        jobs.create_job("flood", ann, job_type="FloodRun"),
    ]
    for job in made:
        job.save()
    return made


CLASSES = [BasicJob, CondorJob, CondorWorkflow, PythonJob, FloodRun]


def test_a_plain_queryset_gives_the_right_classes(rows: list[Any], jobs: JobManager) -> None:
    assert [type(job) for job in Job.objects.order_by("id")] == CLASSES
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert [type(job) for job in jobs.list_jobs()] == CLASSES
    assert len(asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.only("name"),
        lambda rows: rows.only("name").only("state"),
        lambda rows: rows.defer("type"),
        lambda rows: rows.defer("name", "type"),
        lambda rows: rows.defer(None),
        lambda rows: rows.select_related("user", "scheduler"),
        lambda rows: rows.prefetch_related("groups"),
        lambda rows: rows.annotate(n=models.Count("tasks")),
        lambda rows: rows.filter(user__username="ann").distinct(),
        lambda rows: rows[:10],
    ],
)
def test_narrowed_querysets_do_too(rows: list[Any], change: Any) -> None:
    found = list(change(Job.objects.order_by("id")))
    assert [type(job) for job in found] == CLASSES
    assert [job.name for job in found] == [job.name for job in rows]
    assert [job.status for job in found] == ["Pending"] * len(rows)


def test_a_types_own_manager_gives_its_rows_and_those_of_types_made_from_it(
    rows: list[Any],
) -> None:
    def names(cls: type[Job]) -> set[str]:
        return set(cls.objects.values_list("name", flat=True))

    assert names(BasicJob) == {"basic"}
    assert names(CondorJob) == {"condor", "flood"}
    assert names(FloodRun) == {"flood"}
    assert names(PythonJob) == {"python"}
    assert names(CondorWorkflow) == {"workflow"}
    assert CondorJob.objects.active().count() == 0
    with pytest.raises(CondorJob.DoesNotExist):
        CondorJob.objects.get(pk=rows[0].pk)


def test_create_makes_the_class_of_the_type(ann: User) -> None:
    for cls in CLASSES[:3]:
        made = Job.objects.create(type=cls.TYPE, name="x", user=ann)
        assert type(made) is cls
        assert type(Job.objects.get(pk=made.pk)) is cls
        assert type(cls.objects.create(name="y", user=ann)) is cls
        found, fresh = cls.objects.get_or_create(name="z", user=ann)
        assert fresh
        assert (type(found), found.type) == (cls, cls.TYPE)
        assert found.creation_time is not None
    many = Job.objects.bulk_create(
        [BasicJob(name="b", user=ann, creation_time=found.creation_time)]
    )
    assert type(Job.objects.get(pk=many[0].pk)) is BasicJob


def test_a_job_can_be_pickled_refreshed_and_compared(rows: list[Any]) -> None:
    for job in rows:
        again = pickle.loads(pickle.dumps(job))
        assert type(again) is type(job)
        assert again == job == Job.objects.get(pk=job.pk)
        again.name = "other"
        again.refresh_from_db()
        assert again.name == job.name
        again.refresh_from_db(fields=["state"])
        partly = Job.objects.only("id").get(pk=job.pk)
        assert partly.name == job.name
        assert partly.status == "Pending"


def test_dates_and_aggregates_work(rows: list[Any]) -> None:
    assert len(Job.objects.dates("creation_time", "year")) == 1
    assert len(Job.objects.datetimes("creation_time", "hour")) == 1
    assert Job.objects.values("type").annotate(n=models.Count("id")).count() == len(rows)
    assert Job.objects.latest("id") == rows[-1]
    assert set(Job.objects.in_bulk([rows[0].pk])) == {rows[0].pk}
    assert [type(job) for job in Job.objects.iterator(chunk_size=2)] == CLASSES


def test_related_rows_lead_back_to_the_right_class(rows: list[Any], ann: User) -> None:
    assert {type(job) for job in ann.oceanid_jobs.all()} == set(CLASSES)
    rows[1].execute()
    assert type(rows[1].events.select_related("job").first().job) is CondorJob


def test_a_row_of_an_unknown_type_is_a_plain_job(ann: User) -> None:
    Job.objects.bulk_create(
        [BasicJob(name="x", user=ann, type="GONE", creation_time="2020-01-01T00Z")]
    )
    assert type(Job.objects.get()) is Job


def test_an_apps_own_type_runs(rows: list[Any], jobs: JobManager, ann: User) -> None:
    job = jobs.create_job("flood", ann, job_type=FloodRun)
    job.execute()
    assert job.type == "FLOODRUN"
    assert type(jobs.get_job(job.pk)) is FloodRun
    assert job.spec["attributes"][0] == ["executable", "/bin/true"]


@isolate_apps("oceanid")
def test_only_proxies_with_a_name_can_be_registered() -> None:
    class Own(Job):
        more: ClassVar[Any] = models.TextField()

        class Meta:
            app_label = "oceanid"

    with pytest.raises(TypeError, match="proxy"):
        register_job_type("OWN")(Own)
    for name in ("no name", "", "x" * 33):
        with pytest.raises(ValueError, match="letters"):
            register_job_type(name)


def test_python_jobs_with_several_processes_are_refused(jobs: JobManager, ann: User) -> None:
    job = jobs.create_job("x", ann, job_type="PYTHON", function=functions.add, num_jobs=2)
    with pytest.raises(InvalidSpecification, match="several"):
        job.execute()
