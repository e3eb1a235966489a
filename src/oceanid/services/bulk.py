"""Writes many rows with one prepared statement, several times faster than the ORM's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection, models

Row = Sequence[Any]


def insert_many(model: type[models.Model], columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Insert rows; returns how many.

    Args:
        model: The table.
        columns: Attribute names (``job_id``), as many as each row has values.
        rows: The values, as Python objects.
    """
    fields = [_field(model, name) for name in columns]
    prepared = _prepared(fields, rows)
    if not prepared:
        return 0
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", prepared)  # noqa: S608
    return len(prepared)


def update_many(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Row], *, key: str = "id"
) -> int:
    """Update rows by their key, which is each row's last value; returns how many were given."""
    fields = [*(_field(model, name) for name in columns), _field(model, key)]
    prepared = _prepared(fields, rows)
    if not prepared:
        return 0
    quote = connection.ops.quote_name
    sets = ", ".join(f"{quote(str(field.column))} = %s" for field in fields[:-1])
    table = quote(model._meta.db_table)
    where = quote(str(fields[-1].column))
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {sets} WHERE {where} = %s", prepared)  # noqa: S608
    return len(prepared)


def plain(text: str) -> str:
    """A text without what PostgreSQL can't keep: NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    for field in model._meta.concrete_fields:
        if field.attname == name:
            return field
    raise LookupError(f"{model.__name__} has no column {name}")


def _prepared(fields: Sequence[models.Field[Any, Any]], rows: Iterable[Row]) -> list[list[Any]]:
    # A value of a plain type needs no field's opinion: skipping it halves the cost of a row.
    convert = [None if type(field) in _PLAIN else _converter(field) for field in fields]
    return [
        [value if to is None else to(value) for to, value in zip(convert, row, strict=True)]
        for row in rows
    ]


def _converter(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    if type(field) in _TEXTS:
        return plain
    return lambda value: field.get_db_prep_save(value, connection)


_TEXTS = {models.CharField, models.TextField}
_PLAIN = {
    models.IntegerField,
    models.BigIntegerField,
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.BigAutoField,
    models.FloatField,
}
