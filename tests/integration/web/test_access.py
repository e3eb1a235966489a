"""Who may do what: every kind of person at every address with every method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from oceanid import urls
from oceanid.models import BulkAction, Job, JobShare, Task, Webhook, WorkflowNode
from oceanid.services import bulk_actions, paths, policy
from oceanid.submit import SubmitDescription
from oceanid.web import actions
from tests.integration.web.conftest import MakeJob, turn

pytestmark = pytest.mark.django_db

PEOPLE = (
    "anonymous", "other", "viewer", "member", "owner", "staff", "operator", "administrator",
)  # fmt: skip
"""Who asks: with no right, with a share to view, in a group that may act, the owner, with the
permission to view all, with the one to act on all, and a superuser."""


@dataclass(frozen=True)
class Rule:
    """What an address answers: to GET and to POST, to each of PEOPLE in that order.

    A POST carries no field; what answers it with 302 has let the person in.
    """

    arguments: tuple[Any, ...]
    get: tuple[int, ...]
    post: tuple[int, ...] = (405,) * len(PEOPLE)


SENT_BACK = (401, *(302,) * 7)
NEVER = (405,) * 8
EVERYONE = (302, 200, 200, 200, 200, 200, 200, 200)
VIEWERS = (302, 404, 200, 200, 200, 200, 200, 200)
ACTORS = (302, 404, 403, 200, 200, 403, 200, 200)
"""Who may open a page of something that is for those who may act."""
ACTS = (401, 404, 403, 302, 302, 403, 302, 302)
"""Who may do it."""
SHARES = (401, 404, 403, 403, 302, 403, 302, 302)
"""Who may say who else has a right."""
RULES = {
    "home": Rule((), EVERYONE),
    "jobs": Rule((), EVERYONE),
    "job-rows": Rule((), EVERYONE),
    "job": Rule(("job",), VIEWERS),
    "job-delete": Rule(("job",), ACTORS),
    # It has no template, so only its owner may repeat it, and who may submit anything.
    "job-clone": Rule(
        ("job",), (302, 404, 403, 403, 200, 403, 403, 200), (401, 404, 403, 403, 200, 403, 403, 200)
    ),
    "job-action": Rule(("job", "stop"), NEVER, ACTS),
    "job-share": Rule(("job",), NEVER, SHARES),
    "job-unshare": Rule(("job", "share", 1), NEVER, SHARES),
    "job-watch": Rule(("job",), NEVER, (401, 404, 302, 302, 302, 302, 302, 302)),
    "job-files": Rule(("job",), VIEWERS),
    "job-file": Rule(("job", "out.txt"), VIEWERS),
    "task-output": Rule(("job", 0, "stdout"), VIEWERS),
    "node": Rule(("job", "node"), VIEWERS),
    "node-output": Rule(("job", "node", 0, "stdout"), VIEWERS),
    # Under WSGI nothing streams; that streams are for those who logged in is shown in test_live.
    "live": Rule((), (401, *(501,) * 7)),
    "changes": Rule((), EVERYONE),
    "job-export": Rule((), EVERYONE),
    "bulk-recent": Rule((), EVERYONE),
    "bulk-new": Rule((), NEVER, SENT_BACK),
    "bulk": Rule(("bulk",), (302, 404, 404, 404, 200, 404, 404, 404)),
    "bulk-act": Rule(("bulk", "cancel"), NEVER, SENT_BACK),
    # Without a token there is no table; test_jobs_table shows who sees and does what in one.
    "table": Rule((), (302, *(404,) * 7)),
    "table-act": Rule((), NEVER, (401, *(404,) * 7)),
    "table-logs": Rule((), (302, *(404,) * 7)),
    "view-new": Rule((), NEVER, SENT_BACK),
    "view": Rule((1,), NEVER, (401, *(404,) * 7)),
    "notices": Rule((), EVERYONE),
    "notice-bell": Rule((), EVERYONE),
    "notices-read": Rule((), NEVER, (401, *(302,) * 7)),
    "notice-settings": Rule((), EVERYONE, (401, *(302,) * 7)),
    # A POST without an address is told what is wrong with it.
    "webhooks": Rule((), NEVER, (401, *(400,) * 7)),
    "webhook": Rule(("hook",), (302, 404, 404, 404, 200, 404, 404, 404)),
    "webhook-action": Rule(("hook", "disable"), NEVER, (401, 404, 404, 404, 302, 404, 404, 404)),
}
VERBS = {
    "execute": ACTS,
    "resume": ACTS,
    "pause": ACTS,
    "stop": ACTS,
    "retry_results": ACTS,
    "resubmit": ACTS,
    "delete": ACTS,
}
"""Of each action, whom it lets in."""
OPEN = {
    # What these answer does not depend on who asks: their own tests hold them.
    "callback": "by the token in the address",
    "healthz": "says only that the process lives",
    "readyz": "says only whether work can be done",
    "metrics": "guarded by itself",
}


@pytest.fixture
def job(make_job: MakeJob, team: Group, viewer: User) -> Job:
    """A running job of the owner's, shared with the team, with a task, a node and a file."""
    job = make_job("shared", type="CONDOR", state="RUN", wanted="RUN", attempt=1)
    folder = paths.job_dir(job)
    folder.mkdir(parents=True)
    (folder / "out.txt").write_text("result")
    spec = SubmitDescription.from_attributes(
        {"executable": "/bin/true"}, directory=str(folder)
    ).to_json()
    Job.objects.filter(pk=job.pk).update(spec=spec)
    job.groups.add(team)
    JobShare.objects.create(job=job, user=viewer, right="view", at=timezone.now())
    Webhook.objects.create(user=job.user, url="https://example.org/", created_at=timezone.now())
    node = WorkflowNode.objects.create(workflow=job, name="node", spec=spec)
    Task.objects.create(job=job, index=0, state="RUN")
    Task.objects.create(job=job, node=node, index=0, state="RUN")
    return job


