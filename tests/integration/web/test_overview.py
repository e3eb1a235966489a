"""The overview: whose figures it shows, what it leaves out, and that it is never empty of words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from oceanid.models import CloudAccount, Cluster, Depth, FailureTally, Scheduler, Standing, Tally
from oceanid.services.tallies import slot_of
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
OVERVIEW = "/compute/"


@pytest.fixture
def figures(owner: User, other: User, local: Scheduler) -> None:
    """Sums of two people and of everyone, now and a day and a half ago."""
    now = slot_of(timezone.now())
    for user, done, failed in ((owner, 5, 2), (other, 700, 30), (None, 705, 32)):
        for slot in (now, now - 432):
            Tally.objects.create(
                slot=slot, scheduler=local, user=user, complete=done, error=failed, started=done,
                waited=done, wait_s=done * 90.0, ran=done, run_s=done * 7200.0,
            )  # fmt: skip
        FailureTally.objects.create(
            slot=now, scheduler=local, user=user, code="exit-code", count=failed
        )
        Depth.objects.create(slot=now, user=user, waiting=done * 10, running=done)
    Standing.objects.create(scheduler=local, user=owner, jobs=1, waiting=50, running=3, held=1)
    Standing.objects.create(scheduler=local, user=other, jobs=9, waiting=4000, running=77)


def text(answer: Any) -> str:
    """What is read, without the markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_everyone_sees_their_own_figures(client: Client, owner: User, figures: None) -> None:
    client.force_login(owner)
    told = text(client.get(OVERVIEW))
    assert "Running 3 " in told and "Waiting 50 " in told and "Held 1 " in told
    assert "Done in the last 24 hours 5 " in told and "Failed in the last 24 hours 2 " in told
    assert "1 min 30 s on average" in told and "2 h 00 min each" in told
    assert "4 000" not in told and "700" not in told
    assert "The program returned an error 2 " in told


def test_who_sees_all_jobs_sees_everyone_s_figures(
    client: Client, staff: User, owner: User, figures: None
) -> None:
    client.force_login(staff)
    told = text(client.get(OVERVIEW))
    assert "Running 80 " in told and "Waiting 4 050 " in told
    assert "Done in the last 24 hours 705 " in told
    assert "Done in the last 7 days 1 410 " in text(client.get(OVERVIEW, {"span": "week"}))
    assert "You have not run anything yet" in text(client.get(OVERVIEW, {"scope": "mine"}))
    client.force_login(owner)
    assert client.get(OVERVIEW, {"scope": "all"}).status_code == 403


def test_what_is_held_tells_why_to_those_whose_it_is(
    client: Client, owner: User, other: User, staff: User, figures: None
) -> None:
    client.force_login(owner)
    assert re.search(r'id="over-held"[^>]* hidden>', client.get(OVERVIEW).content.decode())
    Standing.objects.filter(user=owner).update(held=7, held_for={"memory-limit": 6, "odd": 1})
    Standing.objects.filter(user=other).update(held=90, held_for={"<b>no</b>": 90, "odd": 3})
    told = text(client.get(OVERVIEW))
    assert "Why work is held now It used more memory than it asked for 6 Odd 1 " in told
    assert "90" not in told
    client.force_login(staff)
    page = client.get(OVERVIEW)
    assert "It used more memory than it asked for 6 Odd 4 " in text(page)
    assert "<b>no" not in page.content.decode()


def test_the_charts_stand_in_a_table_too(client: Client, owner: User, figures: None) -> None:
    client.force_login(owner)
    for span, rows in (("hour", 12), ("day", 48), ("week", 56), ("nonsense", 48)):
        page = client.get(OVERVIEW, {"span": span}).content.decode()
        assert page.count("<tr data-at=") == rows
    assert 'data-v="5"' in page and 'data-v="90' in page and 'data-v=""' in page


def test_only_schedulers_that_one_may_use_are_shown(
    client: Client, owner: User, member: User, team: Group, staff: User, local: Scheduler
) -> None:
    theirs = Scheduler.objects.create(name="theirs", engine="local", health="DOWN")
    theirs.groups.add(team)
    account = Scheduler.objects.create(name="own-account", parent=local, person=owner)
    Standing.objects.create(scheduler=account, user=owner, jobs=1, running=4)
    off = Scheduler.objects.create(name="put-away", engine="local", enabled=False)
    seen = {}
    for person in (owner, member, staff):
        client.force_login(person)
        page = client.get(OVERVIEW).content.decode()
        section = page[page.index("over-places") : page.index("over-mine")]
        seen[person] = [
            each.name for each in (local, theirs, account, off) if f">{each.name}<" in section
        ]
    assert seen[owner] == ["local"]
    assert seen[member] == ["local", "theirs"]
    assert seen[staff] == ["local", "theirs", "put-away"]
    client.force_login(owner)
    assert 'class="o-right o-num">4<' in client.get(OVERVIEW).content.decode()


def test_clusters_are_shown_to_those_who_see_all(client: Client, owner: User, staff: User) -> None:
    account = CloudAccount.objects.create(cloud="aws", name="main")
    Cluster.objects.create(account=account, name="spring-floods", size=5)
    client.force_login(staff)
    told = text(client.get(OVERVIEW))
    assert "spring-floods" in told
    assert "Prepared" in told and "5 machines planned" in told
    client.force_login(owner)
    assert "spring-floods" not in text(client.get(OVERVIEW))


def test_a_new_person_is_told_what_to_do_first(client: Client, owner: User) -> None:
    client.force_login(owner)
    told = text(client.get(OVERVIEW))
    assert "You have not run anything yet" in told and "Open an app" in told
    assert "There is no scheduler that you may use" in told


def test_my_latest_jobs_and_hostile_names_are_shown_as_text(
    client: Client, owner: User, other: User, make_job: MakeJob
) -> None:
    make_job("<script>alert(1)</script> \N{WATER WAVE}", state="RUN")
    make_job("", state="HLD")
    make_job("of somebody else", user=other)
    for number in range(10):
        make_job(f"later {number}", creation_time=timezone.now() - timedelta(days=number))
    FailureTally.objects.create(
        slot=slot_of(timezone.now()), scheduler=Scheduler.objects.get(), user=owner,
        code="<b>odd-code", count=1,
    )  # fmt: skip
    client.force_login(owner)
    page = client.get(OVERVIEW).content.decode()
    assert "<script>alert" not in page and "<b>odd" not in page and "&lt;b&gt;odd code" in page
    assert "of somebody else" not in page
    assert page.count('class="o-latest__end"') == 6


def test_a_fragment_has_the_same_parts(client: Client, owner: User, figures: None) -> None:
    client.force_login(owner)
    part = client.get(OVERVIEW, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    for name in ("over-figures", "over-points", "over-places", "over-mine", "over-reasons"):
        assert f'id="{name}"' in part
