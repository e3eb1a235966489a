"""Who may open and do what in the site admin: every address of ours, to each kind of staff."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint
from oceanid.models import (
    AppScheduler,
    AuditEvent,
    BulkAction,
    CloudAccount,
    Cluster,
    FoundEstate,
    Job,
    Scheduler,
    Setting,
)
from oceanid.services import bulk_actions
from tests.integration.web.conftest import MakeJob, turn

pytestmark = pytest.mark.django_db

STAFF = ("staff", "operator", "administrator")
"""Staff with the permission to view all jobs, with the one to act on all, and a superuser."""
RULES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "cloudaccount_default": ((405, 405, 405), (403, 403, 302)),
    "cloudaccount_estates": ((403, 403, 200), (403, 403, 302)),
    "cloudaccount_adopt": ((403, 403, 200), (403, 403, 302)),
    "cloudaccount_erase": ((403, 403, 200), (403, 403, 400)),
    "cloudaccount_report": ((403, 403, 200), (403, 403, 200)),
    "cloudaccount_check": ((405, 405, 405), (403, 403, 302)),
    "cloudaccount_changelist": ((403, 403, 200), (403, 403, 200)),
    "cloudaccount_add": ((403, 403, 200), (403, 403, 200)),
    "cloudaccount_history": ((403, 403, 200), (403, 403, 200)),
    "cloudaccount_delete": ((403, 403, 302), (403, 403, 302)),
    "cloudaccount_change": ((403, 403, 200), (403, 403, 200)),
    "auditevent_export": ((403, 403, 200), (403, 403, 200)),
    "auditevent_changelist": ((403, 403, 200), (403, 403, 200)),
    "auditevent_add": ((403, 403, 403), (403, 403, 403)),
    "auditevent_history": ((403, 403, 200), (403, 403, 200)),
    "auditevent_delete": ((403, 403, 403), (403, 403, 403)),
    "auditevent_change": ((403, 403, 200), (403, 403, 403)),
    "cluster_watch": ((403, 403, 200), (403, 403, 200)),
    "cluster_live": ((403, 403, 200), (405, 405, 405)),
    "cluster_prices": ((403, 403, 200), (403, 403, 400)),
    "cluster_pricesfile": ((403, 403, 200), (403, 403, 405)),
    "cluster_create": ((403, 403, 302), (403, 403, 302)),
    "cluster_preflight": ((403, 403, 302), (403, 403, 302)),
    "cluster_resize": ((403, 403, 200), (403, 403, 400)),
    "cluster_stop": ((403, 403, 200), (403, 403, 302)),
    "cluster_start": ((403, 403, 200), (403, 403, 302)),
    "cluster_repair": ((403, 403, 200), (403, 403, 302)),
    "cluster_changelist": ((403, 403, 200), (403, 403, 200)),
    "cluster_add": ((403, 403, 200), (403, 403, 200)),
    "cluster_history": ((403, 403, 200), (403, 403, 200)),
    "cluster_delete": ((403, 403, 200), (403, 403, 400)),
    "cluster_change": ((403, 403, 200), (403, 403, 200)),
    "job_export": ((200, 200, 200), (404, 404, 404)),
    "job_bulk": ((404, 200, 404), (404, 302, 404)),
    "job_changelist": ((200, 200, 200), (200, 200, 200)),
    "job_add": ((403, 403, 403), (403, 403, 403)),
    "job_history": ((200, 200, 200), (200, 200, 200)),
    "job_delete": ((403, 403, 403), (403, 403, 403)),
    "job_change": ((200, 200, 200), (403, 403, 403)),
    "scheduler_accept": ((405, 405, 405), (403, 403, 302)),
    "scheduler_report": ((403, 403, 200), (403, 403, 200)),
    "scheduler_check": ((405, 405, 405), (403, 403, 302)),
    "scheduler_changelist": ((403, 403, 200), (403, 403, 200)),
    "scheduler_add": ((403, 403, 200), (403, 403, 200)),
    "scheduler_history": ((403, 403, 200), (403, 403, 200)),
    "scheduler_delete": ((403, 403, 403), (403, 403, 403)),
    "scheduler_change": ((403, 403, 200), (403, 403, 200)),
    "appscheduler_changelist": ((403, 403, 200), (403, 403, 200)),
    "appscheduler_add": ((403, 403, 403), (403, 403, 403)),
    "appscheduler_history": ((403, 403, 200), (403, 403, 200)),
    "appscheduler_delete": ((403, 403, 200), (403, 403, 200)),
    "appscheduler_change": ((403, 403, 200), (403, 403, 302)),
    "setting_report": ((403, 403, 200), (403, 403, 200)),
    "setting_check": ((405, 405, 405), (403, 403, 302)),
    "setting_changelist": ((403, 403, 200), (403, 403, 200)),
    "setting_add": ((403, 403, 403), (403, 403, 403)),
    "setting_history": ((403, 403, 200), (403, 403, 200)),
    "setting_delete": ((403, 403, 403), (403, 403, 403)),
    "setting_change": ((403, 403, 200), (403, 403, 302)),
}
"""Of each address, what it answers to GET and to a POST without a field, to each of STAFF."""


def patterns() -> dict[str, str]:
    """The name of each of our admin's addresses, with its route."""
    found = {}
    for model, options in admin.site._registry.items():
        if model._meta.app_label == "oceanid":
            for each in options.get_urls():
                if isinstance(each, URLPattern) and each.name:
                    found[each.name.removeprefix("oceanid_")] = str(each.pattern)
    return found


