"""The list of very many jobs that are shared with somebody: walked by the shares' own indexes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from oceanid.models import Job, JobShare
from oceanid.services import keyset, policy
from oceanid.services.asked import ACTIVE, Asked
from oceanid.services.keyset import Page
from oceanid.services.sifting import (
    FEW,
    counted,
    covering,
    created,
    fewest,
    filtered,
    known_of,
    led,
    searched,
    user_id,
)
from oceanid.services.walks import ByNumber, InOrder, Sources, fulfilling, named, numbers, sql_of
from oceanid.states import JOB_ACTIVE, JobState

MOST_SORTED = 200
"""Of how many, the newest that match, an order other than by creation is made."""
ENDS = 2**63 - 1
MOST_GROUPS = 100
MUCH = 15_000
"""Of so many shares one is soon found by going through everyone's jobs."""
SIFTED_BY_NAME = 2500
"""So many are, the first of everyone's by name, to find those that are shared."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What shares jobs with a person.

    Args:
        sources: Rows that name the jobs.
        count: How many, a job twice that is shared twice; of very many at least so many.
    """

    sources: Sources
    count: int

    @property
    def are_very_many(self) -> bool:
        """Whether the jobs are more than can be sorted for each page."""
        return self.count > FEW

    def numbers(self) -> list[int]:
        """The numbers of the jobs, when these are not very many."""
        return numbers(*sql_of(self.sources, ascending=True, start=0, most=FEW))


