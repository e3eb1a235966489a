"""Writes the audit history: who did what to what, and what became different by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import models, transaction
from django.utils import timezone

from oceanid import conf
from oceanid.errors import InvalidSettings
from oceanid.fields import EncryptedJSONField
from oceanid.models import AuditEvent, Job
from oceanid.models.audit import KEY_LENGTH
from oceanid.services.bulk import insert_many

MOST_SHOWN: Final = 500
"""Characters of a value, before or after; what is longer is cut."""

CHUNK: Final = 5_000
COLUMNS: Final = (
    "at", "actor_id", "person", "origin", "verb", "kind", "object_id", "object_name",
    "object_key", "changes", "note",
)  # fmt: skip

_origin: ContextVar[str] = ContextVar("oceanid_origin", default="code")


@contextmanager
def coming_from(origin: str) -> Iterator[None]:
    """Say from where what is done in the block comes: page, admin, api or cli."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def origin() -> str:
    """From where what is done now comes; to be kept with a wish that is fulfilled later."""
    return _origin.get()


@dataclass(frozen=True, slots=True)
class Thing:
    """What something was done to.

    Args:
        kind: The model's name in lower case.
        object_id: Its key, as text.
        name: What people call it.
    """

    kind: str
    object_id: str
    name: str

    @classmethod
    def of(cls, row: models.Model) -> Thing:
        """A row as a thing."""
        kind = row._meta.concrete_model or type(row)
        return cls(str(kind._meta.model_name), str(row.pk or ""), str(row))


class Hidden:
    """A secret in a description: it can be compared, and is never shown."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "(a secret)"


Description = Mapping[str, Any]


def describe(row: models.Model, *, many: Sequence[str] = ()) -> Description:
    """What a row's editable fields hold, an entry for each key of an object; of secrets only
    that they are there.

    Args:
        row: A row that is in the database.
        many: The names of its many-to-many fields that count.
    """
    found: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        if not field.editable or field.primary_key:
            continue
        if isinstance(field, EncryptedJSONField):
            found |= _hidden(row, field.name)
            continue
        value = getattr(row, field.name)
        if isinstance(field, models.JSONField) and isinstance(value, dict):
            found |= {f"{field.name}.{key}": each for key, each in value.items()}
        else:
            found[field.name] = value
    for name in many:
        found[name] = sorted(str(each) for each in getattr(row, name).all())
    return found


_UNREADABLE: Final = object()


def _hidden(row: models.Model, name: str) -> dict[str, Hidden]:
    try:
        secrets = getattr(row, name) or {}
    except InvalidSettings:  # no present key opens them
        return {name: Hidden(_UNREADABLE)}
    return {f"{name}.{key}": Hidden(each) for key, each in secrets.items()}


def differences(before: Description, after: Description) -> list[dict[str, str]]:
    """What became different, told in words; a secret's value is in none of them."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        {"field": name, "before": _told(before.get(name)), "after": _told(after.get(name))}
        for name in names
        if before.get(name) != after.get(name)
    ]


def write(
    actor: Any,
    verb: str,
    thing: Thing,
    *,
    changes: Sequence[Mapping[str, str]] = (),
    note: str = "",
) -> None:
    """Append one row in the present transaction; nothing when no person did it.

    Args:
        actor: The user who did it, or None; what is done at the command line is always told.
        verb: What was done, a slug.
        thing: To what.
        changes: As :func:`differences` gives them.
        note: A sentence for a person.
    """
    write_many(actor, verb, [thing], changes=changes, note=note)


def write_many(
    actor: Any,
    verb: str,
    things: Iterable[Thing],
    *,
    changes: Sequence[Mapping[str, str]] = (),
    note: str = "",
) -> None:
    """Append a row for each thing that the same was done to; see :func:`write`."""
    now, origin = timezone.now(), _origin.get()
    if actor is None and origin != "cli":
        return
    key = None if actor is None else actor.pk
    person = "" if actor is None else actor.get_username()[:254]
    insert_many(
        AuditEvent,
        COLUMNS,
        (
            (
                now, key, person, origin, verb, thing.kind,
                thing.object_id[:64], thing.name[:250], thing.name.casefold()[:KEY_LENGTH],
                list(changes), note[:2000],
            )
            for thing in things
        ),
    )  # fmt: skip


def of_job(actor: Any, verb: str, job: Job) -> None:
    """Append what a person asked of a job; nothing when no person did."""
    if actor is not None:
        write(actor, verb, Thing("job", str(job.pk), job.name))


def begin() -> None:
    """Begin a transaction with a write that changes nothing, where the first real one comes
    only after reads; see decision 3."""
    AuditEvent.objects.filter(pk=0).update(verb="")


def retain() -> int:
    """Remove what is older than ``RETENTION.AUDIT_DAYS``; returns how many rows."""
    days = conf.current().retention.audit_days
    if days is None:
        return 0
    last = timezone.now() - timedelta(days=days)
    removed = 0
    while True:
        old = AuditEvent.objects.filter(at__lt=last).order_by("at")
        keys = list(old.values_list("pk", flat=True)[:CHUNK])
        if not keys:
            return removed
        with transaction.atomic():
            removed += AuditEvent.objects.filter(pk__in=keys)._raw_delete("default")


def _told(value: Any) -> str:
    if isinstance(value, Hidden):
        return "(set)"
    if value is None or value == "":
        return ""
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} …"
