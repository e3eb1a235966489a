"""The journals of workflows in the followed stream, and what they and the event log come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from uuid import UUID

from oceanid.engines.htcondor.dagrun import DagRun, News
from oceanid.engines.htcondor.follow import Piece
from oceanid.engines.htcondor.journal import JournalReader, Line
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.nodescript import JOURNAL_FOLDER

_ALL_SEEN_S: Final = 600.0
"""After so long a journal of which nothing was seen is no more: its batch was forgotten."""


@dataclass(slots=True)
class _Journal:
    """One workflow's journal."""

    reader: JournalReader
    applied: int = 0
    before: int = 0
    """Lines that end here or earlier were applied by an earlier watcher."""
    lines: list[Line] = field(default_factory=list)


class Dags:
    """The workflows of one watch.

    Journals are read from their beginning by each watcher, as what was told is needed to understand
    the rest; what an earlier one applied is not told again.

    Args:
        ledger: What is known of batches.
        cursor: How far each journal was applied, by its batch.
    """

    def __init__(self, ledger: Ledger, cursor: Mapping[str, int]) -> None:
        self._ledger = ledger
        self._runs: dict[UUID, DagRun] = {}
        self._before = dict(cursor)
        self._journals: dict[UUID, _Journal] = {}
        self._begun_at = monotonic()

    def take(self, piece: Piece) -> bool:
        """Take a piece of a journal; False when it is of something else."""
        folder, _, name = piece.name.partition("/")
        if folder != JOURNAL_FOLDER:
            return False
        try:
            batch = UUID(name)
        except ValueError:
            return True
        journal = self._journals.get(batch)
        if journal is None or piece.offset != journal.reader.expected:
            before = self._before.get(name, 0)
            journal = _Journal(JournalReader(piece.offset), piece.offset, before)
            self._journals[batch] = journal
        journal.lines += journal.reader.feed(piece.data)
        return True

    async def learn(self) -> None:
        """Find out about workflows of which nothing is known yet."""
        await self._ledger.load(self._journals.keys() - self._runs.keys())
        for batch in self._journals.keys() - self._runs.keys():
            plan = self._ledger.plan(batch)
            if plan is not None:
                self._runs[batch] = DagRun(batch, plan)
        if monotonic() - self._begun_at > _ALL_SEEN_S:
            present = {str(batch) for batch in self._journals}
            self._before = {name: at for name, at in self._before.items() if name in present}

    def run(self, batch: UUID) -> DagRun | None:
        """The workflow that a batch is; None for other batches."""
        return self._runs.get(batch)

    def news(self) -> Iterator[News]:
        """What the lines that were taken come to, one by one."""
        for batch, journal in self._journals.items():
            lines, journal.lines = journal.lines, []
            run = self._runs.get(batch)
            for line in lines:
                journal.applied = line.end
                if run is not None:
                    yield run.read(line, is_again=line.end <= journal.before)

    def forget(self, batch: UUID) -> None:
        """Drop what is known of a workflow."""
        self._runs.pop(batch, None)
        self._journals.pop(batch, None)
        self._before.pop(str(batch), None)

    def cursor(self) -> dict[str, Any]:
        """How far each journal was applied."""
        known = {str(batch): max(each.applied, each.before)
                 for batch, each in self._journals.items()}  # fmt: skip
        return {**self._before, **known}
