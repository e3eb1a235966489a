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


def insert_new(objects: Sequence[models.Model]) -> None:
    """Insert new objects of one table; each has its key then, in the order given.

    Like ``bulk_create``, it calls no ``save()`` and sends no signal.

    Args:
        objects: Instances of one model and of its proxies, not saved before.
    """
    if not objects:
        return
    model = objects[0]._meta.concrete_model
    assert model is not None
    for one, key in zip(objects, new_keys(model, len(objects)), strict=True):
        one.pk = key
    fields = model._meta.concrete_fields
    insert_many(
        model,
        [field.attname for field in fields],
        ([field.pre_save(one, add=True) for field in fields] for one in objects),
    )
    for one in objects:
        one._state.adding, one._state.db = False, connection.alias


def new_keys(model: type[models.Model], count: int) -> Sequence[int]:
    """Take a table's next keys, so that rows can be written without asking for each one's."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # https://www.sqlite.org/autoinc.html: an ordinary table, which may be written.
            cursor.execute(
                "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [count, table]
            )
            if not cursor.rowcount:
                cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [table, count])
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            last = cursor.fetchone()[0]
            return range(last - count + 1, last + 1)
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [connection.ops.quote_name(table), count],
        )
        return [key for (key,) in cursor.fetchall()]


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


def add_many(
    model: type[models.Model],
    keys: Sequence[str],
    sums: Sequence[str],
    rows: Iterable[Row],
    *,
    where: str,
) -> None:
    """Add to the sums of the rows with these keys, which are made where they are missing.

    Args:
        model: The table.
        keys: Attribute names that tell a row.
        sums: Attribute names of numbers.
        rows: The values of the keys, then what is added to each sum.
        where: The condition, as SQL, of the unique index over the keys.
    """
    fields = [_field(model, name) for name in (*keys, *sums)]
    prepared = _prepared(fields, rows)
    if not prepared:
        return
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    names = [quote(str(field.column)) for field in fields]
    marks = ", ".join(["%s"] * len(fields))
    adding = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names[len(keys) :])
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT ({', '.join(names[: len(keys)])}) WHERE {where} DO UPDATE SET {adding}"
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, prepared)


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
    # So does None, which is NULL in each of them.
    convert = [None if type(field) in _PLAIN else _converter(field) for field in fields]
    return [
        [
            value if to is None or value is None else to(value)
            for to, value in zip(convert, row, strict=True)
        ]
        for row in rows
    ]


def _converter(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    if type(field) in _TEXTS:
        return plain
    if type(field) is models.DateTimeField:
        return _Moments(field)
    return lambda value: field.get_db_prep_save(value, connection)


class _Moments:
    """Converts moments; rows that are written together often share theirs."""

    def __init__(self, field: models.Field[Any, Any]) -> None:
        self._field = field
        self._last: tuple[Any, Any] = (None, None)

    def __call__(self, value: Any) -> Any:
        if value is not self._last[0]:
            self._last = value, self._field.get_db_prep_save(value, connection)
        return self._last[1]


_TEXTS = {models.CharField, models.TextField}
_PLAIN = {
    models.IntegerField,
    models.BigIntegerField,
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.BigAutoField,
    models.FloatField,
}
