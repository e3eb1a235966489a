"""The list of jobs as its address asks for it: scope, search, filters, order and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import F, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from oceanid.models import Job
from oceanid.services import keyset, policy, shared
from oceanid.services.asked import ACTIVE, Asked, identity, is_text
from oceanid.services.columns import Column
from oceanid.services.keyset import Unindexed
from oceanid.services.sifting import filtered, is_often, leading, led, searched, user_id
from oceanid.services.walks import Sources
from oceanid.states import JobState

PAGE_SIZE = 50
COUNT_LIMIT = 1000
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
    """

    jobs: QuerySet[Job]
    by_index: bool = False
    notice: str = ""


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
    is_one = identity(asked.q) is not None
    sources = shared.sources(user) if asked.scope == "groups" and not is_one else None
    if sources is not None and shared.are_very_many(sources):
        every = reading.narrowed(Job.objects.all())
        found = shared.read(
            asked, user, sources, every, _shown(every, asked, reading),
            size=reading.size, most=COUNT_LIMIT, until_id=until_id,
        )  # fmt: skip
        rows = found.page
        return Listing(
            rows.rows, rows.next, rows.previous, found.count, found.is_more,
            found.notice, found.searched_to,
        )  # fmt: skip
    scoped = scope(asked, user, sources=sources)
    if until_id is not None:
        scoped = scoped.filter(pk__lte=until_id)
    if asked.q and asked.match == "any":
        return _search_anywhere(asked, filtered(asked, scoped, indexed=frozenset()))
    first_by = leading(asked, scoped)
    indexed = frozenset() if first_by else _indexed(asked)
    by_name = not first_by and _is_by_name(asked, indexed)
    matching = reading.narrowed(_matching(asked, scoped, user, first_by, indexed))
    ids = matching.order_by(*(BY_NAME if by_name else ())).values_list("pk", flat=True)
    first = list(ids[: COUNT_LIMIT + 1])
    few = len(first) <= COUNT_LIMIT
    if by_name:
        many = _first_by_name(first)
    elif few and (asked.is_filtered or asked.scope == "groups"):
        many = Many(Job.objects.filter(pk__in=first))  # found once, and not looked for again
    elif first_by:
        many = Many(matching)
    else:
        many = _many(asked, reading.narrowed(scoped), indexed)
    order = replace(asked.order, by_index=many.by_index)
    jobs = _shown(many.jobs, asked, reading)
    rows = keyset.page(jobs, order=order, place=asked.place, size=reading.size)
    count = min(len(first), COUNT_LIMIT)
    return Listing(rows.rows, rows.next, rows.previous, count, not few, many.notice)


