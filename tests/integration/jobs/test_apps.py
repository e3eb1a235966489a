"""What apps declare: templates with defaults and limits, scheduler settings, workspaces."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.apps import AppConfig
from django.contrib.auth.models import User
from django.core.management import call_command

from oceanid.errors import InvalidSpecification, NotFound, NotPermitted
from oceanid.jobs import (
    BasicJobTemplate,
    ComputeApp,
    CondorJobDescription,
    CondorJobTemplate,
    Job,
    JobManager,
    JobTemplate,
    PythonJobTemplate,
    SchedulerSetting,
)
from oceanid.jobs.apps import write_settings
from oceanid.models import AppScheduler, Scheduler
from oceanid.services.app_settings import Declared, declare
from tests.integration.jobs import functions

pytestmark = pytest.mark.django_db


class FloodsConfig(ComputeApp, AppConfig):
    """An app that is not installed; a Job Manager works all the same."""

    name = "sites.floods"

    def job_templates(self) -> list[JobTemplate]:
        """One of each kind."""
        return [
            CondorJobTemplate(
                "simulate",
                executable="/bin/echo",
                arguments="$(Process)",
                environment={"A": "1", "B": "1"},
                request_memory="1 GB",
                num_jobs=2,
                editable={"arguments", "num_jobs"},
                extended_properties={"from": "template"},
            ),
            CondorJobTemplate(
                "classic",
                CondorJobDescription("vanilla_transfer_files", ["/etc/hostname"], executable="x"),
                scheduler="primary",
            ),
            BasicJobTemplate("note", {"description": "by hand"}),
            PythonJobTemplate(
                "sum", functions.add, kwargs={"a": 1, "b": 1}, editable={"b", "priority"}
            ),
            JobTemplate("any", "CONDOR", {"executable": "/bin/true"}),
        ]

    def scheduler_settings(self) -> list[SchedulerSetting]:
        """One that may be empty and one that may not."""
        return [
            SchedulerSetting("primary", "Runs floods.", SchedulerSetting.LOCAL),
            SchedulerSetting(name="needed", engine=SchedulerSetting.HTCONDOR, required=True),
        ]


@pytest.fixture
def floods() -> JobManager:
    """The app's Job Manager."""
    return FloodsConfig.get_job_manager()


def test_a_template_gives_defaults_and_the_job_overrides_them(
    floods: JobManager, ann: User
) -> None:
    job = floods.create_job(
        "x {id}",
        ann,
        template_name="simulate",
        Arguments="other",
        environment={"B": "2"},
        request_memory=None,
        extended_properties={"mine": 1},
    )
    job.execute()
    again = Job.objects.get(pk=job.pk)
    assert again.attributes == {
        "executable": "/bin/echo",
        "Arguments": "other",
        "environment": {"A": "1", "B": "2"},
    }
    assert again.num_jobs == 2
    assert again.extended_properties == {"from": "template", "mine": 1}
    assert (again.template_name, again.app) == ("simulate", "floods")


def test_a_template_is_not_changed_by_its_jobs(floods: JobManager, ann: User) -> None:
    template = floods.template("simulate")
    first = template.fill({})
    first["attributes"]["environment"]["A"] = "changed"
    first["extended_properties"]["x"] = 1
    assert template.fill({})["attributes"]["environment"]["A"] == "1"
    assert template.fill({})["extended_properties"] == {"from": "template"}


def test_each_kind_makes_its_type(floods: JobManager, ann: User) -> None:
    for name, kind in (("note", "BASIC"), ("sum", "PYTHON"), ("any", "CONDOR")):
        job = floods.create_job("x", ann, template_name=name)
        job.execute()
        assert job.type == kind
    classic = floods.create_job("x", ann, template_name="classic")
    assert classic.get_attribute("should_transfer_files") == "YES"
    assert classic.remote_input_files == ["/etc/hostname"]


