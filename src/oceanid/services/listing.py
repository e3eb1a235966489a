"""The list of jobs as its address asks for it: scope, search, filters, order and place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from oceanid.models import Job, Scheduler
from oceanid.models.job import NAME_KEY_LENGTH
from oceanid.services import keyset, policy
from oceanid.services.keyset import Order, Place, Unindexed
from oceanid.states import JOB_ACTIVE, JobState

PAGE_SIZE = 50
COUNT_LIMIT = 1000
FEW = 4000
SEARCH_SECONDS = 1.5

SORTS: Mapping[str, Order] = {
    "name": Order("name_key"),
    "status": Order("state"),
    "created": Order("id", descending=True),
    "started": Order("start_time", descending=True, nullable=True),
    "ended": Order("completion_time", descending=True, nullable=True),
}
SCOPES = ("mine", "groups", "all")
ACTIVE = "active"
SINCE = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "24h": (_("Last 24 hours"), timedelta(days=1)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}
COLUMNS = (
    "id", "uuid", "type", "app", "name", "name_key", "user_id", "state",
    "custom_status", "status_message", "reason_code", "progress", "progress_message", "wanted",
    "creation_time", "execute_time", "start_time", "completion_time", "num_jobs", "attempt",
    "scheduler_id", "scheduler__name", "tasks_complete", "tasks_error", "tasks_aborted",
)  # fmt: skip


def columns() -> tuple[str, ...]:
    """What a list of jobs reads; what a user is called is the site's own user model's to say."""
    return (*COLUMNS, f"user__{get_user_model().USERNAME_FIELD}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a list of jobs says; each field is a parameter of that name.

    Args:
        scope: ``mine``, ``groups`` or ``all``.
        q: What is searched for.
        match: How: ``start`` (an id, or the beginning of a name) or ``any`` part of a name.
        status: A status word, or ``active``.
        app: An app's label.
        scheduler: A scheduler's name.
        since, until: When the job was created: a span as in SINCE, or a date.
        sort: A key of SORTS, behind a minus sign for the other direction.
        after, before, at: The place of the page: a row's token, or ``at=last``.
    """

    scope: str = "mine"
    q: str = ""
    match: str = "start"
    status: str = ""
    app: str = ""
    scheduler: str = ""
    since: str = ""
    until: str = ""
    sort: str = ""
    after: str = ""
    before: str = ""
    at: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """Read an address's parameters; what is not understood counts as not given."""
        names = [field.name for field in fields(cls)]
        # PostgreSQL takes no NUL in a text, so that nothing can have one.
        said = {name: given.get(name, "").replace("\0", "").strip()[:1000] for name in names}
        asked = cls(**{name: value for name, value in said.items() if value})
        if asked.scope not in SCOPES:
            asked = replace(asked, scope="mine")
        if asked.sort.lstrip("-") not in SORTS:
            asked = replace(asked, sort="")
        return asked

    def address(self, **changes: str) -> str:
        """The query string for this list with some parameters changed, from its first page on
        unless a place is given."""
        asked = replace(self, **({"after": "", "before": "", "at": ""} | changes))
        said = {
            field.name: getattr(asked, field.name)
            for field in fields(asked)
            if getattr(asked, field.name) not in ("", field.default)
        }
        return "?" + urlencode(said)

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the scope narrows the list."""
        return any((self.q, self.status, self.app, self.scheduler, self.since, self.until))

    @property
    def sort_name(self) -> str:
        """The key of SORTS; a search by the beginning of a name goes by name unless told."""
        if self.sort:
            return self.sort.lstrip("-")
        return "name" if self.q and self.match != "any" and not _identity(self.q) else "created"

    @property
    def order(self) -> Order:
        """The order of the rows."""
        order = SORTS[self.sort_name]
        if self.sort.startswith("-"):
            order = replace(order, descending=not order.descending)
        return order

    @property
    def place(self) -> Place:
        """Where the page is."""
        return Place(after=self.after, before=self.before, last=self.at == "last")


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


def read(asked: Asked, user: policy.Person) -> Listing:
    """Read the page of jobs that an address asks for.

    Raises:
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    scoped = _scope(asked, user)
    if asked.q and asked.match == "any":
        return _search_anywhere(asked, _filtered(asked, scoped, indexed=frozenset()))
    leading = _leading(asked, scoped)
    indexed = _ALL_INDEXED if asked.scope == "all" else _OWN_INDEXED
    matching = (
        _led(asked, scoped, user, leading)
        if leading
        else searched(asked, _filtered(asked, scoped, indexed=indexed))
    )
    jobs: QuerySet[Job]
    first = list(matching.order_by().values_list("pk", flat=True)[: COUNT_LIMIT + 1])
    few = len(first) <= COUNT_LIMIT
    by_index = False
    if asked.is_filtered and few:
        jobs = Job.objects.filter(pk__in=first)  # found once, and not looked for again
    elif leading:
        jobs = matching
    else:
        jobs, by_index = _many(asked, scoped, indexed)
    order = replace(asked.order, by_index=by_index)
    rows = keyset.page(_shown(jobs), order=order, place=asked.place, size=PAGE_SIZE)
    return Listing(rows.rows, rows.next, rows.previous, min(len(first), COUNT_LIMIT), not few)


