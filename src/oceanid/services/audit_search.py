"""Finds rows of the audit history, each question by an index."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from oceanid.models import AuditEvent
from oceanid.models.audit import KEY_LENGTH
from oceanid.services.sifting import span_begins

MOST_BY_NAME = 1_000
CHUNK = 2_000


def found(rows: QuerySet[AuditEvent], text: str) -> QuerySet[AuditEvent]:
    """The rows of a person by name, of a thing by number or by the beginning of its name.

    Args:
        rows: Where to look.
        text: What somebody typed.
    """
    text = text.strip()
    if not text or "\0" in text:
        return rows if not text else rows.none()
    number = text.removeprefix("#")
    if number.isdecimal() and len(number) <= 20:
        return rows.filter(object_id=number)
    if AuditEvent.objects.filter(person=text).exists():
        return rows.filter(person=text)
    key = text.casefold()[:KEY_LENGTH]
    named = AuditEvent.objects.filter(object_key__gte=key, object_key__lt=f"{key}\U0010ffff")
    # Sorting very many is no search any more: these are the first by name.
    first = named.order_by("object_key", "-id").values("pk")[:MOST_BY_NAME]
    return rows.filter(pk__in=list(first.values_list("pk", flat=True)))


def since(rows: QuerySet[AuditEvent], span: str) -> QuerySet[AuditEvent]:
    """The rows of a span as the filters of jobs name it; all for one that is not known."""
    begin = span_begins(span)
    if begin is None:
        return rows
    # Rows are numbered as time goes on, and read by their numbers.
    later = AuditEvent.objects.filter(at__gte=begin).order_by("at", "id")
    first = later.values_list("pk", flat=True).first()
    return rows.none() if first is None else rows.filter(pk__gte=first)


def in_chunks(rows: QuerySet[AuditEvent]) -> Iterator[list[AuditEvent]]:
    """All rows, the newest first, some at a time."""
    rows = rows.order_by("-pk")
    last: int | None = None
    while True:
        some = list((rows if last is None else rows.filter(pk__lt=last))[:CHUNK])
        if not some:
            return
        yield some
        last = some[-1].pk
