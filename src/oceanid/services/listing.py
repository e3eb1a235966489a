"""The list of jobs as its address asks for it: scope, search, filters, order and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from oceanid.models import Job
from oceanid.services import keyset, policy, shared
from oceanid.services.asked import Asked, identity, is_text
from oceanid.services.columns import Column
from oceanid.services.keyset import Fenced
from oceanid.services.sifting import (
    WALKED,
    covering,
    filtered,
    in_order,
    known_of,
    leading,
    led,
    searched,
    user_id,
)
from oceanid.services.walks import InOrder, named

PAGE_SIZE = 50
COUNT_LIMIT = 1000
LOOKED_AT = 2500
"""More are looked for among so many that an index of all has in order, and must fill a page."""
BY_NAME = ("name_key", "id")

SEARCH_SECONDS = 1.5

COLUMNS = (
    "id", "uuid", "type", "app", "name", "name_key", "user_id", "state",
    "custom_status", "status_message", "reason_code", "progress", "progress_message", "wanted",
    "creation_time", "execute_time", "start_time", "completion_time", "num_jobs", "attempt",
    "scheduler_id", "scheduler__name", "tasks_held", "tasks_complete", "tasks_error",
    "tasks_aborted",
)  # fmt: skip


def columns(shown: Sequence[Column] = ()) -> tuple[str, ...]:
    """What a list of jobs reads; what a user is called is the site's own user model's to say."""
    more = {name: None for column in shown for name in column.reads}
    return (*COLUMNS, f"user__{get_user_model().USERNAME_FIELD}", *more)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of jobs and what is said around it.

    Args:
        jobs: The rows.
        next, previous: Tokens of the neighbouring pages.
        count: How many there are, up to COUNT_LIMIT.
        is_more: Whether there are more than that.
        notice: What the reader should know: that a search was cut, and where.
        searched_to: The token behind which a cut search goes on.
    """

    jobs: list[Job]
    next: str
    previous: str
    count: int | None
    is_more: bool = False
    notice: str = ""
    searched_to: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a list is read where it is not the list of jobs.

    Args:
        size: How many rows a page has.
        narrowed: Further filters.
        more: Fields that are read besides those of every list; None for all there are.
    """

    size: int = PAGE_SIZE
    narrowed: Callable[[QuerySet[Job]], QuerySet[Job]] = lambda jobs: jobs
    more: tuple[str, ...] | None = ()


USUAL = Reading()


@dataclass(frozen=True, slots=True)
class Many:
    """Jobs of which there are more than are counted.

    Args:
        jobs: They, or the first of them by name when that is how they were searched for.
        by_index: Whether the index of their order is walked.
        notice: That these are the first by name alone; "" when all are there.
        walk: The way through them when the index has not what the filters leave.
        first: The first ones on that way, more than a page of them.
    """

    jobs: QuerySet[Job]
    by_index: bool = False
    notice: str = ""
    walk: InOrder | None = None
    first: Sequence[int] = ()


def read(
    asked: Asked,
    user: policy.Person,
    *,
    until_id: int | None = None,
    reading: Reading = USUAL,
) -> Listing:
    """Read the page of jobs that an address asks for.

    Args:
        asked: What the address says.
        user: Who looks.
        until_id: The largest number that counts; None when all do.
        reading: How, where it is not for the list of jobs.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    asked = replace(asked, known=known_of(asked))
    is_one = identity(asked.q) is not None
    shares = shared.shares_of(user) if asked.scope == "groups" and not is_one else None
    if shares is not None and shares.are_very_many:
        every = reading.narrowed(Job.objects.all())
        found = shared.read(
            asked, user, shares, every, _shown(every, asked, reading),
            size=reading.size, most=COUNT_LIMIT, until_id=until_id,
        )  # fmt: skip
        rows = found.page
        return Listing(
            rows.rows, rows.next, rows.previous, found.count, found.is_more,
            found.notice, found.searched_to,
        )  # fmt: skip
    scoped = scope(asked, user, shares=shares)
    if until_id is not None:
        scoped = scoped.filter(pk__lte=until_id)
    if asked.q and asked.match == "any":
        return _search_anywhere(asked, filtered(asked, scoped, indexed=frozenset()))
    first_by = leading(asked, scoped)
    by_name = not first_by and _is_by_name(asked)
    matching = reading.narrowed(_matching(asked, scoped, user, first_by))
    ids = _numbers(matching, *(BY_NAME if by_name else ()))
    first = list(ids[: COUNT_LIMIT + 1])
    few = len(first) <= COUNT_LIMIT
    if by_name:
        many = _first_by_name(first)
    elif few and (asked.is_filtered or asked.scope == "groups"):
        many = Many(Job.objects.filter(pk__in=first))  # found once, and not looked for again
    elif first_by:
        many = Many(matching)
    else:
        many = _many(asked, scoped, reading.narrowed)
    size = reading.size
    if many.walk is not None:
        return _gone_through(asked, many.walk, many.first, reading)
    if many.by_index:
        jobs = _shown(many.jobs, asked, reading)
        rows = keyset.page(jobs, order=asked.order, place=asked.place, size=size)
    else:
        shown = _shown(Job.objects.all(), asked, reading)
        rows = keyset.sorted_page(
            many.jobs, shown, order=asked.order, place=asked.place, size=size
        )  # fmt: skip
    count = min(len(first), COUNT_LIMIT)
    return Listing(rows.rows, rows.next, rows.previous, count, not few, many.notice)


