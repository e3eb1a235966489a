"""Cloning from a job's page: what may be changed, by whom, and what the new job then is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.test import Client

from oceanid.jobs import (
    CondorJobTemplate,
    CondorWorkflowTemplate,
    JobManager,
    Macro,
    PythonJobTemplate,
)
from oceanid.models import Job, Scheduler, Task
from oceanid.services import sharing

pytestmark = pytest.mark.django_db
APP = "hymod"
TEMPLATES = [
    CondorJobTemplate(
        name="simulate",
        executable="/bin/sh", transfer_executable=False, arguments=["-c", "true"],
        request_memory="1 GB", num_jobs=2,
        editable=("arguments", "request_memory", "num_jobs", "extended_properties", "scheduler"),
    ),
    PythonJobTemplate(
        name="call", function="tests.integration.jobs.functions.add", kwargs={"a": 1, "b": 2.5},
        editable=("a", "b"),
    ),
    CondorWorkflowTemplate(name="flow", max_jobs={"sim": 2}, editable=("max_jobs",)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _templates(monkeypatch: pytest.MonkeyPatch, local: Scheduler) -> None:
    monkeypatch.setattr(apps.get_app_config(APP), "job_templates", lambda: TEMPLATES)


@pytest.fixture
def manager() -> JobManager:
    return JobManager(APP)


@pytest.fixture
def simulation(manager: JobManager, owner: User) -> Any:
    job = manager.create_job(
        "first run", owner, template_name="simulate", description="of many",
        arguments=["-c", "echo $(Process)"], extended_properties={"gauge": 7}, request_cpus=2,
    )  # fmt: skip
    job.execute()
    return job


Person = Callable[[User], Client]


@pytest.fixture
def as_person() -> Person:
    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


def view_share(job: Job, user: User, owner: User) -> None:
    sharing.share(job, name=user.get_username(), is_group=False, right="view", actor=owner)


def form(client: Client, job: Job) -> dict[str, str]:
    """What the form holds, as a browser would send it back."""
    answer = client.get(f"/compute/jobs/{job.pk}/clone/")
    assert answer.status_code == 200
    context = answer.context
    fields = {each.name: each.value for each in context["fields"]}
    return {"name": context["name"], "description": context["description"], **fields}


def clone(client: Client, job: Job, **changes: str) -> Job:
    values = form(client, job) | {
        "set." + k[4:] if k.startswith("set_") else k: v for k, v in changes.items()
    }
    answer = client.post(f"/compute/jobs/{job.pk}/clone/", values)
    assert answer.status_code == 302, answer.content.decode()
    number = re.search(r"/jobs/(\d+)/", answer["Location"])
    assert number
    return Job.objects.get(pk=int(number[1]))


def test_the_owner_changes_what_the_template_lets_and_keeps_all_else(
    simulation: Any, owner: User, as_person: Person
) -> None:
    client = as_person(owner)
    values = form(client, simulation)
    assert set(values) == {
        "name", "description", "set.arguments", "set.request_memory", "set.num_jobs",
        "set.extended_properties", "set.scheduler",
    }  # fmt: skip
    assert values["set.arguments"] == "-c\necho $(Process)"
    assert values["set.num_jobs"] == "2"
    made = clone(client, simulation, name="second", set_num_jobs="3", set_request_memory="2 GB")
    assert (made.name, made.state, made.user, made.app) == ("second", "SUB", owner, APP)
    assert (made.num_jobs, made.template_name, made.cloned_from_id) == (
        3,
        "simulate",
        simulation.pk,
    )
    assert made.attributes["request_memory"] == "2 GB"
    assert made.attributes["request_cpus"] == 2
    assert made.attributes["arguments"] == ["-c", "echo $(Process)"]
    assert made.extended_properties == {"gauge": 7}
    assert made.description == "of many"


def test_lineage_is_linked_both_ways(simulation: Any, owner: User, as_person: Person) -> None:
    client = as_person(owner)
    made = clone(client, simulation)
    page = client.get(f"/compute/jobs/{made.pk}/").content.decode()
    assert f'Cloned from</dt><dd><a href="/compute/jobs/{simulation.pk}/">#{simulation.pk}' in page
    page = client.get(f"/compute/jobs/{simulation.pk}/").content.decode()
    assert f'Clones</dt><dd><a href="/compute/jobs/{made.pk}/">#{made.pk}' in page


def test_a_draft_is_saved_and_waits(simulation: Any, owner: User, as_person: Person) -> None:
    made = clone(as_person(owner), simulation, then="save")
    assert (made.state, made.wanted, made.attempt) == ("PEN", "DRA", 0)


def test_somebody_else_begins_with_the_template_and_owns_the_new_job(
    simulation: Any, owner: User, other: User, as_person: Person
) -> None:
    view_share(simulation, other, owner)
    made = clone(as_person(other), simulation, set_request_memory="2 GB")
    assert (made.user, made.template_name, made.cloned_from_id) == (
        other,
        "simulate",
        simulation.pk,
    )
    # What may be changed is as in the old job; what may not, as in the template.
    assert made.attributes["arguments"] == ["-c", "echo $(Process)"]
    assert made.attributes["request_memory"] == "2 GB"
    assert "request_cpus" not in made.attributes


@pytest.mark.parametrize(
    "name", ["executable", "request_cpus", "function", "workspace", "remote_input_files",
             "process_results_function", "attributes", "__class__", ""],
)  # fmt: skip
def test_nothing_else_can_be_changed_by_a_form_of_ones_own(
    simulation: Any, owner: User, as_person: Person, name: str
) -> None:
    client = as_person(owner)
    values = form(client, simulation) | {f"set.{name}": "/bin/evil"}
    answer = client.post(f"/compute/jobs/{simulation.pk}/clone/", values)
    assert answer.status_code == 403
    assert "not yours to change" in answer.content.decode()
    assert Job.objects.count() == 1


def test_without_a_template_the_owner_may_repeat_it_and_others_may_not(
    manager: JobManager, owner: User, other: User, as_person: Person
) -> None:
    job = manager.create_job("free", owner, job_type="CONDOR", executable="/bin/true", priority=3)
    job.execute()
    assert set(form(as_person(owner), job)) == {"name", "description"}
    made = clone(as_person(owner), job, name="again")
    assert (made.attributes, made.priority) == (job.attributes, 3)
    view_share(job, other, owner)
    answer = as_person(other).get(f"/compute/jobs/{job.pk}/clone/")
    assert answer.status_code == 403
    assert "template" in answer.content.decode()


def test_who_may_submit_anything_edits_the_whole_specification(
    simulation: Any, owner: User, other: User, as_person: Person
) -> None:
    view_share(simulation, other, owner)
    other.user_permissions.add(Permission.objects.get(codename="submit_any"))
    client = as_person(User.objects.get(pk=other.pk))
    values = form(client, simulation)
    attributes = json.loads(values["set.attributes"])
    assert attributes["request_cpus"] == 2
    attributes = {"executable": "/bin/true", "transfer_executable": False}
    made = clone(client, simulation, set_attributes=json.dumps(attributes), set_num_jobs="1")
    assert made.attributes == attributes
    assert (made.num_jobs, made.template_name, made.user) == (1, "", other)


def test_a_macro_in_a_list_stays_one(manager: JobManager, owner: User, as_person: Person) -> None:
    job = manager.create_job(
        "macro", owner, template_name="simulate", arguments=["-c", "true", Macro("$(Process)")]
    )
    job.execute()
    client = as_person(owner)
    assert json.loads(form(client, job)["set.arguments"])[2] == {"$macro": "$(Process)"}
    assert clone(client, job).attributes["arguments"] == job.attributes["arguments"]
    text = json.dumps(["-c", "exit 1", {"$macro": "$(Process)"}])
    assert clone(client, job, set_arguments=text).attributes["arguments"] == json.loads(text)


def test_the_arguments_of_a_function_keep_their_types(
    manager: JobManager, owner: User, as_person: Person
) -> None:
    job = manager.create_job("call", owner, template_name="call")
    job.execute()
    client = as_person(owner)
    made = clone(client, job, set_a="41", set_b="0.5")
    assert made.attributes["kwargs"] == {"a": 41, "b": 0.5}
    assert made.attributes["function"] == job.attributes["function"]


def test_a_workflow_is_cloned_with_its_nodes(
    manager: JobManager, owner: User, as_person: Person
) -> None:
    flow = manager.create_job("flow", owner, template_name="flow")
    run = {"executable": "/bin/true", "itemdata": [{"n": "1"}, {"n": "2"}]}
    first = flow.add_node("first", attributes=run, category="sim", retry=2)
    flow.add_node("then", attributes={"executable": "/bin/true"}, parents=[first])
    flow.execute()
    made: Any = clone(as_person(owner), flow, set_max_jobs='{"sim": 5}')
    assert made.max_jobs == {"sim": 5}
    nodes = {node.name: node for node in made.nodes}
    assert set(nodes) == {"first", "then"}
    assert (nodes["first"].num_jobs, nodes["first"].retry, nodes["first"].category) == (2, 2, "sim")
    assert [each.name for each in nodes["then"].parents] == ["first"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 2000}, "name"),
        ({"set.num_jobs": "many"}, "num_jobs must be a whole number"),
        ({"set.num_jobs": "0"}, "num_jobs must be a whole number"),
        ({"set.num_jobs": "9" * 5000}, "num_jobs"),
        ({"set.extended_properties": "{"}, "extended_properties must be JSON"),
        ({"set.extended_properties": "[1]"}, "of the same kind as before"),
        ({"set.extended_properties": "[" * 100_000}, "extended_properties must be JSON"),
        ({"set.request_memory": "much"}, "request_memory must be a size"),
        ({"set.scheduler": "nowhere"}, "nowhere"),
        ({"set.arguments": "x" * 300_000}, "arguments is too long"),
    ],
)
def test_what_can_not_be_is_told_and_nothing_that_was_written_is_lost(
    simulation: Any, owner: User, as_person: Person, change: dict[str, str], told: str
) -> None:
    client = as_person(owner)
    values = form(client, simulation) | {"description": "kept <as it was>"} | change
    answer = client.post(f"/compute/jobs/{simulation.pk}/clone/", values)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert told in page
    assert "kept &lt;as it was&gt;" in page
    assert Job.objects.count() == 1


def test_a_workflow_that_is_refused_leaves_no_draft(
    manager: JobManager, owner: User, as_person: Person
) -> None:
    flow = manager.create_job("flow", owner, template_name="flow")
    flow.add_node("one", attributes={"executable": "/bin/true"})
    flow.execute()
    client = as_person(owner)
    values = form(client, flow) | {"set.max_jobs": '{"sim": 0}'}
    answer = client.post(f"/compute/jobs/{flow.pk}/clone/", values)
    assert "must be a whole number" in answer.content.decode()
    assert Job.objects.count() == 1


def test_a_template_that_is_gone_leaves_the_owner_a_copy(
    simulation: Any, owner: User, as_person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps.get_app_config(APP), "job_templates", lambda: [])
    made = clone(as_person(owner), simulation)
    assert made.attributes == simulation.attributes


def test_an_apps_own_work_is_not_cloned(
    manager: JobManager, owner: User, as_person: Person
) -> None:
    job = manager.create_job("own", owner, job_type="BASIC")
    job.save()
    client = as_person(owner)
    assert client.get(f"/compute/jobs/{job.pk}/clone/").status_code == 409
    assert "/clone/" not in client.get(f"/compute/jobs/{job.pk}/").content.decode()


def test_tasks_of_an_earlier_attempt_are_found(
    owner: User, as_person: Person, simulation: Any
) -> None:
    Job.objects.filter(pk=simulation.pk).update(attempt=3, state="RUN")
    Task.objects.create(job=simulation, attempt=2, index=0, state="ERR", reason="the second try")
    Task.objects.create(job=simulation, attempt=3, index=0, state="RUN")
    client = as_person(owner)
    page = client.get(f"/compute/jobs/{simulation.pk}/").content.decode()
    assert "?attempt=2#job-tasks" in page
    assert "the second try" not in page
    page = client.get(f"/compute/jobs/{simulation.pk}/?attempt=2").content.decode()
    assert "attempt 2 of 3" in page
    assert "the second try" in page
    for strange in ("0", "4", "-1", "x", "9" * 30):
        page = client.get(f"/compute/jobs/{simulation.pk}/?attempt={strange}").content.decode()
        assert "the second try" not in page
