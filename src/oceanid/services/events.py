"""Writes what happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from oceanid.models import EventKind, JobEvent
from oceanid.services import outbox
from oceanid.services.bulk import insert_many

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

COLUMNS = (
    "job_id",
    "task_id",
    "node_id",
    "attempt",
    "kind",
    "before",
    "after",
    "at",
    "message",
    "actor_id",
)
MESSAGE_LENGTH = 10_000


class Event(NamedTuple):
    """One change, as it goes into the table; the fields are those of the table."""

    job_id: int
    task_id: int | None
    node_id: int | None
    attempt: int
    kind: str
    before: str
    after: str
    at: datetime
    message: str = ""
    actor_id: int | None = None


def write(events: Iterable[Event]) -> None:
    """Append events, in order, and put into the outbox what people are told of."""
    told = list(events)
    insert_many(JobEvent, COLUMNS, told)
    outbox.of_jobs(told)


def job_event(
    job_id: int,
    attempt: int,
    kind: EventKind,
    at: datetime,
    *,
    before: str = "",
    after: str = "",
    message: str = "",
    actor: AbstractBaseUser | None = None,
) -> Event:
    """An event about the job itself."""
    return Event(
        job_id,
        None,
        None,
        attempt,
        kind.value,
        before,
        after,
        at,
        message[:MESSAGE_LENGTH],
        None if actor is None else actor.pk,
    )