def test_an_unknown_template_is_refused_with_the_known_ones(floods: JobManager, ann: User) -> None:
    with pytest.raises(NotFound, match="nothing") as refusal:
        floods.create_job("x", ann, template_name="nothing")
    assert "simulate" in refusal.value.hint


def test_a_user_changes_what_is_editable_and_no_more(floods: JobManager, ann: User) -> None:
    job = floods.create_job_for("x", ann, "simulate", {"arguments": "mine", "num_jobs": 7})
    assert (job.get_attribute("arguments"), job.num_jobs) == ("mine", 7)
    assert job.get_attribute("executable") == "/bin/echo"
    for name in ("executable", "process_results_function", "scheduler", "attributes",
                 "Arguments ", "remote_input_files", "job_type", "user"):  # fmt: skip
        with pytest.raises(NotPermitted, match="does not let you"):
            floods.create_job_for("x", ann, "simulate", {name: "/bin/rm"})
    with pytest.raises(NotPermitted):
        floods.create_job_for("x", ann, "any", {"executable": "/bin/rm"})


def test_a_user_changes_arguments_of_a_function(floods: JobManager, ann: User) -> None:
    job = floods.create_job_for("x", ann, "sum", {"b": 5, "priority": 3})
    assert job.attributes["kwargs"] == {"a": 1, "b": 5}
    assert job.priority == 3
    with pytest.raises(NotPermitted):
        floods.create_job_for("x", ann, "sum", {"a": 2})


def test_settings_are_filled_in_by_an_administrator(floods: JobManager, ann: User) -> None:
    assert FloodsConfig.get_scheduler("primary") is None
    with pytest.raises(NotFound, match="needed"):
        floods.get_scheduler("needed")
    with pytest.raises(NotFound, match="no scheduler setting"):
        floods.get_scheduler("other")
    declare("floods", [Declared("primary", "local"), Declared("needed", required=True)])
    with pytest.raises(NotFound, match="No scheduler was chosen"):
        floods.get_scheduler("needed")
    mine = Scheduler.objects.create(name="cluster", engine="local")
    AppScheduler.objects.filter(name="primary").update(scheduler=mine)
    assert floods.get_scheduler("primary") == mine
    job = floods.create_job("x", ann, job_type="CONDOR", scheduler="primary")
    assert job.scheduler == mine
    declare("floods", [Declared("primary", "htcondor", "better told")])
    row = AppScheduler.objects.get(app="floods", name="primary")
    assert (row.scheduler, row.engine, row.description) == (mine, "htcondor", "better told")


def test_installed_apps_are_written_down_by_migrate(settings: Any) -> None:
    AppScheduler.objects.all().delete()
    call_command("migrate", verbosity=0)
    write_settings()
    assert AppScheduler.objects.filter(app="hymod", name="primary").count() == 1
    assert JobManager("hymod").job_templates


def test_workspaces_are_of_the_app_and_private(ann: User, bob: User, rf: Any) -> None:
    request = rf.get("/")
    request.user = ann
    assert FloodsConfig.get_user_workspace(ann) == FloodsConfig.get_user_workspace(request)
    folders = {
        FloodsConfig.get_app_workspace(),
        FloodsConfig.get_user_workspace(ann),
        FloodsConfig.get_user_workspace(bob),
        JobManager("droughts").app_workspace(),
    }
    assert len(folders) == 4
    for folder in folders:
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0


def test_a_manager_of_a_running_app_knows_its_templates_by_label(ann: User) -> None:
    assert set(JobManager("hymod").job_templates) == {"calibration"}
    assert JobManager("nothing").job_templates == {}
    with pytest.raises(InvalidSpecification):
        JobManager(object())


def test_an_apps_configuration_can_import_it_before_django_is_ready() -> None:
    code = (
        "from oceanid.jobs import (BasicJobTemplate, ComputeApp, CondorJobTemplate, "
        "CondorWorkflowTemplate, JobManager, PythonJobTemplate, SchedulerSetting); "
        "JobManager('floods'); CondorJobTemplate('x', executable='/bin/true')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
