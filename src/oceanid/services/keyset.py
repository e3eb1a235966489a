"""Pages of a table by key, not by number: the millionth costs what the first costs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import F, Field, Func, Model, QuerySet

M = TypeVar("M", bound=Model)
Mark = tuple[Any, int]
"""A row's place in an order: its value, and what decides between equal ones."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a table is ordered by; rows without a value come last in both directions.

    Args:
        field: A column of an index that ends in ``id``, or ``id`` itself.
        descending: Whether the largest comes first.
        nullable: Whether the column may be empty.
        by_index: Whether the column's index may be walked. Not when the filters leave few rows:
            sorting these is cheaper than walking past all the others.
        tie: What decides between equal values: a unique column.
    """

    field: str
    descending: bool = False
    nullable: bool = False
    by_index: bool = True
    tie: str = "id"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is asked for: at an end, or behind or before a row's token."""

    after: str = ""
    before: str = ""
    last: bool = False

    @property
    def is_backward(self) -> bool:
        """Whether the rows before the place are wanted."""
        return bool(self.before) or (self.last and not self.after)

    @property
    def token(self) -> str:
        """The row's token; "" for an end."""
        return self.before if self.is_backward else self.after


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """One page of rows, and the tokens of its neighbours ("" where there is none)."""

    rows: list[M]
    next: str
    previous: str


class Unindexed(Func):
    """A column that SQLite reads without its index (its manual, "Disqualifying WHERE Clause
    Terms Using Unary +"); elsewhere just the column, for a planner that knows its rows."""

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The column behind a unary plus."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class Fenced(Unindexed):
    """The same where few rows are known to be left: PostgreSQL keeps away from the column's index
    as well, which it would read whole to combine it with the one that leaves few."""

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The column behind an operation that changes nothing."""
        return self.as_sql(compiler, connection, template="(ARRAY[%(expressions)s])[1]", **context)


def token(row: Model, order: Order) -> str:
    """What names a row's place in an order; safe in a URL."""
    value = getattr(row, order.field)
    if isinstance(value, datetime):
        value = value.isoformat()
    key = json.dumps([value, getattr(row, order.tie)], separators=(",", ":"))
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def tie_of(queryset: QuerySet[M], order: Order, given: str) -> int | None:
    """What a token says of the column that decides between equal values; None for no token."""
    mark = mark_of(queryset, order, given)
    return None if mark is None else mark[1]


def page(queryset: QuerySet[M], *, order: Order, place: Place, size: int) -> Page[M]:
    """Read one page: one query for the first and the last, up to three for one in between.

    Behind a row come those with the same value and a larger id, then those with a larger value,
    then those without one. Each is a range of an index of its own: a comparison of both columns
    at once is not, for SQLite does not take the id, its row number, from an index (measured).

    A token that can't be read counts as none, so an old link shows the first page.
    """
    backward, start = place.is_backward, mark_of(queryset, order, place.token)
    rows = _read(queryset, order, start=start, backward=backward, size=size + 1)
    return turned(rows, order, size=size, backward=backward, is_within=start is not None)


def turned(
    rows: list[M],
    order: Order,
    *,
    size: int,
    backward: bool,
    is_within: bool,
    reached: M | None = None,
) -> Page[M]:
    """A page of rows in the order in which they were read.

    Args:
        rows: The rows, one more than the page has when there are more.
        order, size: As for a page.
        backward: Whether they were read backwards.
        is_within: Whether they were read from a mark on, not from an end.
        reached: The last row that was looked at, when the reading ended before the page was full.
    """
    more, rows = len(rows) > size, rows[:size]
    if backward:
        rows.reverse()
    is_next = is_within if backward else more
    is_previous = more if backward else is_within
    before = token(rows[0], order) if rows and is_previous else ""
    return Page(
        rows=rows,
        next=token(rows[-1], order) if rows and is_next else "",
        previous=token(reached, order) if backward and reached is not None else before,
    )


def sorted_page(
    queryset: QuerySet[M], shown: QuerySet[M], *, order: Order, place: Place, size: int
) -> Page[M]:
    """The same of rows that are sorted for it, by no index: what is shown is read of those on the
    page alone.

    Args:
        queryset: The rows.
        shown: The same or more, with all that is shown.
        order, place, size: As for a page.
    """
    order = replace(order, by_index=False)
    light = queryset.only("pk", order.field)
    rows = page(light, order=order, place=place, size=size)
    return replace(rows, rows=whole([row.pk for row in rows.rows], shown))


