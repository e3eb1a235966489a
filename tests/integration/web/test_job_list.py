"""The list of jobs: pages by key, search, filters, order, a fixed number of queries."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.models import Job, Scheduler, SupervisorBeat
from oceanid.services import listing
from oceanid.services.asked import SORTS, Asked
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str) -> list[int]:
    """The numbers of the jobs on a page, in order."""
    answer = client.get(f"/compute/jobs/{address}")
    assert answer.status_code == 200
    return [int(each) for each in re.findall(rb'id="job-row-(\d+)"', answer.content)]


def link(client: Client, address: str, label: str) -> str:
    """Where a link of the pager leads; "" when there is none."""
    text = client.get(f"/compute/jobs/{address}").content.decode()
    found = re.search(rf'<a class="o-btn o-btn--small" href="([^"]*)">{label}</a>', text)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.mark.parametrize("sort", [sign + name for name in SORTS for sign in ("", "-")])
@pytest.mark.parametrize("filters", ["", "&app=floods", "&status=Running&app=hymod"])
def test_walking_the_pages_shows_each_job_once_in_either_direction(
    client: Client, owner: User, many_jobs: list[Job], sort: str, filters: str
) -> None:
    client.force_login(owner)
    expected = Job.objects.filter(user=owner)
    if "floods" in filters:
        expected = expected.filter(app="floods")
    if "Running" in filters:
        expected = expected.filter(state="RUN", app="hymod")
    address = f"?sort={sort}{filters}"
    forward = shown(client, address)
    while address := link(client, address, "Next"):
        forward += shown(client, address)
    assert sorted(forward) == sorted(expected.values_list("pk", flat=True))

    last = f"?sort={sort}{filters}&at=last"
    backward = shown(client, last)
    while last := link(client, last, "Previous"):
        backward = shown(client, last) + backward
    assert backward == forward


def test_jobs_without_a_time_come_last_in_both_directions(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    now = timezone.now()
    never = make_job("never")
    early = make_job("early", start_time=now - timedelta(hours=2))
    late = make_job("late", start_time=now)
    client.force_login(owner)
    assert shown(client, "?sort=started") == [late.pk, early.pk, never.pk]
    assert shown(client, "?sort=-started") == [early.pk, late.pk, never.pk]


def test_a_number_an_identity_and_the_beginning_of_a_name_are_found(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    flood = make_job("Überflutung Süd")
    snow = make_job("Schnee 100 %_")
    client.force_login(owner)
    assert shown(client, f"?q={flood.pk}") == [flood.pk]
    assert shown(client, f"?q=%23{snow.pk}") == [snow.pk]
    assert shown(client, f"?q={snow.uuid}") == [snow.pk]
    assert shown(client, "?q=über") == [flood.pk]
    assert shown(client, "?q=SCHNEE") == [snow.pk]
    assert shown(client, "?q=flut") == []
    assert shown(client, "?q=FLUT&match=any") == [flood.pk]
    assert shown(client, "?q=100 %25_&match=any") == [snow.pk]
    assert shown(client, "?q=00__&match=any") == []


def test_a_search_for_any_part_says_when_it_was_cut_and_goes_on(
    client: Client, owner: User, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_job("the old one")
    Job.objects.filter(pk=old.pk).update(name="needle")
    make_job("new", id=old.pk + 30_000)
    monkeypatch.setattr(listing, "SEARCH_SECONDS", -1.0)
    client.force_login(owner)
    answer = client.get("/compute/jobs/?q=needle&match=any")
    assert "The search stopped after a moment" in answer.content.decode()
    further = re.search(r'<a href="([^"]*)">Search on', answer.content.decode())
    assert further
    assert shown(client, further[1].replace("&amp;", "&")) == [old.pk]


def test_a_search_that_finds_more_than_can_be_sorted_says_so(
    admin_client: Client, many_jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNT_LIMIT", 20)
    first = sorted(many_jobs, key=lambda job: (job.name_key, job.pk))[:20]
    newest = sorted((job.pk for job in first), reverse=True)
    told = "more than can be sorted: these are the first 20 by name"

    def says(address: str) -> str:
        return admin_client.get(address).content.decode()

    everyones = "/compute/jobs/?scope=all"
    assert shown(admin_client, "?scope=all&q=lauf&sort=created") == newest
    assert told in says(f"{everyones}&q=lauf&sort=created")
    for more in ("&q=lauf", "&q=lauf&sort=-name", "&q=lauf+39&sort=created", "&sort=ended"):
        assert told not in says(everyones + more)
    in_admin = says("/admin/oceanid/job/?q=lauf")
    assert told in in_admin and "takes every one that matches" in in_admin
    for more in ("?q=lauf+39", ""):
        assert told not in says(f"/admin/oceanid/job/{more}")


def test_filters_narrow_and_stand_in_the_address(
    client: Client, owner: User, many_jobs: list[Job]
) -> None:
    client.force_login(owner)
    found = shown(client, "?status=Error&app=floods")
    expected = Job.objects.filter(state="ERR", app="floods").order_by("-id")
    assert found == list(expected.values_list("pk", flat=True)[: listing.PAGE_SIZE])
    active = shown(client, "?status=active&since=24h")
    assert active and set(active) <= set(
        Job.objects.filter(
            state__in=["RUN", "SUB"], creation_time__gte=timezone.now() - timedelta(days=1)
        ).values_list("pk", flat=True)
    )
    Job.objects.filter(pk=many_jobs[0].pk).update(scheduler=None)  # an app runs it by itself
    assert shown(client, "?scheduler=nowhere") == []
    assert shown(client, "?until=2001-01-01") == []


def test_a_custom_status_is_found_by_its_word(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job("calibrating", state="OTH", custom_status="Warming up")
    make_job("another", state="OTH", custom_status="Cooling down")
    client.force_login(owner)
    assert shown(client, "?status=Warming up") == [job.pk]


def test_scopes_show_own_jobs_shared_jobs_and_everyones(
    client: Client, owner: User, member: User, staff: User, team: Group, make_job: MakeJob
) -> None:
    own, shared = make_job("own"), make_job("shared")
    shared.groups.add(team)
    client.force_login(member)
    assert shown(client, "") == []
    assert shown(client, "?scope=groups") == [shared.pk]
    assert client.get("/compute/jobs/?scope=all").status_code == 403
    client.force_login(staff)
    assert shown(client, "?scope=all") == [shared.pk, own.pk]


HOSTILE = [
    "?after=%00", "?after=AAAA", "?after=W251bGwsMV0", "?before=WzEsMl0&sort=started",
    "?q=%00", "?q='%20OR%201=1--", "?q=" + "9" * 30, "?q=" + "ä" * 2000, "?q=\U0010ffff",
    "?status=%00x", "?app=%00", "?sort=password", "?scope=root", "?since=9999-12-31",
    "?since=0001-01-01&until=9999-12-31", "?until=abc", "?at=middle", "?match=x&q=a",
    "?after=" + "A" * 5000, "?q=a&match=any&after=999999999999999999999",
    "?after=WyIyMDI2LTEzLTQ1VDk5IiwxXQ&sort=ended", "?after=W1tdLDFd&sort=name",
]  # fmt: skip


@pytest.mark.parametrize("address", HOSTILE)
def test_no_address_breaks_the_page(
    client: Client, owner: User, many_jobs: list[Job], address: str
) -> None:
    client.force_login(owner)
    assert client.get(f"/compute/jobs/{address}").status_code == 200


def test_the_number_of_queries_does_not_depend_on_the_number_of_jobs(
    client: Client, administrator: User, make_job: MakeJob, many_jobs: list[Job]
) -> None:
    client.force_login(administrator)
    addresses = ["?scope=all", "?scope=all&status=Error&app=floods", "?scope=all&sort=started"]

    def counted() -> list[int]:
        numbers = []
        for address in addresses:
            with CaptureQueriesContext(connection) as captured:
                client.get(f"/compute/jobs/{address}")
            numbers.append(len(captured))
        return numbers

    counted()
    before = counted()
    for number in range(60):
        user = User.objects.create_user(f"user {number}")
        make_job(f"more {number}", user=user, start_time=timezone.now(), state="ERR", app="floods")
    assert counted() == before
    assert max(before) <= 15


def test_hostile_names_are_text(client: Client, owner: User, make_job: MakeJob) -> None:
    make_job("<script>alert(1)</script>\"'&\n🌊", app="</option><img src=x onerror=alert(1)>")
    client.force_login(owner)
    text = client.get("/compute/jobs/").content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_rows_are_given_only_to_those_who_may_see_them(
    client: Client, owner: User, other: User, make_job: MakeJob
) -> None:
    job = make_job()
    client.force_login(other)
    assert b"job-row" not in client.get(f"/compute/jobs/rows/?ids={job.pk}").content
    client.force_login(owner)
    assert f'id="job-row-{job.pk}"'.encode() in (
        client.get(f"/compute/jobs/rows/?ids={job.pk},x,-1,{2**70}").content
    )


def test_banners_tell_that_the_supervisor_is_away_and_a_scheduler_unreachable(
    client: Client, owner: User, local: Scheduler
) -> None:
    client.force_login(owner)
    assert b"supervisor isn&#x27;t running" in client.get("/compute/jobs/").content
    now = timezone.now()
    beat = SupervisorBeat.objects.create(
        host="here", pid=1, version="1", started_at=now, beat_at=now
    )
    text = client.get("/compute/jobs/").content
    assert b"supervisor isn" not in text and b"reached" not in text
    Scheduler.objects.update(health="DOWN", health_message="No route <b>")
    owner.is_staff = True
    owner.save()
    assert b"be reached.</strong> No route &lt;b&gt;" in client.get("/compute/jobs/").content
    beat.delete()


def test_the_policy_forbids_inline_scripts_and_styles_and_pages_have_none(
    client: Client, owner: User, make_job: MakeJob
) -> None:
    job = make_job()
    client.force_login(owner)
    for address in ("jobs/", f"jobs/{job.pk}/", "nowhere/", f"jobs/{job.pk}/files/"):
        answer = client.get(f"/compute/{address}")
        text = answer.content.decode()
        if address != "nowhere/":
            assert "default-src 'self'" in answer["Content-Security-Policy"]
            assert "unsafe" not in answer["Content-Security-Policy"]
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)", text)


def test_the_address_keeps_what_was_asked() -> None:
    asked = Asked.read({"q": "a b", "status": "Error", "sort": "-name", "after": "tok"})
    assert asked.address() == "?q=a+b&status=Error&sort=-name"
    assert asked.address(after="next") == "?q=a+b&status=Error&sort=-name&after=next"
    assert asked.address(sort="created") == "?q=a+b&status=Error&sort=created"
