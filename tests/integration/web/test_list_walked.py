"""Lists in an order that no index has of what filters leave: gone through, and cut in time."""

from __future__ import annotations

import html
import itertools
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from oceanid.models import Job
from oceanid.services import listing, walks
from oceanid.services.asked import Asked

pytestmark = pytest.mark.django_db

STRETCHES = (("hymod", 70), ("floods", 150), ("hymod", 12), ("floods", 40), ("hymod", 30))
"""Apps of the jobs that ended, the last first: how many of each stand one behind the other."""
SOME = listing.Reading(size=20)


@pytest.fixture
def jobs(owner: User, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs as above, several with the same end, and such as have not ended; those of hymod."""
    owner.user_permissions.add(Permission.objects.get(codename="view_all_jobs"))
    monkeypatch.setattr(listing, "COUNT_LIMIT", 60)
    monkeypatch.setattr(walks, "AHEAD", 1)
    now = timezone.now()
    apps = [app for app, count in STRETCHES for _each in range(count)]
    ended = [
        Job(app=app, completion_time=now - timedelta(minutes=place // 3))
        for place, app in enumerate(apps)
    ]
    never = [Job(app=app) for app in ["floods"] * 40 + ["hymod"] * 20]
    made = [*ended, *never]
    for place, job in enumerate(made):
        job.name, job.name_key, job.type, job.user = f"Run {place}", f"run {place}", "BASIC", owner
        job.creation_time, job.state = now, "COM"
    Job.objects.bulk_create(reversed(made))
    return list(Job.objects.filter(app="hymod").order_by("pk"))


def wanted(jobs: list[Job], *, descending: bool) -> list[int]:
    way = -1 if descending else 1
    ended = [job for job in jobs if job.completion_time]
    never = [job for job in jobs if not job.completion_time]
    ended.sort(key=lambda job: (job.completion_time, job.pk), reverse=descending)
    return [job.pk for job in ended] + [job.pk for job in never][::way]


def page(owner: User, place: dict[str, str], *, sort: str) -> listing.Listing:
    said = {"scope": "all", "app": "hymod", "sort": sort}
    return listing.read(Asked.read(said | place), owner, reading=SOME)


@pytest.mark.parametrize("sort", ["ended", "-ended"])
@pytest.mark.parametrize("backward", [False, True], ids=["on", "back"])
def test_a_long_stretch_without_any_ends_the_look_in_time_and_it_goes_on(
    owner: User, jobs: list[Job], sort: str, backward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "SECONDS", -1.0)
    expected = wanted(jobs, descending=Asked.read({"sort": sort}).order.descending)
    seen: list[int] = []
    stops = 0
    place = {"at": "last"} if backward else {}
    for _page in range(200):
        found = page(owner, place, sort=sort)
        ids = [job.pk for job in found.jobs]
        seen = ids + seen if backward else seen + ids
        stops += bool(found.notice)
        assert found.notice or len(ids) == 20 or not (found.previous if backward else found.next)
        further = found.previous if backward else found.next or found.searched_to
        if not further:
            break
        place = {"before" if backward else "after": further}
    assert seen == expected
    assert stops > 5


@pytest.mark.parametrize("sort", ["ended", "-ended"])
def test_with_time_enough_every_page_is_full_and_leads_back(
    owner: User, jobs: list[Job], sort: str
) -> None:
    expected = wanted(jobs, descending=Asked.read({"sort": sort}).order.descending)
    place: dict[str, str] = {}
    pages: list[list[int]] = []
    while True:
        found = page(owner, place, sort=sort)
        assert not found.notice
        assert bool(found.previous) is bool(pages)
        if pages:
            back = page(owner, {"before": found.previous}, sort=sort)
            assert [job.pk for job in back.jobs] == pages[-1]
        pages.append([job.pk for job in found.jobs])
        if not found.next:
            break
        place = {"after": found.next}
    assert list(itertools.chain.from_iterable(pages)) == expected
    last = page(owner, {"at": "last"}, sort=sort)
    assert [job.pk for job in last.jobs] == expected[-20:]


def test_the_page_says_where_it_stopped_and_leads_on(
    owner: User, jobs: list[Job], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "SECONDS", -1.0)
    client.force_login(owner)
    address = (
        "/compute/jobs/?scope=all&app=hymod&sort=-ended&after="
        + page(owner, {}, sort="-ended").next
    )
    text = client.get(address).content.decode()
    assert "The search stopped after a moment, at job" in text
    further = re.search(r'href="([^"]*after=[^"]*)"[^>]*>\s*Search on', text)
    assert further
    on = client.get(f"/compute/jobs/{html.unescape(further[1])}")
    assert on.status_code == 200
    assert on.content.decode() != text
