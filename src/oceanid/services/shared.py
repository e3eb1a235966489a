"""The list of very many jobs that are shared with somebody: walked by the shares' own indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from oceanid.models import Job, JobShare
from oceanid.services import keyset, policy
from oceanid.services.asked import Asked
from oceanid.services.keyset import Page
from oceanid.services.sifting import (
    FEW,
    bounds,
    counted,
    created,
    filtered,
    leading,
    led,
    searched,
    user_id,
)

SECONDS = 1.5
"""How long is looked for jobs that filters leave."""
FIRST = 1000
MOST = 200_000
MOST_SORTED = 200
"""Of how many, the newest that match, an order other than by creation is made."""
ENDS = 2**63 - 1
MOST_GROUPS = 100
SIFTED = 20_000
"""So many rows are looked at one by one."""
SIFTED_BY_NAME = 2500
"""So many are, the first of everyone's by name, to find those that are shared."""


Sources = Sequence[QuerySet[Any]]
"""What shares jobs with a person, each a range of an index that ends in the job."""


def very_many(user: policy.Person) -> Sources | None:
    """What shares jobs with a person, when these are more than can be sorted for each page; else
    None: two queries."""
    sources = _sources(user)
    counts = counted(source.values("job_id")[: FEW + 1] for source in sources)
    return sources if sum(counts) > FEW else None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of shared jobs.

    Args:
        page: The rows.
        count: How many there are, up to a limit; None when they were not counted.
        is_more: Whether there are more than that.
        notice: That the looking was cut, or the sorting.
        searched_to: The token behind which a cut looking goes on.
    """

    page: Page[Job]
    count: int | None
    is_more: bool = False
    notice: str = ""
    searched_to: str = ""


def read(
    asked: Asked,
    user: policy.Person,
    sources: Sources,
    jobs: QuerySet[Job],
    shown: QuerySet[Job],
    *,
    size: int,
    most: int,
    until_id: int | None = None,
) -> Found:
    """Read a page of the jobs that are shared with somebody, when these are very many.

    A filter that leaves few of all jobs leads. Else they are gone through by their creation, and
    in any other order the newest that match are sorted.

    Args:
        asked: The address.
        user: Who reads.
        sources: What shares jobs with them.
        jobs: The jobs that count.
        shown: The same, with the columns that are wanted.
        size: How many rows a page has.
        most: How many are counted.
        until_id: The largest number that counts; None when all do.
    """
    is_part = bool(asked.q) and asked.match == "any"
    sifted = replace(asked, q="") if is_part else asked
    first_by = leading(replace(sifted, scope="mine"), Job.objects.all(), few=SIFTED)
    if first_by:
        few = led(replace(sifted, scope="all", user=""), jobs, user, first_by)
        few = few.filter(policy.is_shared_with(user, "pk"))
        if until_id is not None:
            few = few.filter(pk__lte=until_id)
        if asked.user:
            few = few.filter(user=user_id(asked, user))
        if is_part:
            few = few.filter(name__icontains=asked.q)
        found = list(few.order_by().values_list("pk", flat=True)[: most + 1])
        if len(found) <= most:
            few = Job.objects.filter(pk__in=found)  # found once, and not looked for again
        page = _page(asked, few, shown, size=size)
        return Found(page, min(len(found), most), len(found) > most)
    most_sorted = min(most, MOST_SORTED)
    if asked.q and not is_part and not asked.since:
        found = _first_by_name(asked, user, jobs, until_id, most=most_sorted + 1)
        if len(found) > most_sorted:
            return _sorted(asked, shown, found, size=size, most=most_sorted, by_name=True)
    if asked.sort_name == "created":
        walk = _Walk(asked, user, sources, shown, until_id)
        return _by_creation(asked, walk, shown, size=size, most=most)
    most = most_sorted
    walk = _Walk(asked, user, sources, jobs.only("pk"), until_id)
    rows = walk.rows(ascending=False, start=ENDS, most=most + 1)
    return _sorted(asked, shown, [job.pk for job in rows], size=size, most=most, is_cut=walk.is_cut)


def _first_by_name(
    asked: Asked, user: policy.Person, jobs: QuerySet[Job], until_id: int | None, *, most: int
) -> list[int]:
    """The first by name that begin so, as far as they are among the first of all such jobs."""
    first = searched(Asked(q=asked.q), Job.objects.all()).order_by("name_key", "id")
    begun = jobs.filter(pk__in=first.values("pk")[:SIFTED_BY_NAME])
    rows = _matching(replace(asked, q=""), begun, user)
    rows = created(rows, since=asked.since, until=asked.until)
    if until_id is not None:
        rows = rows.filter(pk__lte=until_id)
    shared = rows.filter(policy.is_shared_with(user, "pk")).order_by("name_key", "id")
    return list(shared.values_list("pk", flat=True)[:most])


def _sorted(
    asked: Asked,
    shown: QuerySet[Job],
    found: list[int],
    *,
    size: int,
    most: int,
    is_cut: bool = False,
    by_name: bool = False,
) -> Found:
    is_more, notice = len(found) > most, ""
    if is_more and asked.sort_name != "created":
        notice = (
            _("They are more than can be sorted: these are the first %(most)d by name.")
            if by_name
            else _("They are more than can be sorted: these are the newest %(most)d.")
        )
    elif is_cut:
        notice = _("The search stopped after a moment, among the newest jobs.")
    rows = _page(asked, Job.objects.filter(pk__in=found[:most]), shown, size=size)
    return Found(rows, min(len(found), most), is_more, notice % {"most": most} if notice else "")


def _page(asked: Asked, jobs: QuerySet[Job], shown: QuerySet[Job], *, size: int) -> Page[Job]:
    """A page of jobs that are sorted for it; what is shown is read of those on it alone."""
    order = replace(asked.order, by_index=False)
    light = jobs.only("pk", order.field)
    rows = keyset.page(light, order=order, place=asked.place, size=size)
    whole = shown.in_bulk([row.pk for row in rows.rows])
    return replace(rows, rows=[whole[row.pk] for row in rows.rows if row.pk in whole])


def _by_creation(asked: Asked, walk: _Walk, shown: QuerySet[Job], *, size: int, most: int) -> Found:
    order, place = asked.order, asked.place
    backward = bool(place.before) or (place.last and not place.after)
    ascending = order.descending is backward
    mark = keyset.tie_of(shown, order, place.before if backward else place.after)
    start = mark if mark is not None else (0 if ascending else ENDS)
    rows = walk.rows(ascending=ascending, start=start, most=size + 1)
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
    count, is_more = (None, False) if asked.is_filtered else (most, True)
    if not walk.is_cut:
        return Found(page, count, is_more)
    notice = _("The search stopped after a moment, at job %(id)d.") % {"id": walk.reached}
    further = "" if backward else keyset.token(Job(pk=walk.reached), order)
    return Found(page, count, is_more, notice, further)


class _Walk:
    """Goes through shared jobs by number, and keeps those that an address's filters leave."""

    def __init__(
        self,
        asked: Asked,
        user: policy.Person,
        sources: Sources,
        jobs: QuerySet[Job],
        until_id: int | None,
    ) -> None:
        self._sources = sources
        low, high = bounds(asked.since, asked.until)
        self._low, self._high = low or 0, high if high is not None else ENDS
        if until_id is not None:
            self._high = min(self._high, until_id + 1)
        self._matching = _matching(asked, jobs, user)
        self.reached = 0
        self.is_cut = False

    def rows(self, *, ascending: bool, start: int, most: int) -> list[Job]:
        """The first that match behind a number; fewer when the time is up: then it ``is_cut``."""
        found: list[Job] = []
        end, size = monotonic() + SECONDS, FIRST
        start = max(start, self._low - 1) if ascending else min(start, self._high)
        matching = self._matching.filter(pk__gte=self._low, pk__lt=self._high)
        while True:
            sql = _sql(self._sources, ascending=ascending, start=start, most=size)
            within = RawSQL(*sql)  # noqa: S611 - Django's own words, with its own values
            rows = matching.filter(pk__in=within).order_by("pk" if ascending else "-pk")
            found += rows[: most - len(found)]
            if len(found) >= most:
                return found
            sql = _sql(self._sources, ascending=ascending, start=start, most=1, passed=size - 1)
            edge = _numbers(*sql)
            if not edge or not self._low <= edge[0] < self._high:
                return found
            if monotonic() > end:
                self.is_cut, self.reached = True, edge[0]
                return found
            start, size = edge[0], min(MOST, size * 16)


