"""Every combination of filters shows what a plain reading of all jobs finds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from oceanid.models import Job, Scheduler
from oceanid.services import listing, sifting
from oceanid.services.asked import Asked
from oceanid.states import JOB_ACTIVE, JobState

pytestmark = pytest.mark.django_db

JOBS = 9000  # more than FEW of what is common, fewer of what is rare, more than are counted
FILTERS = {
    "status": ("", "Complete", "Held", "active"),
    "app": ("", "floods", "rare"),
    "scheduler": ("", "busy", "quiet", "seldom", "nowhere"),
    "q": ("", "run"),
    "sort": ("created", "-name", "status", "ended"),
}
ACTIVE = {state.value for state in JOB_ACTIVE}


@dataclass(frozen=True)
class Row:
    """What a filter reads of a job."""

    pk: int
    name: str
    state: str
    app: str
    scheduler: str
    user: int
    ended: datetime | None


@pytest.fixture
def rows(owner: User, other: User) -> list[Row]:
    """Jobs of two people, with all values that filters have, each in its own measure."""
    names = ("busy", "quiet", "seldom")
    place = {name: Scheduler.objects.create(name=name) for name in names}
    dice = random.Random(7)  # the same jobs each time
    now = timezone.now()
    # No job of the most common app has ended: in that order it is far behind all others.
    said = [
        {
            "name": f"{dice.choice(['Run', 'run', 'Look'])} {dice.randrange(99)}",
            "state": dice.choices(["COM", "RUN", "SUB", "HLD"], [80, 10, 8, 2])[0],
            "app": dice.choices(["floods", "hymod", "rare"], [70, 29, 1])[0],
            "scheduler": dice.choices([*names, ""], [75, 18, 2, 5])[0],
            "user": dice.choices([owner, other], [90, 10])[0],
        }
        for _each in range(JOBS)
    ]
    for each in said:
        ago = timedelta(minutes=dice.randrange(JOBS))
        each["completion_time"] = None if each["app"] == "floods" else now - ago
    made = Job.objects.bulk_create(
        Job(
            **each | {"scheduler": place.get(each["scheduler"])},
            type="BASIC",
            name_key=each["name"].casefold(),
            creation_time=now,
        )
        for each in said
    )
    return [
        Row(
            job.pk,
            job.name_key,
            job.state,
            job.app,
            each["scheduler"],
            job.user_id,
            job.completion_time,
        )
        for job, each in zip(made, said, strict=True)
    ]


def expected(rows: Sequence[Row], asked: Asked, owner: User) -> tuple[list[list[int]], int]:
    """What the first page may be, and how many jobs there are.

    Of very many, the first by name or the newest may be what is put in order: the second page,
    which is to be said of it.
    """
    state = JobState.of_word(asked.status)
    states = ACTIVE if asked.status == "active" else {state.value if state else ""}
    found = [
        row
        for row in rows
        if ((asked.scope == "all" and not asked.user) or row.user == owner.pk)
        and (not asked.status or row.state in states)
        and (not asked.app or row.app == asked.app)
        and (not asked.scheduler or row.scheduler == asked.scheduler)
        and row.name.startswith(asked.q)
    ]
    by_name = sorted(found, key=lambda row: (row.name, row.pk))
    newest = sorted(found, key=lambda row: -row.pk)
    pages = []
    for some in (found, (by_name if asked.q else newest)[: listing.COUNT_LIMIT]):
        if asked.sort == "-name":
            page = sorted(some, key=lambda row: (row.name, row.pk), reverse=True)
        elif asked.sort == "status":
            page = sorted(some, key=lambda row: (row.state, row.pk))
        elif asked.sort == "ended":
            ended = (row for row in some if row.ended)
            page = sorted(ended, key=lambda row: (row.ended, row.pk), reverse=True)
            page += sorted((row for row in some if not row.ended), key=lambda row: -row.pk)
        else:
            page = sorted(some, key=lambda row: -row.pk)
        pages.append([row.pk for row in page[: listing.PAGE_SIZE]])
    return pages, len(found)


@pytest.mark.parametrize("whose", ["mine", "all", "of one"])
def test_every_combination_of_filters_finds_what_is_there(
    owner: User, rows: list[Row], whose: str
) -> None:
    owner.user_permissions.add(Permission.objects.get(codename="view_all_jobs"))
    user = User.objects.get(pk=owner.pk)
    where = {"scope": "mine"} if whose == "mine" else {"scope": "all"}
    if whose == "of one":
        where["user"] = owner.username
    sizes, told = set(), set()
    for values in itertools.product(*FILTERS.values()):
        asked = Asked.read(dict(zip(FILTERS, values, strict=True)) | where)
        found = listing.read(asked, user)
        pages, count = expected(rows, asked, owner)
        at = asked.address()
        assert [job.pk for job in found.jobs] == pages[bool(found.notice)], at
        assert not found.notice or count > listing.COUNT_LIMIT, at
        assert not found.notice or asked.q or asked.sort == "ended", at
        assert found.count == min(count, listing.COUNT_LIMIT), at
        assert found.is_more is (count > listing.COUNT_LIMIT), at
        sizes.add((count > 0) + (count > listing.COUNT_LIMIT) + (count > sifting.FEW))
        told.add(str(found.notice))
    assert sizes == {0, 1, 2, 3}
    assert len(told) == 3, told