def few_ids(asked: Asked, user: policy.Person) -> list[int] | None:
    """The numbers of all the jobs of an address, when these are at most COUNT_LIMIT; else None.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    asked = replace(asked, known=known_of(asked))
    is_one = identity(asked.q) is not None
    shares = shared.shares_of(user) if asked.scope == "groups" and not is_one else None
    if shares is not None and shares.are_very_many:
        return None
    scoped = scope(asked, user, shares=shares)
    if asked.q and asked.match == "any":
        return None
    matching = _matching(asked, scoped, user, leading(asked, scoped))
    found = list(_numbers(matching)[: COUNT_LIMIT + 1])
    return sorted(found) if len(found) <= COUNT_LIMIT else None


def among(asked: Asked, user: policy.Person, *, after: int, until: int) -> QuerySet[Job]:
    """The jobs of an address with a number in a range, found by reading that range.

    For walking over all of them in portions: the work is bounded by the range.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    jobs = scope(asked, user, by_lookup=True).filter(pk__gt=after, pk__lte=until)
    jobs = filtered(asked, jobs, indexed=frozenset())
    if asked.q and asked.match == "any":
        return jobs.filter(name__icontains=asked.q)
    return searched(asked, jobs, by_index=False)


def _matching(
    asked: Asked, scoped: QuerySet[Job], user: policy.Person, first_by: frozenset[str]
) -> QuerySet[Job]:
    if first_by:
        return led(asked, scoped, user, first_by)
    jobs = filtered(asked, scoped, indexed=covering(asked))
    return searched(asked, jobs, by_index=asked.scope != "groups")


def _many(
    asked: Asked,
    scoped: QuerySet[Job],
    narrowed: Callable[[QuerySet[Job]], QuerySet[Job]] = USUAL.narrowed,
) -> Many:
    by_index = asked.scope != "groups"
    within = narrowed(scoped)
    if is_text(asked.q) and asked.sort_name != "name":
        matching = searched(asked, filtered(asked, within, indexed=covering(asked)))
        return _first_by_name(list(_numbers(matching, *BY_NAME)[: COUNT_LIMIT + 1]))
    jobs = searched(asked, filtered(asked, within, indexed=in_order(asked)), by_index=by_index)
    if by_index and _is_sorted(asked):
        every = narrowed(Job.objects.all())
        sifted = filtered(asked, every, indexed=frozenset(), column=Fenced)
        walk = InOrder(scoped, sifted, asked.order)
        often = walk.first(most=PAGE_SIZE + 1, among=LOOKED_AT)
        if len(often) > PAGE_SIZE:
            return Many(sifted, walk=walk, first=often)
        newest = filtered(asked, within, indexed=covering(asked))
        ids = _numbers(newest, "-id")[:COUNT_LIMIT]
        first = named(Job.objects.all(), *ids.query.sql_with_params())
        return Many(first, notice=shared.cut(COUNT_LIMIT, by_name=False))
    return Many(jobs, by_index)


def _gone_through(asked: Asked, walk: InOrder, first: Sequence[int], reading: Reading) -> Listing:
    """A page of jobs that are frequent in their order, where a long stretch may be without any."""
    order, place, size = asked.order, asked.place, reading.size
    backward = place.is_backward
    start = keyset.mark_of(Job.objects.all(), order, place.token)
    if start is None and not backward and size < len(first):
        ids = list(first[: size + 1])
    else:
        ids = walk.numbers(start=start, backward=backward, most=size + 1)
    rows = keyset.turned(
        keyset.whole(ids, _shown(Job.objects.all(), asked, reading)), order,
        size=size, backward=backward, is_within=start is not None, reached=walk.reached,
    )  # fmt: skip
    notice = further = ""
    if walk.reached is not None:
        notice = _("The search stopped after a moment, at job %(id)d.") % {"id": walk.reached.pk}
        further = "" if backward else keyset.token(walk.reached, order)
    return Listing(rows.rows, rows.next, rows.previous, COUNT_LIMIT, True, notice, further)


def _first_by_name(ids: list[int]) -> Many:
    """Any other order than by name is that of the first matches: sorting a million is not."""
    notice = shared.cut(COUNT_LIMIT, by_name=True) if len(ids) > COUNT_LIMIT else ""
    return Many(Job.objects.filter(pk__in=ids[:COUNT_LIMIT]), notice=notice)


