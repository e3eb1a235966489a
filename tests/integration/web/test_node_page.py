"""A node's page, live as a job's is; its scripts' output; a table of one category of many."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.models import Job, Task, TaskRole, WorkflowEdge, WorkflowNode
from oceanid.services import paths
from oceanid.submit import SubmitDescription
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def flow(make_job: MakeJob) -> Job:
    return make_job(
        "flow", type="CONDORWORKFLOW", state="RUN", wanted="RUN", attempt=1, num_jobs=400,
        spec={"workflow": True},
    )  # fmt: skip


@pytest.fixture
def node(flow: Job) -> WorkflowNode:
    spec = SubmitDescription.from_attributes(
        {"executable": "/bin/true"}, directory=str(paths.job_dir(flow))
    ).to_json()
    return WorkflowNode.objects.create(
        workflow=flow, name="steps", spec=spec, state="RUN",
        pre_script="before.sh", pre_script_args="a", post_script="after.sh",
    )  # fmt: skip


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def at(node: WorkflowNode) -> str:
    return f"/compute/jobs/{node.workflow_id}/nodes/{node.pk}/"


def test_what_changes_of_a_node_comes_as_a_part(reader: Client, node: WorkflowNode) -> None:
    page = reader.get(at(node)).content.decode()
    assert f'hx-get="{at(node)}"' in page
    assert f"oceanid:job-{node.workflow_id} from:body" in page
    Task.objects.create(job_id=node.workflow_id, node=node, index=0, state="RUN")
    part = reader.get(at(node), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="node-facts" class="o-panel" hx-swap-oob="true"' in part
    assert 'id="job-tasks" class="o-panel" hx-swap-oob="true"' in part


def test_output_comes_into_the_page_with_the_first_task(reader: Client, node: WorkflowNode) -> None:
    page = reader.get(at(node)).content.decode()
    assert 'hx-get="?part=output"' in page
    Task.objects.create(job_id=node.workflow_id, node=node, index=0, state="RUN")
    part = reader.get(at(node) + "?part=output", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<section id="job-output"')
    assert "data-log=" in part
    assert "hx-get" not in part


def test_output_of_a_job_comes_into_its_page_with_the_first_task(
    reader: Client, make_job: MakeJob
) -> None:
    job = make_job("new", type="CONDOR", state="SUB", wanted="RUN", attempt=1)
    described = SubmitDescription.from_attributes(
        {"executable": "/bin/true"}, directory=str(paths.job_dir(job))
    )
    Job.objects.filter(pk=job.pk).update(spec=described.to_json())
    address = f"/compute/jobs/{job.pk}/"
    assert 'hx-get="?part=output"' in reader.get(address).content.decode()
    Task.objects.create(job=job, index=0, state="RUN")
    part = reader.get(address + "?part=output", headers={"HX-Request": "true"}).content.decode()
    assert "data-log=" in part


def test_a_scripts_output_has_its_own_place(reader: Client, node: WorkflowNode) -> None:
    for role in (TaskRole.PRE, TaskRole.JOB, TaskRole.POST):
        Task.objects.create(
            job_id=node.workflow_id, node=node, index=0, state="COM", role=role.value
        )
    logs = paths.job_dir(node.workflow) / "logs"
    logs.mkdir(parents=True)
    (logs / "steps.pre.stdout").write_text("made ready\n")
    page = reader.get(at(node)).content.decode()
    assert "?task=0&amp;role=P#job-output" in page
    assert "made ready" not in page
    page = reader.get(at(node), {"task": 0, "role": "P"}).content.decode()
    assert "made ready" in page
    found = reader.get(f"{at(node)}tasks/0/stdout/", {"role": "P", "offset": 0}).json()
    assert found["text"] == "made ready\n"
    for strange in ({"role": "X"}, {"task": "9" * 12}, {"task": "-1", "role": "\0"}):
        assert reader.get(at(node), strange).status_code == 200


def test_many_nodes_are_drawn_as_few_boxes_that_lead_to_their_table(
    reader: Client, flow: Job
) -> None:
    rows = [
        WorkflowNode(workflow=flow, name=f"sim {n}", category="sim & more", state="WAI")
        for n in range(399)
    ]
    WorkflowNode.objects.bulk_create([WorkflowNode(workflow=flow, name="begin"), *rows])
    begin, *others = flow.node_set.order_by("id")
    WorkflowEdge.objects.bulk_create(WorkflowEdge(parent=begin, child=each) for each in others)
    page = reader.get(f"/compute/jobs/{flow.pk}/").content.decode()
    assert "400 nodes: those of one step and category" in page
    assert 'href="?ncat=sim%20%26%20more#job-nodes"' in page
    assert page.count('class="o-box"') == 2
    table = reader.get(f"/compute/jobs/{flow.pk}/", {"ncat": "sim & more"}).content.decode()
    assert "begin</a></th>" not in table
    assert table.count('<th scope="row"') == 25
    assert "ncat=sim%20%26%20more&amp;nafter=" in table
    assert "throttle:5s" in table
    reader.get(f"/compute/jobs/{flow.pk}/", {"ncat": "\0" * 500})
