"""The list of very many jobs that are shared with somebody: walked by the shares' own indexes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from oceanid.models import Job, JobShare
from oceanid.services import keyset, policy
from oceanid.services.asked import Asked
from oceanid.services.keyset import Page
from oceanid.services.sifting import FEW, bounds, filtered, searched, user_id

SECONDS = 1.5
"""How long is looked for jobs that filters leave."""
FIRST = 500
MOST = 20_000
ENDS = 2**63 - 1


def are_many(user: policy.Person) -> bool:
    """Whether more jobs are shared with a person than can be sorted for each page."""
    return len(ids(user, ascending=False, start=ENDS, most=FEW + 1)) > FEW


@dataclass(frozen=True, slots=True)
class Found:
    """One page of shared jobs.

    Args:
        page: The rows.
        count: How many there are, up to COUNT_LIMIT.
        is_more: Whether there are more than that.
        notice: That the looking was cut, or the sorting.
        searched_to: The token behind which a cut looking goes on.
    """

    page: Page[Job]
    count: int
    is_more: bool
    notice: str = ""
    searched_to: str = ""


def read(
    asked: Asked,
    user: policy.Person,
    shown: QuerySet[Job],
    *,
    size: int,
    most: int,
    until_id: int | None = None,
) -> Found:
    """Read a page of the jobs that are shared with somebody, when these are very many.

    By creation it goes through all of them; in any other order through the newest that match.

    Args:
        asked: The address.
        user: Who reads.
        shown: Jobs with the columns that are wanted.
        size: How many rows a page has.
        most: How many are counted, and sorted by anything but their creation.
        until_id: The largest number that counts; None when all do.
    """
    walk = _Walk(asked, user, until_id)
    found = walk.rows(Job.objects.only("pk"), ascending=False, start=ENDS, most=most + 1)
    is_more = len(found) > most
    if is_more and asked.sort_name == "created":
        return _by_creation(walk, shown, size=size, most=most)
    notice = ""
    if is_more:
        notice = _("They are more than can be sorted: these are the newest %(most)d.")
    elif walk.is_cut:
        notice = _("The search stopped after a moment, among the newest jobs.")
    newest = shown.filter(pk__in=[job.pk for job in found[:most]])
    order = replace(asked.order, by_index=False)
    rows = keyset.page(newest, order=order, place=asked.place, size=size)
    return Found(rows, min(len(found), most), is_more, notice % {"most": most})


def _by_creation(walk: _Walk, shown: QuerySet[Job], *, size: int, most: int) -> Found:
    order, place = walk.asked.order, walk.asked.place
    backward = bool(place.before) or (place.last and not place.after)
    ascending = order.descending is backward
    mark = keyset.tie_of(shown, order, place.before if backward else place.after)
    start = mark if mark is not None else (0 if ascending else ENDS)
    rows = walk.rows(shown, ascending=ascending, start=start, most=size + 1)
    more, rows = len(rows) > size, rows[:size]
    if backward:
        rows.reverse()
    is_next = mark is not None if backward else more
    is_previous = more if backward else mark is not None
    page = Page(
        rows,
        keyset.token(rows[-1], order) if rows and is_next else "",
        keyset.token(rows[0], order) if rows and is_previous else "",
    )
    if not walk.is_cut:
        return Found(page, most, True)
    notice = _("The search stopped after a moment, at job %(id)d.") % {"id": walk.reached}
    further = "" if backward else keyset.token(Job(pk=walk.reached), order)
    return Found(page, most, True, notice, further)


class _Walk:
    """Goes through shared jobs by number, and keeps those that an address's filters leave."""

    def __init__(self, asked: Asked, user: policy.Person, until_id: int | None) -> None:
        self.asked = asked
        self.user = user
        low, high = bounds(asked.since, asked.until)
        self._low, self._high = low or 0, high if high is not None else ENDS
        if until_id is not None:
            self._high = min(self._high, until_id + 1)
        self.reached = 0
        self.is_cut = False

    def rows(self, jobs: QuerySet[Job], *, ascending: bool, start: int, most: int) -> list[Job]:
        """The first that match behind a number; fewer when the time is up: then it ``is_cut``."""
        found: list[Job] = []
        end, size = monotonic() + SECONDS, FIRST
        start = max(start, self._low - 1) if ascending else min(start, self._high)
        while len(found) < most:
            batch = ids(self.user, ascending=ascending, start=start, most=size)
            within = [each for each in batch if self._low <= each < self._high]
            if within:
                matching = self._matching(jobs.filter(pk__in=within))
                found += matching.order_by("pk" if ascending else "-pk")[: most - len(found)]
            if len(within) < size:
                break
            if monotonic() > end:
                self.is_cut, self.reached = len(found) < most, batch[-1]
                break
            start, size = batch[-1], min(MOST, size * 4)
        return found

    def _matching(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        asked = replace(self.asked, since="", until="")
        jobs = filtered(asked, jobs, indexed=frozenset())
        if asked.user:
            jobs = jobs.filter(user=user_id(asked, self.user))
        if asked.q and asked.match == "any":
            return jobs.filter(Q(name__icontains=asked.q))
        return searched(asked, jobs, by_index=False)


def ids(user: policy.Person, *, ascending: bool, start: int, most: int) -> list[int]:
    """The shared jobs behind a number: one query, as many rows from each index at most.

    Args:
        user: With whom they are shared.
        ascending: Whether the oldest comes first.
        start: The number behind which they are wanted.
        most: How many are enough.
    """
    groups: Any = getattr(user, "groups", None)
    theirs = list(groups.values_list("pk", flat=True)[:100]) if groups is not None else []
    sources: list[QuerySet[Any]] = [JobShare.objects.filter(user=user.pk)]
    for each in theirs:
        sources.append(JobShare.objects.filter(group_id=each))
        sources.append(Job.groups.through.objects.filter(group_id=each))
    beyond = {"job_id__gt" if ascending else "job_id__lt": start}
    order = "job_id" if ascending else "-job_id"
    parts: list[str] = []
    values: list[Any] = []
    for source in sources:
        rows = source.filter(**beyond).order_by(order).values("job_id")[:most]
        sql, given = rows.query.sql_with_params()
        # A part of a union can't be limited by itself, a table that is made of it can.
        parts.append(f"SELECT job_id FROM ({sql}) AS part")  # noqa: S608 - Django's own words
        values += given
    way = "ASC" if ascending else "DESC"
    whole = f"{' UNION '.join(parts)} ORDER BY 1 {way} LIMIT {int(most)}"
    with connection.cursor() as cursor:
        cursor.execute(whole, values)
        return [key for (key,) in cursor.fetchall()]