@pytest.fixture
def things(make_job: MakeJob, operator: User, local: Scheduler) -> dict[str, Any]:
    """One of each, by the name of its model."""
    job = make_job(state="RUN", wanted="RUN")
    account, _is_new = CloudAccount.objects.get_or_create(cloud="amazon", name="an account")
    setting = AppScheduler.objects.create(app="floods", name="primary")
    event = AuditEvent.objects.create(
        at=timezone.now(), person="ada", origin="page", verb="stop", kind="job", object_name="x"
    )
    estate = FoundEstate.objects.create(
        account=account, cluster_uuid=uuid4(), name="lost", verdict="ORP",
        found_at=timezone.now(), resources=[{"kind": "instance", "id": "i-1"}],
        blueprint=blueprints.written(Blueprint("eu-central-1", "ami-1", "a", "ami-1", "b")),
    )  # fmt: skip
    return {
        "appscheduler": setting.pk,
        "auditevent": event.pk,
        "bulk": bulk_actions.on_these(operator, "stop", [job.pk]).uuid,
        "cloudaccount": account.pk,
        "cloud": "amazon",
        "cluster": Cluster.objects.create(name="a cluster", account=account, size=1).pk,
        "estate": estate.pk,
        "job": job.pk,
        "scheduler": local.pk,
        "setting": Setting.objects.get_or_create(part="cluster")[0].pk,
    }


def address(name: str, route: str, things: dict[str, Any]) -> str:
    if "<" not in route:
        return reverse(f"admin:oceanid_{name}")
    which = "bulk" if "<uuid:" in route else name.partition("_")[0]
    which = "estate" if "<int:estate>" in route else which
    which = "cloud" if "<slug:cloud>" in route else which
    return reverse(f"admin:oceanid_{name}", args=[things[which]])


def test_every_address_has_its_rule() -> None:
    assert set(patterns()) == set(RULES), "give the new address its rule"


@pytest.mark.parametrize("name", RULES)
def test_the_matrix(name: str, things: dict[str, Any], request: pytest.FixtureRequest) -> None:
    people = [request.getfixturevalue(who) for who in STAFF]
    at = address(name, patterns()[name], things)
    got, posted = [], []
    for person in people:
        with turn(person) as client:
            got.append(client.get(at).status_code)
            posted.append(client.post(at).status_code)
    assert (tuple(got), tuple(posted)) == RULES[name]


@pytest.mark.parametrize("name", RULES)
def test_who_is_no_staff_is_sent_to_the_door(
    name: str, things: dict[str, Any], other: User, viewer: User, member: User, owner: User
) -> None:
    at = address(name, patterns()[name], things)
    for person in (None, other, viewer, member, owner):
        with turn(person) as client:
            for answer in (client.get(at), client.post(at)):
                assert answer.status_code in (302, 405), person
                if answer.status_code == 302:
                    assert answer["Location"].startswith("/admin/login/"), person


LIST_ACTIONS = {"stop", "resubmit", "delete"}


def test_every_action_of_the_list_of_jobs_is_looked_at_here() -> None:
    assert set(admin.site._registry[Job].actions or ()) == LIST_ACTIONS


@pytest.mark.parametrize("who", STAFF)
@pytest.mark.parametrize("verb", sorted(LIST_ACTIONS))
def test_an_action_of_the_list_asks_nothing_of_jobs_before_it_is_confirmed(
    verb: str,
    who: str,
    make_job: MakeJob,
    client: Client,
    request: pytest.FixtureRequest,
) -> None:
    job = make_job(state="RUN", wanted="RUN", attempt=1)
    client.force_login(request.getfixturevalue(who))
    before = Job.objects.values().get(pk=job.pk)
    said = {"action": verb, "_selected_action": [job.pk], "index": 0}
    assert client.post("/admin/oceanid/job/", said).status_code == 302
    assert Job.objects.values().get(pk=job.pk) == before
    foreseen = BulkAction.objects.get()
    assert foreseen.actor == request.getfixturevalue(who)