def _many(
    asked: Asked, scoped: QuerySet[Job], indexed: frozenset[str]
) -> tuple[QuerySet[Job], bool]:
    """Jobs of which there are many, and whether to walk the index of their order."""
    gives_order = _filters_give_order(asked)
    indexed = indexed & _ordered_by(asked) if gives_order else frozenset()
    jobs = searched(asked, _filtered(asked, scoped, indexed=indexed))
    if asked.q and not _identity(asked.q) and asked.sort_name != "name":
        # Any other order than by name is that of the first matches: sorting a million is not.
        first = jobs.order_by("name_key", "id").values("pk")[:COUNT_LIMIT]
        return Job.objects.filter(pk__in=first), False
    return jobs, True


def _leading(asked: Asked, scoped: QuerySet[Job]) -> str:
    """The filter that alone leaves the fewest rows, when these are few; "" when none does.

    SQLite does not know which of several indexes leaves few rows, so it is found by counting.
    """
    names = [name for name in ("status", "app", "scheduler", "q") if getattr(asked, name)]
    is_own = asked.scope == "mine"
    if asked.scope == "groups" or _identity(asked.q) or len(names) + is_own < 2 or not names:
        return ""
    counts: dict[str, int] = {}
    for name in names:
        alone = Asked(**{name: getattr(asked, name)})
        # Apps and schedulers have indexes over everyone's jobs alone.
        base = scoped if name in ("status", "q") else Job.objects.all()
        found = searched(alone, _filtered(alone, base, indexed=frozenset({name})))
        counts[name] = found.order_by()[:FEW].values("pk").count()
    fewest = min(counts, key=counts.__getitem__)
    return fewest if counts[fewest] < FEW else ""


def _led(asked: Asked, scoped: QuerySet[Job], user: policy.Person, leading: str) -> QuerySet[Job]:
    """The few rows that one filter leaves by its index, sifted by the others."""
    if asked.scope == "mine" and leading in ("app", "scheduler"):
        scoped = _where(Job.objects.all(), "user_id", user.pk, by_index=False)
    jobs = _filtered(asked, scoped, indexed=frozenset({leading}))
    return searched(asked, jobs, by_index=leading == "q")


def rows(ids: list[int], user: policy.Person) -> list[Job]:
    """These jobs, as the list shows them, as far as a person may see them."""
    return list(_shown(policy.visible_jobs(user).filter(pk__in=ids)))


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


def _scope(asked: Asked, user: policy.Person) -> QuerySet[Job]:
    if asked.scope == "all":
        if not policy.sees_all(user):
            raise PermissionDenied(_("Only people with that permission see everyone's jobs."))
        return policy.visible_jobs(user)
    if asked.scope == "groups":
        return policy.group_jobs(user)
    return Job.objects.filter(user=user.pk)