def whole(keys: Sequence[int], shown: QuerySet[M]) -> list[M]:
    """The rows of these keys in their order, as far as they are among those that may be shown."""
    rows = shown.in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def mark_of(queryset: QuerySet[M], order: Order, given: str) -> Mark | None:
    """The mark that a token names; None for none, and for a text that is no token."""
    if not given or len(given) > 2000:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        if not isinstance(key, list) or len(key) != 2 or type(key[1]) is not int:
            return None
        if not 0 <= key[1] < 2**63 or (key[0] is None and not order.nullable):
            return None
        if key[0] is not None:
            key[0] = _column(queryset, order.field).to_python(key[0])
            if isinstance(key[0], int) and not 0 <= key[0] < 2**63:
                return None
            if isinstance(key[0], str) and "\0" in key[0]:
                return None
    except Exception:  # noqa: BLE001 - a token is a stranger's text: anything may be wrong with it
        return None
    return key[0], key[1]


def _read(
    queryset: QuerySet[M], order: Order, *, start: Mark | None, backward: bool, size: int
) -> list[M]:
    rows: list[M] = []
    for part in ranges(queryset, order, start=start, backward=backward):
        rows += part[: size - len(rows)]
        if len(rows) >= size:
            break
    return rows


def ranges(
    queryset: QuerySet[M], order: Order, *, start: Mark | None, backward: bool
) -> list[QuerySet[M]]:
    """The rows behind a mark, or from an end on: ranges of an index that are read one after the
    other, each in its order.

    Args:
        queryset: The rows.
        order: The order.
        start: The mark; None for an end.
        backward: Whether they are read backwards.
    """
    if not order.nullable:
        return _behind(queryset, order, start=start, backward=backward)
    field = order.field
    if not order.by_index:
        field = f"plain_{field}"
        queryset = queryset.alias(**{field: Fenced(F(order.field))})
    full = queryset.filter(**{f"{field}__isnull": False})
    empty = queryset.filter(**{f"{field}__isnull": True})
    parts: Sequence[tuple[QuerySet[M], bool]] = ((full, False), (empty, True))
    found: list[QuerySet[M]] = []
    for part, is_empty in reversed(parts) if backward else parts:
        begin = start
        if start is not None and (start[0] is None) is not is_empty:
            # The mark is in the other part: this one is either behind us or whole before us.
            if is_empty is backward:
                continue
            begin = None
        found += _behind(part, order, start=begin, backward=backward, by_tie=is_empty)
    return found


def _behind(
    queryset: QuerySet[M],
    order: Order,
    *,
    start: Mark | None,
    backward: bool,
    by_tie: bool = False,
) -> list[QuerySet[M]]:
    names = [order.tie] if by_tie or order.field == order.tie else [order.field, order.tie]
    columns = {name: F(name) if order.by_index else Fenced(F(name)) for name in names}
    descending = order.descending is not backward
    ordering = [each.desc() if descending else each.asc() for each in columns.values()]
    if start is None:
        return [queryset.order_by(*ordering)]
    beyond = "lt" if descending else "gt"
    if len(names) == 1:
        return [_where(queryset, columns, {names[0]: (beyond, start[1])}, ordering)]
    same = {order.field: ("exact", start[0]), order.tie: (beyond, start[1])}
    further = {order.field: (beyond, start[0])}
    return [_where(queryset, columns, each, ordering) for each in (same, further)]


def _where(
    queryset: QuerySet[M],
    columns: Mapping[str, Any],
    conditions: Mapping[str, tuple[str, Any]],
    ordering: Sequence[Any],
) -> QuerySet[M]:
    for name, (lookup, value) in conditions.items():
        column = columns[name]
        if isinstance(column, Unindexed):
            alias = f"plain_key_{name}"
            queryset = queryset.alias(**{alias: column}).filter(**{f"{alias}__{lookup}": value})
        else:
            queryset = queryset.filter(**{f"{name}__{lookup}": value})
    return queryset.order_by(*ordering)


def _column(queryset: QuerySet[M], name: str) -> Field[Any, Any]:
    found = queryset.model._meta.get_field(name)
    assert isinstance(found, Field)
    return found
