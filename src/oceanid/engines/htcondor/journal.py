"""Reads what the nodes of a workflow tell of themselves as it grows; garbage is skipped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

_LINE = re.compile(rb"(\d{10}) (\d{1,9}) (\d{1,5}) ([a-z]+)(?: ([^\n]*))?")
_LONGEST: Final = 64 << 10


class Word(StrEnum):
    """What a line says of its node."""

    PRE = "pre"
    GO = "go"
    SKIP = "skip"
    UNREADY = "unready"
    POST = "post"
    DONE = "done"
    FAILED = "failed"
    AGAIN = "again"


ENDS: Final = frozenset({Word.SKIP, Word.UNREADY, Word.DONE, Word.FAILED})
"""After these a node is over."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Args:
        at: When, in UTC.
        node: The node's number in the workflow.
        tries: How often it had failed before.
        word: What it says.
        code: The exit code that counts.
        returned: What its processes returned, by DAGMan; negative for a signal, or for none.
        cluster: The cluster that its processes were.
        note: What belongs to it.
        end: The offset behind it.
    """

    at: datetime
    node: int
    tries: int
    word: Word
    code: int | None = None
    returned: int | None = None
    cluster: int | None = None
    note: str = ""
    end: int = 0


class JournalReader:
    """Takes one file's bytes in order and gives its lines; any offset will do to begin with."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        """Behind the last whole line."""
        self._pending = b""

    @property
    def expected(self) -> int:
        """The offset of the byte that must be fed next."""
        return self.offset + len(self._pending)

    def feed(self, data: bytes) -> list[Line]:
        """Take more bytes; return the lines that are whole now."""
        buffer = self._pending + data
        found = []
        begin = 0
        while (end := buffer.find(b"\n", begin) + 1) > 0:
            self.offset += end - begin
            line = _read(buffer[begin : end - 1], self.offset)
            begin = end
            if line is not None:
                found.append(line)
        if len(buffer) - begin > _LONGEST:
            self.offset += len(buffer) - begin
            begin = len(buffer)
        self._pending = buffer[begin:]
        return found


def _read(text: bytes, end: int) -> Line | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    try:
        word = Word(match[4].decode())
    except ValueError:
        return None
    parts = (match[5] or b"").decode(errors="replace").split(" ", 3)
    code, returned, job, note = (*parts, "", "", "", "")[:4]
    if word is Word.AGAIN:
        returned, note = job, returned
    return Line(
        at=datetime.fromtimestamp(int(match[1]), UTC),
        node=int(match[2]),
        tries=int(match[3]),
        word=word,
        code=_whole(code),
        returned=_whole(returned),
        cluster=_whole(job.partition(".")[0]) if word in ENDS else None,
        note=note.strip(),
        end=end,
    )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else None