def _shown(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("user", "scheduler").only(*columns())


_ALL_INDEXED = frozenset({"status", "app", "scheduler"})
_OWN_INDEXED = frozenset({"status"})


def _filters_give_order(asked: Asked) -> bool:
    """Whether an index of the filters' columns is in the order of the rows anyway."""
    if asked.sort_name != "created" or asked.q or asked.status == ACTIVE:
        return False
    return bool(asked.status or asked.app) if asked.scope == "all" else bool(asked.status)


def _ordered_by(asked: Asked) -> frozenset[str]:
    """The filters whose indexes are in that order: a scheduler's only together with a status."""
    return _ALL_INDEXED if asked.status else frozenset({"status", "app"})


def _filtered(asked: Asked, jobs: QuerySet[Job], *, indexed: frozenset[str]) -> QuerySet[Job]:
    """The filters; those in ``indexed`` may be answered from an index of their column."""
    by_status = "status" in indexed
    if asked.status == ACTIVE:
        jobs = _where(jobs, "state__in", [s.value for s in JOB_ACTIVE], by_index=by_status)
    elif asked.status:
        state = JobState.of_word(asked.status)
        if state is None:
            jobs = jobs.filter(custom_status=asked.status)
            state = JobState.OTHER
        jobs = _where(jobs, "state", state.value, by_index=by_status)
    if asked.app:
        jobs = _where(jobs, "app", asked.app, by_index="app" in indexed)
    if asked.scheduler:
        found = Scheduler.objects.filter(name=asked.scheduler).values_list("pk", flat=True)
        jobs = _where(jobs, "scheduler_id", found.first(), by_index="scheduler" in indexed)
    return created(jobs, since=asked.since, until=asked.until)


def created(jobs: QuerySet[Job], *, since: str, until: str) -> QuerySet[Job]:
    """Those that were created in a time, each bound a span as in SINCE, a date, or ""."""
    begin, end = _moment(since, end=False), _moment(until, end=True)
    if begin is not None:
        jobs = jobs.filter(pk__gte=_first_id_from(begin))
    if end is not None:
        jobs = jobs.filter(pk__lt=_first_id_from(end))
    return jobs


def _first_id_from(moment: datetime) -> int:
    """The first job's id from a moment on: ids grow with time, so it bounds every index that
    ends in the id."""
    later = Job.objects.filter(creation_time__gte=moment).order_by("creation_time", "id")
    first = later.values_list("pk", flat=True).first()
    return first if first is not None else 2**63 - 1


def _where(jobs: QuerySet[Job], lookup: str, value: Any, *, by_index: bool) -> QuerySet[Job]:
    if by_index:
        return jobs.filter(**{lookup: value})
    name, _found, operation = lookup.partition("__")
    alias = f"plain_{name}"
    tail = f"__{operation}" if operation else ""
    return jobs.alias(**{alias: Unindexed(F(name))}).filter(**{f"{alias}{tail}": value})


def searched(asked: Asked, jobs: QuerySet[Job], *, by_index: bool = True) -> QuerySet[Job]:
    """Those with this number or identity, or whose name begins so, in any case of its letters."""
    if not asked.q:
        return jobs
    identity = _identity(asked.q)
    if isinstance(identity, UUID):
        return jobs.filter(uuid=identity)
    if identity is not None:
        return jobs.filter(pk=identity)
    start = asked.q.casefold()[:NAME_KEY_LENGTH]
    jobs = _where(jobs, "name_key__gte", start, by_index=by_index)
    end = _beyond(start)
    return _where(jobs, "name_key__lt", end, by_index=by_index) if end else jobs


def _identity(text: str) -> int | UUID | None:
    if re.fullmatch(r"#?[0-9]{1,18}", text):
        return int(text.lstrip("#"))
    if re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text):
        return UUID(text)
    return None


def _beyond(start: str) -> str:
    """The smallest text, in byte order, that is behind everything that begins so."""
    for position in range(len(start) - 1, -1, -1):
        code = ord(start[position])
        if code < 0x10FFFF:
            code = 0xE000 if code == 0xD7FF else code + 1  # no lone surrogates in between
            return start[:position] + chr(code)
    return ""


def _search_anywhere(asked: Asked, jobs: QuerySet[Job]) -> Listing:
    """Look for a part of a name from the newest job on, until the page is full or the time up."""
    begun, window = monotonic(), 20_000
    newest = Job.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    upper = int(asked.after) - 1 if asked.after.isdecimal() and len(asked.after) < 19 else newest
    matching = _shown(jobs.filter(Q(name__icontains=asked.q))).order_by("-id")
    found: list[Job] = []
    while upper > 0 and len(found) < PAGE_SIZE:
        looked = monotonic()
        lower = max(0, upper - window)
        batch = matching.filter(pk__gt=lower, pk__lte=upper)[: PAGE_SIZE - len(found)]
        found += batch
        upper = found[-1].pk - 1 if len(found) >= PAGE_SIZE else lower
        if monotonic() - begun > SEARCH_SECONDS:
            break
        if monotonic() - looked < SEARCH_SECONDS / 20:
            window *= 2
    notice = ""
    if upper > 0 and len(found) < PAGE_SIZE:
        notice = str(_("The search stopped after a moment, at job %(id)d.") % {"id": upper + 1})
    go_on = str(upper + 1) if upper > 0 else ""
    return Listing(found, "", "", None, notice=notice, searched_to=go_on)


def _moment(text: str, *, end: bool) -> datetime | None:
    if text in SINCE:
        return timezone.now() - SINCE[text][1]
    try:
        moment = parse_datetime(text) if "T" in text else None
        day = parse_date(text) if moment is None else None
    except ValueError:
        return None
    if day is not None:
        moment = datetime(day.year, day.month, day.day)
        moment += timedelta(days=1) if end and day.year < 9999 else timedelta()
    if moment is None:
        return None
    if timezone.is_aware(moment):
        return moment
    try:
        return timezone.make_aware(moment)
    except (OverflowError, ValueError):
        return None
