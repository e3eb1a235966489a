"""Goes through very many jobs in portions, by number or as an index has them, and ends in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, QuerySet
from django.db.models.expressions import RawSQL

from oceanid.models import Job
from oceanid.services import keyset
from oceanid.services.keyset import Fenced, Mark, Order

SECONDS = 1.5
"""How long is looked for jobs that filters leave."""
AHEAD = 15
"""So many times as many as are wanted are gone through first."""
MOST = 200_000

Sources = Sequence[QuerySet[Any]]
"""Rows that name jobs, each a range of an index that ends in the job's number."""
Condition = tuple[str, list[Any]]


class ByNumber:
    """Goes through the jobs that sources name by number, and keeps those that match.

    Args:
        sources: What names the jobs.
        matching: The jobs that count, their filters not answered by an index; None for all.
        low, high: The smallest number that counts, and the first that is too large.
        column: Which of the sources' columns names the job.
        condition: What else a job's number must fulfil, as SQL about ``part.id`` with its values:
            looked at before the job itself is read. With it, no job is in two sources.
    """

    def __init__(
        self,
        sources: Sources,
        matching: QuerySet[Job] | None,
        *,
        low: int,
        high: int,
        column: str = "job_id",
        condition: Condition | None = None,
    ) -> None:
        self._sources, self._column, self._condition = sources, column, condition
        self._low, self._high = low, high
        self._matching = matching
        self.reached = 0
        self.is_cut = False

    def numbers(self, *, ascending: bool, start: int, most: int) -> list[int]:
        """The first that match behind a number; fewer when the time is up: then it ``is_cut``."""
        found: list[int] = []
        end, size = monotonic() + SECONDS, max(1, int(AHEAD * most))
        start = max(start, self._low - 1) if ascending else min(start, self._high)
        while True:
            rows = self._portion(ascending, start, size, most - len(found))
            found += rows
            if len(found) >= most:
                return found
            edge = numbers(*self._sql(ascending, start, 1, passed=size - 1))
            if not edge or not self._low <= edge[0] < self._high:
                return found
            if monotonic() > end:
                self.is_cut, self.reached = True, edge[0]
                return found
            start, size = edge[0], further(size, len(rows), most - len(found))

    def _portion(self, ascending: bool, start: int, size: int, most: int) -> Sequence[int]:
        """The first of a portion that match."""
        sql, values = self._sql(ascending, start, size)
        if self._condition is not None:
            sql, values = fulfilling(sql, values, self._condition)
        if self._matching is None:
            way = "ASC" if ascending else "DESC"
            found = numbers(f"{sql} ORDER BY 1 {way} LIMIT {int(most)}", values)
            return [number for number in found if self._low <= number < self._high]
        matching = named(self._matching, sql, values).filter(pk__gte=self._low, pk__lt=self._high)
        rows = matching.order_by("pk" if ascending else "-pk").values_list("pk", flat=True)
        return list(rows[:most])

    def _sql(
        self, ascending: bool, start: int, most: int, passed: int = 0
    ) -> tuple[str, list[Any]]:
        return sql_of(
            self._sources,
            ascending=ascending, start=start, most=most, passed=passed, column=self._column,
            are_apart=self._condition is not None,
        )  # fmt: skip


