"""Each page asks a fixed number of queries, however many rows there are: every address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import timezone

from oceanid import urls
from oceanid.jobs import JobsTable
from oceanid.models import (
    BulkAction,
    Depth,
    FailureTally,
    Job,
    JobEvent,
    JobShare,
    Notice,
    SavedView,
    Scheduler,
    Standing,
    Tally,
    Task,
    Webhook,
    WorkflowNode,
)
from oceanid.services import paths
from oceanid.services.tallies import slot_of
from oceanid.submit import SubmitDescription
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
FEW, MANY = 2, 60


@dataclass(frozen=True)
class Cost:
    """What an address costs.

    Args:
        most: Queries at most, those for session and person among them.
        arguments: Of the address; names mean what the world holds of that name.
        asked: What stands behind the question mark.
        headers: What is sent along.
    """

    most: int
    arguments: tuple[Any, ...] = ()
    asked: str = ""
    headers: tuple[tuple[str, str], ...] = ()


FRAGMENT = (("HX-Request", "true"),)
COSTS: dict[str, list[Cost]] = {
    "home": [Cost(15), Cost(15, asked="scope=all&span=week"), Cost(10, headers=FRAGMENT)],
    "jobs": [
        Cost(14, asked="scope=mine"), Cost(14, asked="scope=all&status=Running"),
        Cost(16, asked="scope=groups"), Cost(14, asked="q=run&match=any"),
        Cost(14, asked="at=last&sort=-name"),
    ],
    "job-rows": [Cost(4, asked="ids={ids}")],
    "job-export": [Cost(8, asked="format=csv")],
    "changes": [Cost(6, asked="since=1")],
    "live": [Cost(3)],
    "bulk-recent": [Cost(7)],
    "bulk": [Cost(8, ("bulk",))],
    "job": [
        Cost(18, ("job",)), Cost(18, ("job",), "events=all"), Cost(18, ("job",), "tstate=ERR"),
        Cost(18, ("workflow",)),
    ],
    "job-delete": [Cost(7, ("job",))],
    "job-clone": [Cost(8, ("job",))],
    "job-files": [Cost(7, ("job",))],
    "job-file": [Cost(4, ("job", "out-1.txt"))],
    "task-output": [Cost(5, ("job", 0, "stdout"))],
    "node": [Cost(14, ("workflow", "node"))],
    "node-output": [Cost(5, ("job", "own", 0, "stdout"))],
    "table": [Cost(7, asked="{table}")],
    "table-logs": [Cost(6, asked="{table}&job={job}")],
    "notices": [Cost(7)],
    "notice-bell": [Cost(4)],
    "notice-settings": [Cost(9)],
    "webhook": [Cost(8, ("hook",))],
    "healthz": [Cost(3)],
    "readyz": [Cost(5)],
    "metrics": [Cost(10)],
}  # fmt: skip
NOT_OPENED = {
    "bulk-new", "bulk-act", "view-new", "view", "table-act", "job-action", "job-share",
    "job-unshare", "job-watch", "notices-read", "webhooks", "webhook-action", "callback",
}  # fmt: skip
"""Addresses that only act: what they cost is what the service costs that they call."""
CASES = [
    pytest.param(name, cost, id=f"{name} {cost.asked} {' '.join(map(str, cost.arguments))}".strip())
    for name, costs in COSTS.items()
    for cost in costs
]


@pytest.fixture
def fill(
    owner: User, member: User, team: Group, local: Scheduler, make_job: MakeJob
) -> Callable[[int], dict[str, Any]]:
    """Makes so many of everything; gives what addresses mean."""

    def world(count: int) -> dict[str, Any]:
        now = timezone.now()
        job = make_job(f"run {count}", type="CONDOR", state="RUN", wanted="RUN", attempt=1,
                       app="floods", num_jobs=count, execute_time=now, start_time=now)  # fmt: skip
        folder = paths.job_dir(job)
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"out-{number}.txt").write_text("result")
        spec = SubmitDescription.from_attributes(
            {"executable": "/bin/true"}, directory=str(folder)
        ).to_json()
        Job.objects.filter(pk=job.pk).update(spec=spec)
        workflow = make_job(f"flow {count}", type="CONDORWORKFLOW", state="RUN", wanted="RUN",
                            attempt=1, num_jobs=count, execute_time=now)  # fmt: skip
        Job.objects.filter(pk=workflow.pk).update(spec={"workflow": True})
        nodes = [
            WorkflowNode.objects.create(
                workflow=workflow, name=f"node {n}", spec=spec, state="RUN", attempt=1
            )
            for n in range(count)
        ]
        own = WorkflowNode.objects.create(workflow=job, name="own", spec=spec)
        Task.objects.create(job=job, node=own, index=0, state="RUN")
        states = ["RUN", "COM", "ERR", "SUB"]
        for number in range(count):
            state = states[number % 4]
            task = Task.objects.create(
                job=job, index=number, state=state, start_time=now, host=f"host{number % 9}"
            )
            Task.objects.create(job=workflow, node=nodes[number], index=0, state=state)
            for kind in ("task", "state"):
                JobEvent.objects.create(
                    job=job, task_id=task.pk if kind == "task" else None, kind=kind, attempt=1,
                    before="SUB", after=state, at=now, actor=owner if kind == "state" else None,
                )  # fmt: skip
            made = make_job(f"run {number}", state=["RUN", "ERR", "HLD"][number % 3],
                            app="floods", extended_properties={"a": number})  # fmt: skip
            made.groups.add(team)
            JobShare.objects.create(job=made, user=member, right="view", at=now)
            JobShare.objects.create(
                job=job,
                user=User.objects.create_user(f"guest {count} {number}"),
                right="act",
                at=now,
            )
            place = Scheduler.objects.create(name=f"place {count} {number}", engine="local")
            if number % 2:
                place.groups.add(team)
            person = owner if number % 2 else member
            Standing.objects.create(scheduler=place, user=person, jobs=1, running=number)
            SavedView.objects.create(owner=owner, name=f"view {count} {number}", parameters={})
            Notice.objects.create(
                user=owner, count=1, created_at=now, changed_at=now,
                items=[{"word": "Complete", "state": "COM", "name": "run", "subject": "job",
                        "id": made.pk, "at": now.isoformat(), "message": ""}],
            )  # fmt: skip
        slot = slot_of(now)
        for number in range(count):
            for user in (None, owner):
                Tally.objects.get_or_create(
                    slot=slot - number, scheduler=local, user=user, defaults={"complete": 2}
                )
                FailureTally.objects.get_or_create(
                    slot=slot,
                    scheduler=local,
                    user=user,
                    code=f"code-{number}",
                    defaults={"count": 1},
                )
                Depth.objects.get_or_create(slot=slot - number, user=user)
        hook = Webhook.objects.create(user=owner, url="https://example.org/", created_at=now)
        for number in range(count):
            Webhook.objects.create(user=owner, url=f"https://example.org/{number}", created_at=now)
        bulk = BulkAction.objects.create(
            actor=owner, verb="stop", state="RDY", created_at=now,
            job_ids=list(Job.objects.values_list("pk", flat=True)),
        )  # fmt: skip
        ids = list(Job.objects.order_by("-id").values_list("pk", flat=True)[:50])
        table = JobsTable(app="floods").token()
        return {
            "job": job.pk, "workflow": workflow.pk, "node": nodes[0].pk, "own": own.pk,
            "hook": hook.pk, "bulk": bulk.uuid, "ids": ",".join(map(str, ids)),
            "table": urlencode({"t": table, "id": "jobs"}),
        }  # fmt: skip

    return world


def asked(client: Client, name: str, cost: Cost, known: dict[str, Any]) -> list[str]:
    """The statements of a visit."""
    ContentType.objects.clear_cache()
    address = reverse(f"oceanid:{name}", args=[known.get(each, each) for each in cost.arguments])
    query = cost.asked.format(**known)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(f"{address}?{query}", headers=dict(cost.headers))
        content = b"".join(answer) if answer.streaming else answer.content
    # Under WSGI nothing streams; and no supervisor lives beside the test.
    expected = {"live": 501, "readyz": 503}.get(name, 200)
    assert answer.status_code == expected, content[:500]
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


@pytest.mark.parametrize(("name", "cost"), CASES)
def test_a_page_asks_as_often_with_many_rows_as_with_few(
    name: str, cost: Cost, client: Client, administrator: User, owner: User,
    fill: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from oceanid.web import health

    monkeypatch.setattr(health, "CACHED_S", -1.0)
    owner.is_staff = owner.is_superuser = True
    owner.save()
    client.force_login(owner)
    few = asked(client, name, cost, fill(FEW))
    many = asked(client, name, cost, fill(MANY))
    assert len(many) == len(few), "\n".join(sorted(set(many) ^ set(few)))[:4000]
    assert len(many) <= cost.most, f"{len(many)}: " + "\n".join(many)[:6000]


@pytest.mark.parametrize("who", ["member", "staff", "operator"])
def test_a_job_costs_others_who_see_it_no_more_than_its_owner(
    who: str, client: Client, fill: Callable[[int], dict[str, Any]], request: Any
) -> None:
    person: User = request.getfixturevalue(who)
    client.force_login(person)
    counts = []
    for count in (FEW, MANY):
        known = fill(count)
        JobShare.objects.create(job_id=known["job"], user=person, right="view", at=timezone.now())
        counts.append(len(asked(client, "job", Cost(20, ("job",)), known)))
    assert counts[0] == counts[1] <= 20


def test_every_address_has_its_cost() -> None:
    names = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}
    assert names == set(COSTS) | NOT_OPENED, "say what the new address costs"
    assert not set(COSTS) & NOT_OPENED
