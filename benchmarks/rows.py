"""Very many rows by one statement, on either database: columns as expressions of a number."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any


def write(
    model: Any,
    count: int,
    columns: Mapping[str, str],
    *,
    given: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write rows that say some of the columns; the others get the field's default.

    Args:
        model: Whose rows.
        count: How many.
        columns: Each an expression of the row's number ``n``, from 1 on, and of what is ``given``.
        given: Further expressions of ``n``, by name.
    """
    from django.core.management.color import no_style
    from django.db import connection

    quote = connection.ops.quote_name
    whole = {field.column: _literal(field) for field in model._meta.concrete_fields}
    whole |= columns
    named = "".join(f", {expression} AS {name}" for name, expression in given.items())
    numbers = f"""
            SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}
    """
    if is_postgresql():
        numbers = f"SELECT generate_series(CAST(1 AS bigint), {count})"
    statement = f"""
        INSERT INTO {quote(model._meta.db_table)} ({", ".join(map(quote, whole))})
        WITH RECURSIVE numbers(n) AS ({numbers})
        SELECT {", ".join(whole.values())}
        FROM (SELECT n{named} FROM numbers) AS rows
    """
    with connection.cursor() as cursor:
        cursor.execute(statement)
        for reset in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(reset)


def dice(which: int, sides: int) -> str:
    """A number below ``sides`` that looks as if it had nothing to do with ``n``."""
    return f"((n * {7_368_787 + 15_485_863 * which} + {which * 7919}) % 2147483647 % {sides})"


def chosen(number: str, texts: Sequence[str]) -> str:
    """One of some texts, by a number below how many there are."""
    cases = (
        "WHEN {} THEN '{}'".format(place, text.replace("'", "''"))
        for place, text in enumerate(texts)
    )
    return f"CASE {number} {' '.join(cases)} END"


def weighted(which: int, weights: dict[str, int]) -> str:
    """One of some expressions, each as often as its weight says."""
    sums = itertools.accumulate(weights.values())
    thrown = dice(which + 20, sum(weights.values()))
    cases = (
        f"WHEN {thrown} < {most} THEN {each}" for each, most in zip(weights, sums, strict=True)
    )
    return f"CASE {' '.join(cases)} END"


def uuid_of(high: str, low: str) -> str:
    """A UUID of two numbers, as the database keeps it."""
    if is_postgresql():
        return f"(lpad(to_hex({high}), 16, '0') || lpad(to_hex({low}), 16, '0'))::uuid"
    return f"printf('%016x%016x', {high}, {low})"


def moment(seconds: str) -> str:
    """Seconds since 1970 as the database keeps a time."""
    if is_postgresql():
        return f"to_timestamp({seconds})"
    return f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"


def is_postgresql() -> bool:
    """Whether the database is PostgreSQL; else it is SQLite."""
    from django.db import connection

    return connection.vendor == "postgresql"


def _literal(field: Any) -> str:
    """A field's default as SQL."""
    from django.db.models import JSONField

    if isinstance(field, JSONField):
        return {dict: "'{}'", list: "'[]'"}.get(field.default, "NULL")
    value = field.get_default()
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else f"'{value}'"