@dataclass(slots=True)
class InOrder:
    """Goes through jobs in the order of an index, and keeps those that match.

    Args:
        candidates: The jobs that the index has so.
        matching: The jobs that count, their filters not answered by an index.
        order: The order.
        condition: What a job's number must fulfil, as SQL about ``part.id`` with its values:
            looked at before the job itself is read.
    """

    candidates: QuerySet[Job]
    matching: QuerySet[Job]
    order: Order
    condition: Condition | None = None
    reached: Job | None = None
    """The last job that was looked at, when the time was up before enough were found."""

    def first(self, *, most: int, among: int) -> list[int]:
        """The first that match among so many from the beginning that have a value."""
        names = self._behind(None, backward=False)[0].values("id")
        found = self._portion(names[: int(AHEAD * most)], most, backward=False)
        return found if len(found) >= most else self._portion(names[:among], most, backward=False)

    def numbers(self, *, start: Mark | None, backward: bool, most: int) -> list[int]:
        """The first that match behind a mark, or from an end on.

        Fewer when the time is up: then ``reached`` says where.

        Args:
            start: The mark; None for an end.
            backward: Whether they are gone through from the end.
            most: How many are wanted.
        """
        found: list[int] = []
        end, size = monotonic() + SECONDS, max(1, int(AHEAD * most))
        parts = self._behind(start, backward=backward)
        while parts:
            rows = self._portion(
                parts[0].values("id")[:size], most - len(found), backward=backward
            )  # fmt: skip
            found += rows
            if len(found) >= most:
                return found
            edge = parts[0].only(self.order.field)[size - 1 : size].first()
            if edge is None:
                parts = parts[1:]
                continue
            if monotonic() > end:
                self.reached = edge
                return found
            mark = (getattr(edge, self.order.field), edge.pk)
            parts = self._behind(mark, backward=backward)
            size = further(size, len(rows), most - len(found))
        return found

    def _behind(self, start: Mark | None, *, backward: bool) -> list[QuerySet[Job]]:
        return keyset.ranges(self.candidates, self.order, start=start, backward=backward)

    def _portion(self, names: QuerySet[Job, Any], most: int, *, backward: bool) -> list[int]:
        given: tuple[str, Sequence[Any]] = names.query.sql_with_params()
        if self.condition is not None:
            given = fulfilling(*given, self.condition)
        columns = [Fenced(F(self.order.field)), Fenced(F("pk"))]
        descending = self.order.descending is not backward
        ordering = [each.desc() if descending else each.asc() for each in columns]
        rows = named(self.matching, *given).order_by(*ordering)
        return list(rows.values_list("pk", flat=True)[:most])


def further(size: int, found: int, missing: int) -> int:
    """How large the next portion is: half as large again as what is missing is likely to need."""
    most = min(MOST, size * 16)
    return min(most, max(missing, size * missing * 3 // (2 * found))) if found else most


def fulfilling(sql: str, values: Sequence[Any], condition: Condition) -> tuple[str, list[Any]]:
    """The statement for the numbers that another gives in its column ``id``, those that fulfil a
    condition."""
    told, more = condition
    whole = f"SELECT part.id FROM ({sql}) AS part WHERE {told}"  # noqa: S608 - Django's own words
    return whole, [*values, *more]


def named(jobs: QuerySet[Job], sql: str, values: Sequence[Any]) -> QuerySet[Job]:
    """Those of some jobs whose numbers a bounded statement gives.

    PostgreSQL makes a list of them first. As a table to join it would have to guess how they are
    found among the others, and where it knows little of these it goes through all (measured).
    """
    if connection.vendor == "postgresql":
        column = f'"{Job._meta.db_table}"."id"'
        told = RawSQL(f"{column} = ANY(ARRAY({sql}))", values, BooleanField())  # noqa: S611
        return jobs.filter(told)
    return jobs.filter(pk__in=RawSQL(sql, values))  # noqa: S611 - Django's own words


def numbers(sql: str, values: Sequence[Any]) -> list[int]:
    """The numbers that a statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [key for (key,) in cursor.fetchall()]


def sql_of(
    sources: Sources,
    *,
    ascending: bool,
    start: int,
    most: int,
    passed: int = 0,
    column: str = "job_id",
    are_apart: bool = False,
) -> tuple[str, list[Any]]:
    """The statement for the first numbers of all sources together behind one, in order.

    Args:
        sources: What names jobs.
        ascending: Whether the smallest comes first.
        start: The number behind which they are wanted.
        most: How many are wanted, at most as many from each source.
        passed: How many are passed over first.
        column: Which column names the job.
        are_apart: Whether no job is in two sources.
    """
    beyond = {f"{column}__gt" if ascending else f"{column}__lt": start}
    order = column if ascending else f"-{column}"
    parts: list[str] = []
    values: list[Any] = []
    for source in sources:
        rows = source.filter(**beyond).order_by(order).values(column)[: most + passed]
        sql, given = rows.query.sql_with_params()
        # A part of a union can't be limited by itself, a table that is made of it can.
        parts.append(f"SELECT {column} FROM ({sql}) AS part")  # noqa: S608 - Django's own words
        values += given
    way = "ASC" if ascending else "DESC"
    union = " UNION ALL " if are_apart else " UNION "
    whole = f"{union.join(parts)} ORDER BY 1 {way} LIMIT {int(most)} OFFSET {int(passed)}"
    return whole, values
