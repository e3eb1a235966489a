"""Which jobs filters leave, each read by the index that leaves few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from oceanid.models import Job, Scheduler
from oceanid.models.job import NAME_KEY_LENGTH
from oceanid.services import policy
from oceanid.services.asked import ACTIVE, NO_PLACE, SINCE, Asked, Known, identity
from oceanid.services.keyset import Fenced, Unindexed
from oceanid.states import JOB_ACTIVE, JobState

FEW = 4000
FEW_OWN = 10_000
"""So few of one's own are sifted row by row, of those that no index has all filters of."""

WALKED = ("created", "name", "status")
"""Orders in which an index has also what filters leave."""

_PAIRS = (("status", "app"), ("status", "scheduler"), ("status", "q"), ("app", "q"))
"""Filters that one index over everyone's jobs answers together."""


def covering(asked: Asked) -> frozenset[str]:
    """The filters that name the index which has all the others' columns too, so that no row is
    read to be sifted; of one's own names, their status is in no index."""
    names = _given(asked)
    if asked.scope == "groups":
        return frozenset()
    if asked.is_of_one:
        return frozenset(names) & {"q"} or frozenset({"status"})
    if "q" in names:
        return frozenset({"q", *names[:1]} - {"scheduler"})
    return frozenset(names[:2] if "status" in names else names[:1])


def in_order(asked: Asked) -> frozenset[str]:
    """The same, of an index that is in the order of the rows; what is active has several statuses,
    and a scheduler's jobs are in the order of their creation only within one."""
    if asked.scope == "groups" or asked.sort_name not in WALKED:
        return frozenset()
    is_of_a_status = asked.status not in ("", ACTIVE)
    if asked.sort_name == "name":
        of_everyone = frozenset({"status"} if is_of_a_status else {"app"})
        return frozenset() if asked.is_of_one else of_everyone
    if asked.sort_name == "status" or is_of_a_status:
        return covering(replace(asked, q=""))
    return frozenset() if asked.is_of_one else frozenset({"app"})


def leading(asked: Asked, scoped: QuerySet[Job]) -> frozenset[str]:
    """The filters that by an index leave the fewest rows, when these are few; none when none do.

    SQLite does not know which of several indexes leaves few rows, so it is found by counting.
    """
    names = _given(asked)
    if asked.scope == "groups" or len(names) + asked.is_of_one < 2 or not names:
        return frozenset()
    more = {"status": FEW_OWN} if asked.is_of_one and "q" in names else {}
    return fewest(asked, scoped, of_everyone=not asked.is_of_one, more=more)


def fewest(
    asked: Asked,
    scoped: QuerySet[Job],
    *,
    of_everyone: bool,
    few: int = FEW,
    more: Mapping[str, int] = MappingProxyType({}),
) -> frozenset[str]:
    """The same, also for one filter alone.

    Args:
        asked: The filters.
        scoped: The jobs that they narrow.
        of_everyone: Whether these are everyone's, so that the indexes of two filters serve.
        few: How many rows are too many to lead.
        more: How many are for a certain filter alone.
    """
    names = _given(asked)
    pairs = [each for each in _PAIRS if of_everyone and set(each) <= set(names)]
    paired = {name for pair in pairs for name in pair}
    parts: dict[frozenset[str], QuerySet[Any, Any]] = {}
    limits: list[int] = []
    for each in [*pairs, *((name,) for name in names if name not in paired)]:
        alone = asked.only(each)
        # Apps and schedulers have indexes over everyone's jobs alone.
        base = scoped if set(each) <= {"status", "q"} else Job.objects.all()
        found = searched(alone, filtered(alone, base, indexed=frozenset(each)))
        limits.append(more.get(each[0], few) if len(each) == 1 else few)
        parts[frozenset(each)] = found.order_by().values("pk")[: limits[-1]]
    if not parts:
        return frozenset()
    counts = zip(parts, counted(parts.values()), limits, strict=True)
    leads = {each: count for each, count, limit in counts if count < limit}
    return min(leads, key=leads.__getitem__, default=frozenset())


def _given(asked: Asked) -> list[str]:
    if identity(asked.q):
        return []
    return [name for name in ("status", "app", "scheduler", "q") if getattr(asked, name)]


def counted(parts: Iterable[QuerySet[Any, Any]]) -> Sequence[int]:
    """How many rows each of some bounded queries gives: one query."""
    counts: list[str] = []
    values: list[Any] = []
    for part in parts:
        try:
            sql, given = part.query.sql_with_params()
        except EmptyResultSet:
            counts.append("0")
            continue
        counts.append(f"(SELECT COUNT(*) FROM ({sql}) AS part)")  # noqa: S608 - Django's own words
        values += given
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        return list(map(int, cursor.fetchone()))


