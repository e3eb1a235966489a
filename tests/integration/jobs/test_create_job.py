"""Making jobs: what the Job Manager takes, and what it refuses by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from oceanid import jobs as names
from oceanid.errors import (
    InvalidSpecification,
    LimitExceeded,
    MissingFile,
    NotFound,
    NotPermitted,
    OceanidError,
    UnknownAttribute,
    UnsupportedCapability,
)
from oceanid.jobs import BasicJob, CondorJob, CondorWorkflow, Job, JobManager, PythonJob
from oceanid.models import Scheduler
from tests.integration.jobs import functions

pytestmark = pytest.mark.django_db
HERE = "tests.integration.jobs.functions"


def test_every_exported_name_is_there() -> None:
    for name in names.__all__:
        assert getattr(names, name) is not None
    assert set(names.__all__) <= set(dir(names))
    assert names.TethysJob is Job


def test_a_job_is_unsaved_until_groups_are_given(
    jobs: JobManager, ann: User, group: Group, true: dict[str, Any]
) -> None:
    assert jobs.create_job("one", ann, **true).pk is None
    for groups in (group, [group], Group.objects.all()):
        job = jobs.create_job("two", ann, groups=groups, **true)
        assert list(Job.objects.get(pk=job.pk).groups.all()) == [group]


@pytest.mark.parametrize(
    ("job_type", "cls"),
    [
        ("BASIC", BasicJob),
        ("basic", BasicJob),
        ("Condor", CondorJob),
        ("CONDORJOB", CondorJob),
        ("condorworkflow", CondorWorkflow),
        (BasicJob, BasicJob),
        (CondorJob, CondorJob),
    ],
)
def test_a_type_is_a_name_in_any_case_or_a_class(
    jobs: JobManager, ann: User, job_type: Any, cls: type[Job]
) -> None:
    job = jobs.create_job("x", ann, job_type=job_type)
    job.save()
    assert type(job) is cls
    assert type(Job.objects.get(pk=job.pk)) is cls
    assert job.type == cls.TYPE


@pytest.mark.parametrize("job_type", ["DASK", "dask", "NOSUCH", "", None, Job, dict, "x" * 10_000])
def test_a_type_that_is_not_there_is_refused_by_name(
    jobs: JobManager, ann: User, job_type: Any
) -> None:
    with pytest.raises(InvalidSpecification) as refusal:
        jobs.create_job("x", ann, job_type=job_type)
    assert refusal.value.hint
    if isinstance(job_type, str) and job_type:
        assert job_type.upper()[:50] in refusal.value.message.upper()


def test_fields_are_kept_and_other_names_are_submit_commands(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    job = jobs.create_job(
        "run {id}",
        ann,
        description="why",
        extended_properties={"one": 1},
        process_results_function=functions.keep,
        num_jobs=3,
        priority=2,
        label="floods of 1998",
        attributes={"arguments": "$(Process)"},
        request_memory="2 GB",
        **true,
    )
    job.execute()
    again = Job.objects.get(pk=job.pk)
    assert again.name == f"run {again.pk}" == job.name
    assert (again.description, again.extended_properties) == ("why", {"one": 1})
    assert again.process_results_function == f"{HERE}.keep"
    assert (again.num_jobs, again.priority, again.label) == (3, 2, "floods of 1998")
    assert again.app == "floods"
    assert again.get_attribute("REQUEST_MEMORY") == "2 GB"
    assert again.get_attribute("executable") == "/bin/true"


def test_the_label_is_the_app_when_none_is_given(jobs: JobManager, ann: User) -> None:
    assert jobs.create_job("x", ann, job_type="BASIC").label == "floods"


@pytest.mark.parametrize(
    "name", ['it\'s “so” "quoted"', "🌊 flood", "<script>alert(1)</script>", "a" * 1024, "../../x"]
)
def test_odd_names_are_kept_as_they_are(
    jobs: JobManager, ann: User, true: dict[str, Any], name: str
) -> None:
    job = jobs.create_job(name, ann, **true)
    job.execute()
    assert Job.objects.get(pk=job.pk).name == name


@pytest.mark.parametrize(
    ("name", "word"),
    [("a" * 10_000, "10000"), ("two\nlines", "line break"), ("nul\0", "control"), ("  ", "name")],
)
def test_impossible_names_are_refused_with_a_reason(
    jobs: JobManager, ann: User, true: dict[str, Any], name: str, word: str
) -> None:
    with pytest.raises(InvalidSpecification, match=word):
        jobs.create_job(name, ann, **true)


@pytest.mark.parametrize("user", [None, AnonymousUser(), User(username="unsaved")])
def test_a_job_needs_somebody(jobs: JobManager, db: None, user: Any) -> None:
    with pytest.raises(NotPermitted):
        jobs.create_job("x", user, job_type="BASIC")


@pytest.mark.parametrize("count", [0, -1, True, "3", 2**31, 1.5])
def test_num_jobs_is_a_whole_number(
    jobs: JobManager, ann: User, true: dict[str, Any], count: Any
) -> None:
    with pytest.raises(InvalidSpecification, match="num_jobs"):
        jobs.create_job("x", ann, num_jobs=count, **true)


def test_what_belongs_to_another_type_is_refused(jobs: JobManager, ann: User) -> None:
    with pytest.raises(UnknownAttribute, match="request_memory"):
        jobs.create_job("x", ann, job_type="BASIC", request_memory="1 GB")
    with pytest.raises(UnknownAttribute, match="function"):
        jobs.create_job("x", ann, job_type="CONDOR", function=functions.add)
    with pytest.raises(UnknownAttribute, match="max_jobs"):
        jobs.create_job("x", ann, job_type="CONDOR", max_jobs={"a": 1})


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, float("nan"), b"bytes", "\0", "\ud800", [[[object()]]]]
)
def test_attributes_that_can_not_be_stored_are_refused_by_name(
    jobs: JobManager, ann: User, true: dict[str, Any], value: Any
) -> None:
    with pytest.raises(InvalidSpecification, match="thing"):
        jobs.create_job("x", ann, thing=value, **true)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"no_such_command": "1"}, UnknownAttribute, "no_such_command"),
        ({"executable": "/no/such/program"}, MissingFile, "/no/such/program"),
        ({"executable": "absent.sh"}, MissingFile, "absent.sh"),
        ({"executable": "/tmp"}, MissingFile, "directory"),
        ({"remote_input_files": ["/no/such/input"]}, MissingFile, "/no/such/input"),
        ({"remote_input_files": ["relative"]}, MissingFile, "relative"),
        ({"transfer_input_files": ["absent.csv"]}, MissingFile, "absent.csv"),
        ({"arguments": ["two\nlines"]}, InvalidSpecification, "newline|line"),
        ({"request_memory": "much"}, InvalidSpecification, "request_memory"),
        ({"universe": "docker", "docker_image": "x"}, UnsupportedCapability, "containers"),
        ({"num_jobs": 1_000_001}, LimitExceeded, "1,000,001"),
    ],
)
def test_what_can_never_run_is_refused_at_execute_with_a_hint(
    jobs: JobManager,
    ann: User,
    true: dict[str, Any],
    change: dict[str, Any],
    error: type[OceanidError],
    word: str,
) -> None:
    job = jobs.create_job("x {id}", ann, **{**true, **change})
    with pytest.raises(error, match=word):
        job.execute()
    assert not Job.objects.exists()
    assert (job.pk, job.status, job.name) == (None, "Pending", "x {id}")


def test_a_scheduler_is_a_record_or_a_name(
    jobs: JobManager, ann: User, bob: User, group: Group, true: dict[str, Any]
) -> None:
    mine = Scheduler.objects.create(name="cluster", engine="local")
    for wanted in (mine, "cluster"):
        job = jobs.create_job("x", ann, scheduler=wanted, **true)
        job.execute()
        assert Job.objects.get(pk=job.pk).scheduler == mine
    with pytest.raises(NotFound, match="elsewhere"):
        jobs.create_job("x", ann, scheduler="elsewhere", **true)
    with pytest.raises(InvalidSpecification):
        jobs.create_job("x", ann, scheduler=7, **true)
    mine.groups.add(group)
    with pytest.raises(NotPermitted, match="cluster"):
        jobs.create_job("x", ann, scheduler=mine, **true).execute()
    jobs.create_job("x", bob, scheduler=mine, **true).execute()


def test_the_workspaces_are_macros_of_the_app_and_of_the_user(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    data = jobs.user_workspace(ann) / "in put.csv"
    data.write_text("1")
    job = jobs.create_job(
        "x",
        ann,
        remote_input_files=["$(USER_WORKSPACE)/in put.csv"],
        arguments="$(APP_WORKSPACE)/model $(USER_WORKSPACE)",
        **true,
    )
    job.execute()
    assert job.remote_input_files == [str(data)]
    task = job.describe("/somewhere").task(0)
    assert task.arguments == (f"{jobs.app_workspace()}/model", str(jobs.user_workspace(ann)))
    assert jobs.user_workspace(ann) != jobs.app_workspace()


def test_a_tethys_app_moves_over_with_its_parent_directories(
    jobs: JobManager, ann: User, tmp_path: Any, script: Any
) -> None:
    (tmp_path / "input_1").write_text("1")
    job = jobs.create_job(
        name="myjob_{id}",
        user=ann,
        job_type="CONDOR",
        attributes={
            "transfer_input_files": ("../input_1",),
            "transfer_output_files": ("example_output1",),
        },
        condorpy_template_name="vanilla_transfer_files",
        remote_input_files=(str(script), str(tmp_path / "input_1")),
    )
    job.set_attribute("executable", "run.sh")
    job.extended_properties = {"one": 1}
    job.execute()
    task = job.describe(str(job.directory)).task(0)
    assert [each.source for each in task.inputs] == [str(job.directory / "input_1")]
    assert job.cached_status == "Submitted"


def test_the_classic_templates_are_known_and_others_refused(jobs: JobManager, ann: User) -> None:
    for name in ("base", "vanilla_base", "vanilla_transfer_files", "vanilla_nfs"):
        jobs.create_job(
            "x", ann, job_type="CONDOR", condorpy_template_name=name, executable="/bin/true"
        ).execute()
    with pytest.raises(InvalidSpecification, match="nope"):
        jobs.create_job("x", ann, job_type="CONDOR", condorpy_template_name="nope")


def test_a_macro_in_a_list_survives_the_database(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    job = jobs.create_job(
        "x",
        ann,
        arguments=[names.Macro("$(Process)"), "$(Process)"],
        environment={"A": names.Macro("$(Process)"), "B": "$(Process)"},
        num_jobs=2,
        **true,
    )
    job.save()
    again = Job.objects.get(pk=job.pk)
    again.execute()
    task = again.describe("/x").task(1)
    assert task.arguments == ("1", "$(Process)")
    assert dict(task.environment) == {"A": "1", "B": "$(Process)"}


@pytest.mark.parametrize("app", ["", "../x", "a b", 7, None, "x" * 101])
def test_a_manager_needs_a_label_that_can_be_a_directory(app: Any) -> None:
    with pytest.raises(InvalidSpecification):
        JobManager(app)


def test_a_tethys_app_class_is_an_app() -> None:
    class App:
        package = "my_first_app"

    assert JobManager(App).label == "my_first_app"
    assert JobManager(App()).label == "my_first_app"


def test_a_results_function_must_be_found_again(
    jobs: JobManager, ann: User, true: dict[str, Any]
) -> None:
    for wrong in (functions.unnamed, functions.outer(), "no.such.module", "justaname", "a b.c"):
        with pytest.raises(InvalidSpecification):
            jobs.create_job("x", ann, process_results_function=wrong, **true)
    job = jobs.create_job("x", ann, process_results_function=f"{HERE}.keep", **true)
    job.process_results_function = functions.add
    job.save()
    assert Job.objects.get(pk=job.pk).process_results_function == f"{HERE}.add"


def test_a_python_job_is_made_from_a_function_or_its_path(jobs: JobManager, ann: User) -> None:
    for function in (functions.add, f"{HERE}.add"):
        job = jobs.create_job("x", ann, job_type="PYTHON", function=function, args=[1, 2])
        job.execute()
        assert isinstance(job, PythonJob)
        assert job.attributes["function"] == f"{HERE}.add"