@pytest.fixture
def people(
    owner: User,
    other: User,
    viewer: User,
    member: User,
    staff: User,
    operator: User,
    administrator: User,
) -> dict[str, User | None]:
    return {
        "anonymous": None,
        "other": other,
        "viewer": viewer,
        "member": member,
        "owner": owner,
        "staff": staff,
        "operator": operator,
        "administrator": administrator,
    }


def address(name: str, rule: Rule, job: Job) -> str:
    node = job.node_set.get()
    owned = BulkAction.objects.filter(actor=job.user_id).first() or bulk_actions.on_these(
        job.user, "stop", [job.pk]
    )
    hook = Webhook.objects.get()
    known = {"job": job.pk, "node": node.pk, "bulk": owned.uuid, "hook": hook.pk}
    return reverse(f"oceanid:{name}", args=[known.get(each, each) for each in rule.arguments])


def test_every_address_has_its_rule() -> None:
    names = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}
    assert len(names) == len(urls.urlpatterns)
    assert names <= set(RULES) | set(OPEN), "give the new address its rule"
    assert set(RULES) <= names


def test_every_action_has_its_rule() -> None:
    assert set(VERBS) == set(actions.ACTIONS), "give the new action its rule"


@pytest.mark.parametrize("verb", VERBS)
def test_the_matrix_of_actions(verb: str, job: Job, people: dict[str, User | None]) -> None:
    before = Job.objects.values().get(pk=job.pk)
    at = f"/compute/jobs/{job.pk}/do/{verb}/"
    answers = []
    for who, expected in zip(PEOPLE, VERBS[verb], strict=True):
        with turn(people[who]) as client:
            assert client.get(at).status_code == 405, who
            answers.append(client.post(at).status_code)
            if expected != 302:
                assert Job.objects.values().get(pk=job.pk) == before, who
                assert not job.events.exists(), who
    assert tuple(answers) == VERBS[verb]


@pytest.mark.parametrize("name", RULES)
def test_the_matrix(name: str, job: Job, people: dict[str, User | None]) -> None:
    rule, at = RULES[name], address(name, RULES[name], job)
    got, posted = [], []
    for who in PEOPLE:
        with turn(people[who]) as client:
            got.append(client.get(at).status_code)
            posted.append(client.post(at).status_code)
            assert client.put(at).status_code == 405, who
            assert client.delete(at).status_code == 405, who
    assert tuple(got) == rule.get
    assert tuple(posted) == rule.post


def test_anonymous_people_are_sent_to_the_login_page_and_back(client: Client, job: Job) -> None:
    answer = client.get(f"/compute/jobs/{job.pk}/?task=1")
    assert answer["Location"] == f"/admin/login/?next=/compute/jobs/{job.pk}/%3Ftask%3D1"


def test_a_fragment_tells_the_browser_to_log_in_anew(client: Client, job: Job) -> None:
    answer = client.get(f"/compute/jobs/{job.pk}/", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer["HX-Refresh"] == "true"


@pytest.mark.parametrize("verb", ["execute", "stop", "pause", "resume", "resubmit", "delete"])
def test_an_action_without_its_token_is_refused(owner: User, job: Job, verb: str) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    assert careful.post(f"/compute/jobs/{job.pk}/do/{verb}/").status_code == 403
    job.refresh_from_db()
    assert job.wanted == "RUN"


@pytest.mark.parametrize("verb", ["__init__", "_want", "save_draft", "set_status", "x"])
def test_only_actions_can_be_asked_for(client: Client, owner: User, job: Job, verb: str) -> None:
    client.force_login(owner)
    assert client.post(f"/compute/jobs/{job.pk}/do/{verb}/").status_code == 404


def test_stopping_a_job_writes_the_wish_and_tells_it(client: Client, owner: User, job: Job) -> None:
    client.force_login(owner)
    answer = client.post(f"/compute/jobs/{job.pk}/do/stop/", follow=True)
    assert "The job will be stopped." in answer.content.decode()
    assert "Stopping…" in answer.content.decode()
    job.refresh_from_db()
    assert job.wanted == "STO"
    assert job.events.filter(kind="intent", actor=owner).exists()


def test_what_can_not_be_done_is_told_in_words(client: Client, owner: User, job: Job) -> None:
    client.force_login(owner)
    answer = client.post(f"/compute/jobs/{job.pk}/do/resubmit/", follow=True)
    assert answer.status_code == 200
    assert 'data-kind="error"' in answer.content.decode()


def test_a_person_who_was_switched_off_sees_nothing(owner: User, job: Job) -> None:
    assert policy.may(owner, "view", job)
    owner.is_active = False
    assert not policy.may(owner, "view", job)
    assert not policy.visible_jobs(owner).exists()
    assert not policy.visible_jobs(AnonymousUser()).exists()


def test_pages_are_not_kept_by_caches(client: Client, owner: User, job: Job) -> None:
    client.force_login(owner)
    answer = client.get(f"/compute/jobs/{job.pk}/")
    assert "no-store" in answer["Cache-Control"]


def test_an_unexpected_failure_shows_a_page_and_no_trace(
    client: Client, owner: User, job: Job
) -> None:
    Job.objects.filter(pk=job.pk).update(state="???")
    client.force_login(owner)
    answer = client.get(f"/compute/jobs/{job.pk}/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