def led(
    asked: Asked, scoped: QuerySet[Job], user: policy.Person, leading: frozenset[str]
) -> QuerySet[Job]:
    """The few rows that some filters leave by their index, sifted by the others."""
    if asked.is_of_one and leading & {"app", "scheduler"}:
        person = user_id(asked, user)
        scoped = where(Job.objects.all(), "user_id", person, by_index=False, column=Fenced)
    jobs = filtered(asked, scoped, indexed=leading, column=Fenced)
    return searched(asked, jobs, by_index="q" in leading, column=Fenced)


def user_id(asked: Asked, user: policy.Person) -> Any:
    """The key of the one person whose jobs are meant; None when there is no such person."""
    if asked.scope == "mine":
        return user.pk
    model = get_user_model()
    people = model._default_manager.filter(**{model.USERNAME_FIELD: asked.user})
    return people.values_list("pk", flat=True).first()


def filtered(
    asked: Asked,
    jobs: QuerySet[Job],
    *,
    indexed: frozenset[str],
    column: type[Unindexed] = Unindexed,
) -> QuerySet[Job]:
    """The filters; those in ``indexed`` may be answered from an index of their column, the others
    read it as ``column`` does."""
    by_status = "status" in indexed
    if asked.status == ACTIVE:
        jobs = where(
            jobs, "state__in", [s.value for s in JOB_ACTIVE], by_index=by_status, column=column
        )
    elif asked.status:
        state = JobState.of_word(asked.status)
        if state is None:
            state = JobState.OTHER
            if asked.status != state.word:
                jobs = jobs.filter(custom_status=asked.status)
        jobs = where(jobs, "state", state.value, by_index=by_status, column=column)
    if asked.app:
        jobs = where(jobs, "app", asked.app, by_index="app" in indexed, column=column)
    known = asked.known or known_of(asked)
    if asked.scheduler:
        by_index = "scheduler" in indexed
        jobs = where(jobs, "scheduler_id", known.place, by_index=by_index, column=column)
        if by_index and not asked.status:  # within each, its jobs are in order
            jobs = jobs.filter(state__in=[state.value for state in JobState])
    return created(jobs, asked, by_index=column is not Fenced)


def created(jobs: QuerySet[Job], asked: Asked, *, by_index: bool = True) -> QuerySet[Job]:
    """Those that were created in the time that is asked for."""
    known = asked.known or known_of(asked)
    if asked.since and known.begin is not None:
        jobs = where(jobs, "id__gte", known.begin, by_index=by_index, column=Fenced)
    if asked.until and known.end is not None:
        jobs = where(jobs, "id__lt", known.end, by_index=by_index, column=Fenced)
    return jobs


def known_of(asked: Asked) -> Known:
    """Look up what the filters of an address mean here."""
    begin, end = _moment(asked.since, end=False), _moment(asked.until, end=True)
    return Known(
        _place_of(asked.scheduler) if asked.scheduler else NO_PLACE,
        None if begin is None else _first_id_from(begin),
        None if end is None else _first_id_from(end),
    )


def _place_of(name: str) -> int:
    found = Scheduler.objects.filter(name=name).values_list("pk", flat=True).first()
    return NO_PLACE if found is None else found


def _first_id_from(moment: datetime) -> int:
    """The first job's id from a moment on: ids grow with time, so it bounds every index that
    ends in the id."""
    later = Job.objects.filter(creation_time__gte=moment).order_by("creation_time", "id")
    first = later.values_list("pk", flat=True).first()
    return first if first is not None else 2**63 - 1


def where(
    jobs: QuerySet[Job],
    lookup: str,
    value: Any,
    *,
    by_index: bool,
    column: type[Unindexed] = Unindexed,
) -> QuerySet[Job]:
    if by_index:
        return jobs.filter(**{lookup: value})
    name, _found, operation = lookup.partition("__")
    alias = f"plain_{name}"
    tail = f"__{operation}" if operation else ""
    return jobs.alias(**{alias: column(F(name))}).filter(**{f"{alias}{tail}": value})


def searched(
    asked: Asked,
    jobs: QuerySet[Job],
    *,
    by_index: bool = True,
    column: type[Unindexed] = Unindexed,
) -> QuerySet[Job]:
    """Those with this number or identity, or whose name begins so, in any case of its letters."""
    if not asked.q:
        return jobs
    meant = identity(asked.q)
    if isinstance(meant, UUID):
        return jobs.filter(uuid=meant)
    if meant is not None:
        return jobs.filter(pk=meant)
    start = asked.q.casefold()[:NAME_KEY_LENGTH]
    jobs = where(jobs, "name_key__gte", start, by_index=by_index, column=column)
    end = _beyond(start)
    return where(jobs, "name_key__lt", end, by_index=by_index, column=column) if end else jobs


def _beyond(start: str) -> str:
    """The smallest text, in byte order, that is behind everything that begins so."""
    for position in range(len(start) - 1, -1, -1):
        code = ord(start[position])
        if code < 0x10FFFF:
            code = 0xE000 if code == 0xD7FF else code + 1  # no lone surrogates in between
            return start[:position] + chr(code)
    return ""


def span_begins(text: str) -> datetime | None:
    """When a span as in SINCE, or a day, begins; None for a text that is neither."""
    return _moment(text, end=False)


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
