"""Learns how many tasks are worth one batch: few while they are long, many while they are short."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from oceanid.models import Job

FIRST = 8
GROWTH = 8
QUICK_S = 0.7
REMEMBERED = 10_000

Kind = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class _Sent:
    kind: Kind
    size: int
    at: float


class Pace:
    """Remembers, for each kind of job, how large a batch was done in about a second."""

    def __init__(self) -> None:
        self._chunks: dict[Kind, int] = {}
        self._sent: dict[UUID, _Sent] = {}

    def chunk_of(self, job: Job) -> int:
        """How many tasks of this job are worth one batch."""
        return self._chunks.get(_kind(job), FIRST)

    def sent(self, batch: UUID, job: Job, size: int) -> None:
        """A batch goes to its engine."""
        if len(self._sent) > REMEMBERED:
            self._sent.clear()
            self._chunks.clear()
        self._sent[batch] = _Sent(_kind(job), size, monotonic())

    def over(self, batch: UUID, *, handed_back: int) -> None:
        """A batch is over; some of its tasks may have come back unstarted."""
        sent = self._sent.pop(batch, None)
        if sent is None:
            return
        known = self._chunks.get(sent.kind, FIRST)
        if handed_back:
            self._chunks[sent.kind] = max(1, sent.size - handed_back)
        elif monotonic() - sent.at < QUICK_S and sent.size >= known // 2:
            self._chunks[sent.kind] = known * GROWTH


def _kind(job: Job) -> Kind:
    return (job.user_id, job.app, job.template_name or job.type)
