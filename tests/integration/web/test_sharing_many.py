"""Lists of very many shared jobs: paged as few are, at the cost of few, and cut in time."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oceanid.models import Job, JobShare, Scheduler
from oceanid.services import listing, shared, walks
from oceanid.services.asked import Asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(
    monkeypatch: pytest.MonkeyPatch, many_jobs: list[Job], other: User, member: User, team: Group
) -> list[Job]:
    """130 jobs, most shared with one person in three ways, when 20 are very many already."""
    monkeypatch.setattr(shared, "FEW", 20)
    monkeypatch.setattr(walks, "AHEAD", 0.2)
    now = timezone.now()
    second = Group.objects.create(name="second")
    other.groups.add(team, second)
    kinds: list[dict[str, Any]] = [{"user": other}, {"group": team}, {"user": member}]
    JobShare.objects.bulk_create(
        JobShare(job=job, right="view", at=now, **kinds[place % 3])
        for place, job in enumerate(many_jobs)
    )
    for job in many_jobs[::2]:
        job.groups.add(second)
    elsewhere = Scheduler.objects.create(name="elsewhere")
    Job.objects.filter(pk__in=[job.pk for job in many_jobs[::3] + many_jobs[::5]]).update(
        scheduler=elsewhere
    )
    return [job for place, job in enumerate(many_jobs) if place % 3 != 2 or place % 2 == 0]


SAID = [
    {},
    {"sort": "-created"},
    {"status": "Error"},
    {"q": "Lauf 1"},
    {"q": "Lauf", "sort": "-name"},
    {"q": "Lauf", "status": "Error"},
    {"q": "Lauf", "status": "active", "app": "hymod"},
    {"q": "Lauf", "app": "hymod", "status": "Complete"},
    {"q": "Lauf", "since": "24h"},
    {"status": "active"},
    {"status": "active", "app": "hymod", "sort": "-created"},
    {"q": "f 1", "match": "any"},
    {"app": "hymod", "since": "24h"},
    {"sort": "name"},
    {"sort": "-ended", "status": "Error"},
    {"until": "2001-01-01"},
    {"scheduler": "elsewhere"},
    {"scheduler": "elsewhere", "sort": "-created", "app": "hymod"},
    {"scheduler": "elsewhere", "status": "active"},
    {"scheduler": "elsewhere", "status": "Complete", "app": "floods"},
    {"scheduler": "elsewhere", "q": "Lauf"},
    {"scheduler": "elsewhere", "q": "Lauf", "sort": "-created", "status": "Error"},
    {"scheduler": "elsewhere", "since": "24h", "sort": "ended"},
]


@pytest.mark.parametrize("of_all", [True, False], ids=["much of all", "little of all"])
@pytest.mark.parametrize("said", SAID, ids=str)
def test_very_many_are_paged_as_few_are(
    said: dict[str, str],
    of_all: bool,
    many: list[Job],
    other: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not of_all:  # so that there are by far more jobs, as far as their numbers tell
        Job.objects.create(pk=10**9, type="BASIC", user=many[0].user, creation_time=timezone.now())
    nine = listing.Reading(size=9)
    said = {"scope": "groups"} | said

    def walked(forward: bool) -> list[int]:
        found, place = [], {} if forward else {"at": "last"}
        for _page in range(60):
            page = listing.read(Asked.read(said | place), other, reading=nine)
            rows = [job.pk for job in page.jobs]
            found += rows if forward else rows[::-1]
            token = page.next if forward else page.previous
            if not token:
                return found if forward else found[::-1]
            place = {"after" if forward else "before": token}
        raise AssertionError("there is no end")

    quick = walked(True), walked(False)
    monkeypatch.setattr(shared, "FEW", 4000)
    if "match" not in said:
        assert quick == (walked(True), walked(False))
    ids = {job.pk for job in many}
    assert set(quick[0]) <= ids
    if said == {"scope": "groups"}:
        assert quick[0] == sorted(ids, reverse=True)


def test_of_more_than_can_be_sorted_the_newest_are(
    many: list[Job], other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNT_LIMIT", 25)
    found = listing.read(Asked.read({"scope": "groups", "sort": "name"}), other)
    newest = sorted((job.pk for job in many), reverse=True)[:25]
    assert {job.pk for job in found.jobs} == set(newest)
    assert found.notice
    assert (found.count, found.is_more) == (25, True)


def test_of_more_that_begin_so_than_can_be_sorted_the_first_by_name_are(
    many: list[Job], other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNT_LIMIT", 25)
    found = listing.read(Asked.read({"scope": "groups", "q": "Lauf", "sort": "-ended"}), other)
    first = sorted(many, key=lambda job: (job.name_key, job.pk))[:25]
    assert {job.pk for job in found.jobs} == {job.pk for job in first}
    assert "by name" in found.notice


def test_a_search_among_very_many_by_name_ends_in_time_and_goes_on(
    many: list[Job], other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "SECONDS", 0.0)
    Job.objects.filter(pk__in=[job.pk for job in many[:60]]).update(name="Lauf", name_key="lauf")
    by_name = list(Job.objects.filter(pk__in=[job.pk for job in many]).order_by("name_key", "pk"))
    for sort, wanted in (("name", by_name), ("-name", by_name[::-1])):
        seen: list[int] = []
        place: dict[str, str] = {}
        for _page in range(60):
            said = {"scope": "groups", "q": "Lauf", "sort": sort} | place
            found = listing.read(Asked.read(said), other)
            seen += [job.pk for job in found.jobs]
            if not found.searched_to and not found.next:
                break
            assert found.notice or found.next
            place = {"after": found.searched_to or found.next}
        assert seen == [job.pk for job in wanted]


def test_looking_among_very_many_ends_in_time_and_goes_on(
    many: list[Job], other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNT_LIMIT", 3)
    monkeypatch.setattr(walks, "SECONDS", 0.0)
    seen: list[int] = []
    place: dict[str, str] = {}
    for _page in range(30):
        found = listing.read(Asked.read({"scope": "groups"} | place), other)
        seen += [job.pk for job in found.jobs]
        if not found.searched_to:
            break
        assert found.notice
        place = {"after": found.searched_to}
    assert seen == sorted((job.pk for job in many), reverse=True)


def test_a_page_of_very_many_costs_what_another_costs(
    many: list[Job], other: User, client: Client
) -> None:
    client.force_login(other)
    counts = set()
    for share in (1, 2):
        with CaptureQueriesContext(connection) as queries:
            client.get("/compute/jobs/?scope=groups")
        counts.add(len(queries))
        JobShare.objects.filter(job__in=many_third(share)).delete()
    assert len(counts) == 1


def many_third(share: int) -> list[int]:
    return list(Job.objects.order_by("pk").values_list("pk", flat=True)[:share])


@pytest.mark.parametrize("said", SAID[:8], ids=str)
def test_a_reader_that_narrows_the_list_gets_whole_pages(
    said: dict[str, str], many: list[Job], other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = listing.Reading(size=3, narrowed=lambda jobs: jobs.filter(app="hymod"))
    asked = Asked.read({"scope": "groups"} | said)
    quick = [job.pk for job in listing.read(asked, other, reading=half).jobs]
    monkeypatch.setattr(shared, "FEW", 4000)
    if "match" not in said:
        assert quick == [job.pk for job in listing.read(asked, other, reading=half).jobs]
    assert len(quick) == 3
    assert set(quick) <= {job.pk for job in many if job.app == "hymod"}