def _is_by_name(asked: Asked) -> bool:
    """Whether the first matches by name are what is shown, and an index has them in that order."""
    return is_text(asked.q) and asked.sort_name != "name" and asked.scope != "groups"


def _is_sorted(asked: Asked) -> bool:
    """Whether what filters leave is in no index in the order that is asked for."""
    return asked.is_narrowed and asked.sort_name not in WALKED


def _numbers(jobs: QuerySet[Job], *order: str) -> QuerySet[Job, int]:
    return jobs.order_by(*order).values_list("pk", flat=True)


def newest_first(asked: Asked, scoped: QuerySet[Job], user: policy.Person) -> Many:
    """The jobs of an address, the newest first, for a list that makes pages by itself.

    Of very many that begin with a text these are the first by name, as in the list of jobs.
    """
    asked = replace(asked, sort="created", known=known_of(asked))
    if asked.user:
        scoped = scoped.filter(user=user_id(asked, user))
    first_by = leading(asked, scoped)
    many = Many(led(asked, scoped, user, first_by)) if first_by else _many(asked, scoped)
    newest = "-id" if many.by_index else Fenced(F("id")).desc()
    return replace(many, jobs=many.jobs.order_by(newest))


def rows(
    ids: list[int],
    user: policy.Person,
    asked: Asked | None = None,
    *,
    reading: Reading = USUAL,
) -> list[Job]:
    """These jobs, as the list shows them, as far as a person may see them."""
    visible = reading.narrowed(policy.visible_jobs(user).filter(pk__in=ids))
    return list(_shown(visible, asked or Asked(), reading))


def of_ids(ids: list[int], user: policy.Person, asked: Asked) -> Listing:
    """A page of certain jobs, as far as a person may see them, the newest first."""
    jobs = policy.visible_jobs(user).filter(pk__in=ids)
    shown = _shown(Job.objects.all(), asked)
    found = keyset.sorted_page(
        jobs, shown, order=Asked().order, place=asked.place, size=PAGE_SIZE
    )  # fmt: skip
    return Listing(found.rows, found.next, found.previous, len(ids))


def scope(
    asked: Asked,
    user: policy.Person,
    *,
    by_lookup: bool = False,
    shares: shared.Shares | None = None,
) -> QuerySet[Job]:
    """The jobs of the address's scope, and of its user when it names one.

    Args:
        asked: What the address says.
        user: Who looks.
        by_lookup: Whether few jobs will be asked for, so that shares are looked up for each.
        shares: What shares jobs with the person, when these are few: they are read at once, for
            PostgreSQL takes them for many and would look for them among all.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    if asked.scope == "mine":
        return Job.objects.filter(user=user.pk)
    if asked.scope == "groups":
        jobs = policy.group_jobs(user)
        if shares is not None:
            jobs = Job.objects.filter(pk__in=shares.numbers())
        elif by_lookup or identity(asked.q) is not None:
            jobs = policy.visible_jobs(user).filter(policy.is_shared_with(user, "pk"))
    elif policy.sees_all(user):
        jobs = policy.visible_jobs(user)
    else:
        raise PermissionDenied(_("Only people with that permission see everyone's jobs."))
    return jobs.filter(user=user_id(asked, user)) if asked.user else jobs


def _shown(jobs: QuerySet[Job], asked: Asked, reading: Reading = USUAL) -> QuerySet[Job]:
    jobs = jobs.select_related("user", "scheduler")
    return jobs if reading.more is None else jobs.only(*columns(asked.shown), *reading.more)


def _search_anywhere(asked: Asked, jobs: QuerySet[Job]) -> Listing:
    """Look for a part of a name from the newest job on, until the page is full or the time up."""
    begun, window = monotonic(), 20_000
    first = Job.objects.order_by("id").values("pk")[:1]
    ends = Job.objects.order_by("-id").annotate(first=Subquery(first)).values_list("pk", "first")
    newest, oldest = ends.first() or (0, 1)
    upper = int(asked.after) - 1 if asked.after.isdecimal() and len(asked.after) < 19 else newest
    matching = _shown(jobs.filter(Q(name__icontains=asked.q)), asked).order_by("-id")
    found: list[Job] = []
    while upper >= oldest and len(found) < PAGE_SIZE:
        looked = monotonic()
        lower = max(oldest - 1, upper - window)
        batch = matching.filter(pk__gt=lower, pk__lte=upper)[: PAGE_SIZE - len(found)]
        found += batch
        upper = found[-1].pk - 1 if len(found) >= PAGE_SIZE else lower
        if monotonic() - begun > SEARCH_SECONDS:
            break
        if monotonic() - looked < SEARCH_SECONDS / 20:
            window *= 2
    notice = ""
    if upper >= oldest and len(found) < PAGE_SIZE:
        notice = str(_("The search stopped after a moment, at job %(id)d.") % {"id": upper + 1})
    go_on = str(upper + 1) if upper >= oldest else ""
    return Listing(found, "", "", None, notice=notice, searched_to=go_on)