def shares_of(user: policy.Person) -> Shares | None:
    """What shares jobs with a person; None for somebody with whom nothing can be shared."""
    if not user.is_authenticated or not user.is_active:
        return None
    groups: Any = getattr(user, "groups", None)
    found: list[QuerySet[Any]] = [JobShare.objects.filter(user=user.pk)]
    if groups is not None:
        for each in groups.order_by("pk").values_list("pk", flat=True)[:MOST_GROUPS]:
            found.append(JobShare.objects.filter(group=each))
            found.append(Job.groups.through.objects.filter(group=each))
    most = max(FEW + 1, min(MUCH, 3 * MUCH // len(found)))
    return Shares(found, sum(counted(source.values("job_id")[:most] for source in found)))


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
    shares: Shares,
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
        shares: What shares jobs with them.
        jobs: The jobs that count.
        shown: The same, with the columns that are wanted.
        size: How many rows a page has.
        most: How many are counted.
        until_id: The largest number that counts; None when all do.
    """
    is_part = bool(asked.q) and asked.match == "any"
    sifted = replace(asked, q="") if is_part else asked
    is_by_name = bool(asked.q) and not is_part
    lead = fewest(sifted, Job.objects.all(), of_everyone=True, few=FEW)
    if lead:
        few = led(replace(sifted, scope="all", user=""), jobs, user, lead)
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
        page = keyset.sorted_page(few, shown, order=asked.order, place=asked.place, size=size)
        return Found(page, min(len(found), most), len(found) > most)
    if is_by_name and asked.sort_name == "name":
        return _by_name(asked, user, jobs, shown, until_id, size=size)
    most_sorted = min(most, MOST_SORTED)
    if is_by_name and not asked.since:
        found = _first_by_name(asked, user, jobs, until_id, most=most_sorted + 1)
        if len(found) > most_sorted:
            return _sorted(asked, shown, found, size=size, most=most_sorted, by_name=True)
    if asked.sort_name == "created":
        walk = _walk(asked, user, shares, jobs, until_id, most=size + 1)
        return _by_creation(asked, walk, shown, size=size, most=most)
    most = most_sorted
    walk = _walk(asked, user, shares, jobs, until_id, most=most + 1)
    ids = walk.numbers(ascending=False, start=ENDS, most=most + 1)
    return _sorted(asked, shown, ids, size=size, most=most, is_cut=walk.is_cut)


def _walk(
    asked: Asked,
    user: policy.Person,
    shares: Shares,
    jobs: QuerySet[Job],
    until_id: int | None,
    *,
    most: int,
) -> ByNumber:
    """The way through the shared jobs; or through those that the filters leave of everyone's, to
    see which are shared."""
    low, high = _range(asked, until_id)
    ranges = _ranges(asked)
    if not ranges or not _is_much_shared(shares, most):
        return ByNumber(shares.sources, _matching(asked, jobs, user), low=low, high=high)
    rest = replace(asked, status="", app="", scheduler="")
    matching = _matching(rest, jobs, user)
    return ByNumber(
        ranges,
        matching if matching.query.where else None,
        low=low,
        high=high,
        column="id",
        condition=policy.is_shared_sql(user, "part.id"),
    )


def _ranges(asked: Asked) -> Sources:
    """Everyone's jobs as filters leave them, each in the order of the numbers; none when no index
    has them so."""
    alone = asked.only(("status", "app", "scheduler"), scope="all")
    indexed = covering(alone)
    if not indexed:
        return []
    if indexed == {"app"} or (alone.status and alone.status != ACTIVE):
        return [filtered(alone, Job.objects.all(), indexed=indexed)]
    rest = filtered(replace(alone, status=""), Job.objects.all(), indexed=indexed)
    states = JOB_ACTIVE if alone.status else JobState
    return [rest.filter(state=state.value) for state in sorted(states)]


def _is_much_shared(shares: Shares, most: int) -> bool:
    """Whether fewer of everyone's jobs than all that are shared must be looked at, to find so
    many that are shared: as many of the newest are taken to be shared as of all."""
    if shares.count >= MUCH:
        return True
    newest = Job.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    return shares.count >= isqrt(most * newest)


def _range(asked: Asked, until_id: int | None) -> tuple[int, int]:
    """The smallest number that counts, and the first that is too large."""
    known = asked.known or known_of(asked)
    high = known.end if known.end is not None else ENDS
    return known.begin or 0, high if until_id is None else min(high, until_id + 1)


def _by_name(
    asked: Asked,
    user: policy.Person,
    jobs: QuerySet[Job],
    shown: QuerySet[Job],
    until_id: int | None,
    *,
    size: int,
) -> Found:
    """A page of those whose names begin so, gone through as an index has them."""
    order, backward = asked.order, asked.place.is_backward
    start = keyset.mark_of(shown, order, asked.place.token)
    low, high = _range(asked, until_id)
    walk = InOrder(
        _named(asked).filter(pk__gte=low, pk__lt=high),
        _matching(replace(asked, q=""), jobs, user),
        order,
        policy.is_shared_sql(user, "part.id"),
    )
    ids = walk.numbers(start=start, backward=backward, most=size + 1)
    page = keyset.turned(
        keyset.whole(ids, shown), order,
        size=size, backward=backward, is_within=start is not None, reached=walk.reached,
    )  # fmt: skip
    if walk.reached is None:
        is_whole = start is None and len(ids) <= size
        return Found(page, len(ids) if is_whole else None)
    notice = _("The search stopped after a moment, at “%(name)s”.")
    notice %= {"name": walk.reached.name_key}
    further = "" if backward else keyset.token(walk.reached, order)
    return Found(page, None, False, notice, further)


def _named(asked: Asked) -> QuerySet[Job]:
    """Everyone's jobs as filters leave them, as an index has them by name."""
    alone = asked.only(("status", "app", "scheduler", "q"), scope="all")
    return searched(alone, filtered(alone, Job.objects.all(), indexed=covering(alone)))


def _first_by_name(
    asked: Asked, user: policy.Person, jobs: QuerySet[Job], until_id: int | None, *, most: int
) -> list[int]:
    """The first by name that match, as far as they are among the first of everyone's."""
    first = _named(asked).order_by("name_key", "id").values("id")
    begun, values = first[:SIFTED_BY_NAME].query.sql_with_params()
    shared = fulfilling(begun, values, policy.is_shared_sql(user, "part.id"))
    rows = _matching(replace(asked, q=""), named(jobs, *shared), user)
    rows = created(rows, asked)
    if until_id is not None:
        rows = rows.filter(pk__lte=until_id)
    return list(rows.order_by("name_key", "id").values_list("pk", flat=True)[:most])


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
        notice = cut(most, by_name=by_name)
    elif is_cut:
        notice = _("The search stopped after a moment, among the newest jobs.")
    first = Job.objects.filter(pk__in=found[:most])
    rows = keyset.sorted_page(first, shown, order=asked.order, place=asked.place, size=size)
    return Found(rows, min(len(found), most), is_more, notice)


def cut(most: int, *, by_name: bool) -> str:
    """That only some of the jobs are shown in the order that was asked for, and which."""
    told = (
        _("They are more than can be sorted: these are the first %(most)d by name.")
        if by_name
        else _("They are more than can be sorted: these are the newest %(most)d.")
    )
    return told % {"most": most}


def _by_creation(
    asked: Asked, walk: ByNumber, shown: QuerySet[Job], *, size: int, most: int
) -> Found:
    order, place = asked.order, asked.place
    backward = place.is_backward
    ascending = order.descending is backward
    mark = keyset.tie_of(shown, order, place.token)
    start = mark if mark is not None else (0 if ascending else ENDS)
    ids = walk.numbers(ascending=ascending, start=start, most=size + 1)
    reached = Job(pk=walk.reached) if walk.is_cut else None
    page = keyset.turned(
        keyset.whole(ids, shown), order,
        size=size, backward=backward, is_within=mark is not None, reached=reached,
    )  # fmt: skip
    count, is_more = (None, False) if asked.is_filtered else (most, True)
    if reached is None:
        return Found(page, count, is_more)
    notice = _("The search stopped after a moment, at job %(id)d.") % {"id": walk.reached}
    return Found(page, count, is_more, notice, "" if backward else keyset.token(reached, order))


def _matching(asked: Asked, jobs: QuerySet[Job], user: policy.Person) -> QuerySet[Job]:
    asked = replace(asked, since="", until="")
    jobs = filtered(asked, jobs, indexed=frozenset())
    if asked.user:
        jobs = jobs.filter(user=user_id(asked, user))
    if asked.q and asked.match == "any":
        return jobs.filter(Q(name__icontains=asked.q))
    return searched(asked, jobs, by_index=False)
