"""The audit of an account in the site admin: nothing is adopted or deleted without its plan."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.models import AuditEvent, CloudAccount, Cluster, FoundEstate
from tests.integration.web.conftest import shown

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script> “ü”"
BLUEPRINT = {
    "region": "eu-central-1", "master_image": "ami-1", "master_type": "m7a.large",
    "node_image": "ami-1", "node_type": "c7a.large",
}  # fmt: skip
MACHINE = {"kind": "instance", "id": "i-1", "name": HOSTILE, "detail": "running"}
DISK = {"kind": "volume", "id": "vol-1", "name": "", "detail": "30 GiB"}


def estate(account: CloudAccount, name: str, verdict: str, *things: Any) -> FoundEstate:
    return FoundEstate.objects.create(
        account=account, cluster_uuid=uuid.uuid4(), name=name, verdict=verdict,
        portal=uuid.UUID(int=9) if verdict == "FOR" else None, found_at=timezone.now(),
        region="eu-central-1", blueprint=BLUEPRINT, resources=list(things),
    )  # fmt: skip


def page(account: CloudAccount) -> str:
    return f"/admin/oceanid/cloudaccount/{account.pk}/estates/"


def act(estate: FoundEstate, verb: str) -> str:
    return f"/admin/oceanid/cloudaccount/estates/{estate.pk}/{verb}/"


def test_a_look_is_a_wish_and_the_page_waits_for_it(boss: Client, account: CloudAccount) -> None:
    assert "Nobody has looked yet." in shown(boss.get(page(account)))
    link = f'href="{page(account)}"'
    assert link in shown(boss.get(f"/admin/oceanid/cloudaccount/{account.pk}/change/"))
    assert boss.post(page(account))["Location"] == page(account)
    account.refresh_from_db()
    assert account.survey_wanted_at is not None
    text = shown(boss.get(page(account)))
    assert "data-busy" in text and "A supervisor looks through" in text
    assert "supervisor isn&#x27;t running" in text or "The supervisor isn't running." in text
    assert AuditEvent.objects.get(verb="survey").origin == "admin"
    CloudAccount.objects.update(
        survey_wanted_at=None, surveyed_at=timezone.now(), survey_problem=HOSTILE
    )
    text = shown(boss.get(page(account)))
    assert "There is nothing in this account" in text and "data-busy" not in text
    assert "The last look failed:" in text and "<script>alert" not in text


def test_what_was_found_is_told_the_loose_first(boss: Client, account: CloudAccount) -> None:
    known = estate(account, "alps", "KNO", MACHINE)
    cluster = Cluster.objects.create(account=account, name="alps", uuid=known.cluster_uuid)
    estate(account, "theirs", "FOR", MACHINE)
    estate(account, "rest", "LEA", DISK)
    lost = estate(account, HOSTILE, "ORP", MACHINE, DISK)
    with CaptureQueriesContext(connection) as few:
        text = shown(boss.get(page(account)))
    assert "<script>alert" not in text and "&lt;script&gt;" in text
    places = [text.index(word) for word in ("2 things in the cloud", ">rest <", ">theirs <",
                                            ">alps <")]  # fmt: skip
    assert places == sorted(places)
    assert f"/admin/oceanid/cluster/{cluster.pk}/watch/" in text
    assert act(lost, "adopt") in text and act(lost, "erase") in text
    assert act(known, "erase") not in text and text.count("/adopt/") == 2
    for number in range(60):
        estate(account, f"more-{number}", "LEA", *[DISK] * 50)
    with CaptureQueriesContext(connection) as many:
        boss.get(page(account))
    assert len(many) == len(few) <= 10


def test_an_orphan_is_adopted_after_its_plan(boss: Client, account: CloudAccount) -> None:
    lost = estate(account, "lost", "ORP", MACHINE, MACHINE | {"id": "i-2"}, DISK)
    text = shown(boss.get(act(lost, "adopt")))
    assert "with its 2 machines" in text and "the master is replaced" in text and "vol-1" in text
    assert not Cluster.objects.exists()
    answer = boss.post(act(lost, "adopt"))
    cluster = Cluster.objects.get()
    assert answer["Location"] == f"/admin/oceanid/cluster/{cluster.pk}/watch/"
    assert (cluster.uuid, cluster.size, cluster.wanted) == (lost.cluster_uuid, 2, "RUN")
    assert boss.post(act(lost, "adopt")).status_code == 400, "twice is once"
    assert Cluster.objects.count() == 1


def test_a_deletion_wants_the_name(boss: Client, account: CloudAccount) -> None:
    rest = estate(account, "rest", "LEA", DISK)
    assert "There is no machine left" in shown(boss.get(act(rest, "adopt")))
    assert boss.post(act(rest, "adopt")).status_code == 400
    for name in ("", "Rest", "resting"):
        answer = boss.post(act(rest, "erase"), {"name": name})
        assert answer.status_code == 400 and "Type “rest” to delete it." in shown(answer)
    assert not Cluster.objects.exists()
    assert boss.post(act(rest, "erase"), {"name": "rest"}).status_code == 302
    assert Cluster.objects.get().wanted == "DEL"
    assert "being deleted" in shown(boss.get(page(account)))
    assert AuditEvent.objects.get(verb="delete-found").person == "ada"


def test_what_has_no_name_is_called_by_its_identity(boss: Client, account: CloudAccount) -> None:
    rest = estate(account, "", "LEA", DISK)
    assert str(rest.cluster_uuid) in shown(boss.get(act(rest, "erase")))
    given = {"name": str(rest.cluster_uuid)}
    assert boss.post(act(rest, "erase"), given).status_code == 302


def test_another_portals_is_left_alone_unless_that_one_is_no_more(
    boss: Client, account: CloudAccount
) -> None:
    theirs = estate(account, "theirs", "FOR", MACHINE)
    assert "is no more" in shown(boss.get(act(theirs, "erase")))
    answer = boss.post(act(theirs, "erase"), {"name": "theirs"})
    assert answer.status_code == 400 and "belongs to another portal" in shown(answer)
    assert not Cluster.objects.exists()
    boss.post(act(theirs, "erase"), {"name": "theirs", "force": "on"})
    assert Cluster.objects.get().wanted == "DEL"


def test_who_may_not_clean_up_sees_and_does_nothing(client: Client, account: CloudAccount) -> None:
    lost = estate(account, "lost", "ORP", MACHINE)
    person = User.objects.create_user("paul", is_staff=True)
    names = ["view_cloudaccount", "change_cloudaccount", "run_cluster", "view_cluster"]
    person.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(person)
    assert "/estates/" not in shown(client.get(f"/admin/oceanid/cloudaccount/{account.pk}/change/"))
    for address in (page(account), act(lost, "adopt"), act(lost, "erase")):
        assert client.get(address).status_code == 403
        assert client.post(address, {"name": "lost"}).status_code == 403
    assert not Cluster.objects.exists() and not AuditEvent.objects.filter(person="paul").exists()


def test_what_is_gone_is_not_there(boss: Client, account: CloudAccount) -> None:
    lost = estate(account, "lost", "ORP", MACHINE)
    lost_at = act(lost, "erase")
    lost.delete()
    assert boss.get(lost_at).status_code == 404
    assert boss.get("/admin/oceanid/cloudaccount/999999/estates/").status_code == 404