def _matching(asked: Asked, jobs: QuerySet[Job], user: policy.Person) -> QuerySet[Job]:
    asked = replace(asked, since="", until="")
    jobs = filtered(asked, jobs, indexed=frozenset())
    if asked.user:
        jobs = jobs.filter(user=user_id(asked, user))
    if asked.q and asked.match == "any":
        return jobs.filter(Q(name__icontains=asked.q))
    return searched(asked, jobs, by_index=False)


def ids(user: policy.Person, *, ascending: bool, start: int, most: int) -> list[int]:
    """The shared jobs behind a number: two queries, as many rows from each index at most.

    Args:
        user: With whom they are shared.
        ascending: Whether the oldest comes first.
        start: The number behind which they are wanted.
        most: How many are enough.
    """
    return _numbers(*_sql(_sources(user), ascending=ascending, start=start, most=most))


def _numbers(sql: str, values: Sequence[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [key for (key,) in cursor.fetchall()]


def _sql(
    sources: Sources, *, ascending: bool, start: int, most: int, passed: int = 0
) -> tuple[str, list[Any]]:
    beyond = {"job_id__gt" if ascending else "job_id__lt": start}
    order = "job_id" if ascending else "-job_id"
    parts: list[str] = []
    values: list[Any] = []
    for source in sources:
        rows = source.filter(**beyond).order_by(order).values("job_id")[: most + passed]
        sql, given = rows.query.sql_with_params()
        # A part of a union can't be limited by itself, a table that is made of it can.
        parts.append(f"SELECT job_id FROM ({sql}) AS part")  # noqa: S608 - Django's own words
        values += given
    way = "ASC" if ascending else "DESC"
    whole = f"{' UNION '.join(parts)} ORDER BY 1 {way} LIMIT {int(most)} OFFSET {int(passed)}"
    return whole, values


def _sources(user: policy.Person) -> Sources:
    groups: Any = getattr(user, "groups", None)
    sources: list[QuerySet[Any]] = [JobShare.objects.filter(user=user.pk)]
    if groups is not None:
        for each in groups.order_by("pk").values_list("pk", flat=True)[:MOST_GROUPS]:
            sources.append(JobShare.objects.filter(group=each))
            sources.append(Job.groups.through.objects.filter(group=each))
    return sources