def few_ids(asked: Asked, user: policy.Person) -> list[int] | None:
    """The numbers of all the jobs of an address, when these are at most COUNT_LIMIT; else None.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    is_one = identity(asked.q) is not None
    sources = shared.sources(user) if asked.scope == "groups" and not is_one else None
    if sources is not None and shared.are_very_many(sources):
        return None
    scoped = scope(asked, user, sources=sources)
    if asked.q and asked.match == "any":
        return None
    first_by = leading(asked, scoped)
    indexed = frozenset() if first_by else _indexed(asked)
    matching = _matching(asked, scoped, user, first_by, indexed)
    found = list(matching.order_by().values_list("pk", flat=True)[: COUNT_LIMIT + 1])
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
    asked: Asked,
    scoped: QuerySet[Job],
    user: policy.Person,
    first_by: frozenset[str],
    indexed: frozenset[str],
) -> QuerySet[Job]:
    if first_by:
        return led(asked, scoped, user, first_by)
    by_index = asked.scope != "groups"
    return searched(asked, filtered(asked, scoped, indexed=indexed), by_index=by_index)


def _many(asked: Asked, scoped: QuerySet[Job], indexed: frozenset[str]) -> Many:
    by_index = asked.scope != "groups"
    narrow = indexed if _is_by_name(asked, indexed) else indexed & _ordered_by(asked)
    jobs = searched(asked, filtered(asked, scoped, indexed=narrow), by_index=by_index)
    if not is_text(asked.q) or asked.sort_name == "name":
        return Many(jobs, by_index)
    ids = jobs.order_by(*BY_NAME).values_list("pk", flat=True)
    return _first_by_name(list(ids[: COUNT_LIMIT + 1]))


def _first_by_name(ids: list[int]) -> Many:
    """Any other order than by name is that of the first matches: sorting a million is not."""
    notice = shared.cut(COUNT_LIMIT, by_name=True) if len(ids) > COUNT_LIMIT else ""
    return Many(Job.objects.filter(pk__in=ids[:COUNT_LIMIT]), notice=notice)


def _is_by_name(asked: Asked, indexed: frozenset[str]) -> bool:
    """Whether the first matches by name are what is shown, and an index has them in that order."""
    by_place = asked.scheduler and "scheduler" in indexed
    in_order = asked.status != ACTIVE and not by_place and asked.scope != "groups"
    return is_text(asked.q) and asked.sort_name != "name" and in_order


def newest_first(asked: Asked, scoped: QuerySet[Job], user: policy.Person) -> Many:
    """The jobs of an address, the newest first, for a list that makes pages by itself.

    Of very many that begin with a text these are the first by name, as in the list of jobs.
    """
    asked = replace(asked, sort="created")
    if asked.user:
        scoped = scoped.filter(user=user_id(asked, user))
    first_by = leading(asked, scoped)
    if first_by:
        many = Many(led(asked, scoped, user, first_by))
    else:
        many = _many(asked, scoped, _indexed(asked))
    newest = "-id" if many.by_index else Unindexed(F("id")).desc()
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
    jobs = _shown(policy.visible_jobs(user).filter(pk__in=ids), asked)
    order = replace(Asked().order, by_index=False)
    found = keyset.page(jobs, order=order, place=asked.place, size=PAGE_SIZE)
    return Listing(found.rows, found.next, found.previous, len(ids))


_APPS = """
WITH RECURSIVE seen(app) AS (
    SELECT MIN(app) FROM oceanid_job
    UNION ALL
    SELECT (SELECT MIN(app) FROM oceanid_job WHERE app > seen.app) FROM seen
    WHERE seen.app IS NOT NULL
)
SELECT app FROM seen WHERE app IS NOT NULL AND app <> '' LIMIT 200
"""


def apps() -> list[str]:
    """Every app that has a job, found by hopping along the index, not by reading it."""
    with connection.cursor() as cursor:
        cursor.execute(_APPS)
        return [row[0] for row in cursor.fetchall()]


def scope(
    asked: Asked,
    user: policy.Person,
    *,
    by_lookup: bool = False,
    sources: Sources | None = None,
) -> QuerySet[Job]:
    """The jobs of the address's scope, and of its user when it names one.

    Args:
        asked: What the address says.
        user: Who looks.
        by_lookup: Whether few jobs will be asked for, so that shares are looked up for each.
        sources: What shares jobs with the person, when these are few: they are read at once, for
            PostgreSQL takes them for many and would look for them among all.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    if asked.scope == "mine":
        return Job.objects.filter(user=user.pk)
    if asked.scope == "groups":
        jobs = policy.group_jobs(user)
        if sources is not None:
            jobs = Job.objects.filter(pk__in=shared.few_of(sources))
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


_ALL_INDEXED = frozenset({"status", "app", "scheduler"})
_OWN_INDEXED = frozenset({"status"})


def _indexed(asked: Asked) -> frozenset[str]:
    if asked.scope == "groups" or (asked.is_of_one and is_text(asked.q)):
        return frozenset()  # a person's names that begin so are fewer than their common status
    if asked.is_of_one:
        return _OWN_INDEXED
    if asked.scheduler and is_text(asked.q) and is_often(asked):
        return _ALL_INDEXED - {"scheduler"}  # whose index is not by name as well
    return _ALL_INDEXED


def _ordered_by(asked: Asked) -> frozenset[str]:
    """The filters with an index of their columns that is in the order of the rows anyway: a
    scheduler's only together with a status."""
    is_active, of_everyone = asked.status == ACTIVE, asked.scope == "all" and not asked.user
    if asked.sort_name == "name" and of_everyone:
        is_by_status = asked.status and not is_active
        if asked.app and (not is_by_status or asked.status == JobState.COMPLETE.word):
            return frozenset({"app"})
        return frozenset({"status"}) if is_by_status else frozenset()
    if asked.sort_name != "created" or asked.q or is_active:
        return frozenset()
    if asked.status:
        return _ALL_INDEXED
    return frozenset({"app"}) if of_everyone else frozenset()


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
