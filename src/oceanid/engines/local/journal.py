"""Reads what runners wrote: every generation of the journal, from a cursor on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from oceanid.engines.local.spool import Spool
from oceanid.specs import Observation, Usage
from oceanid.states import TaskState

_PIECE: Final = 256 << 10
_LONGEST_LINE: Final = 64 << 10
_BATCH_AT: Final = slice(6, 42)
_END_STATES: Final = frozenset({"COM", "ERR", "ABT", "QUE"})


class Tail:
    """Follows the generations of a journal; its cursor is an offset for each of them."""

    def __init__(self, spool: Spool, cursor: Mapping[str, Any]) -> None:
        self._spool = spool
        offsets = cursor.get("offsets")
        given = offsets if isinstance(offsets, Mapping) else {}
        self._offsets = {int(name): int(offset) for name, offset in given.items()}
        self._folder_time = -1
        self._generations: list[int] = []
        self.closed: list[str] = []

    @property
    def cursor(self) -> dict[str, Any]:
        """Where the next reader goes on."""
        return {"offsets": {str(each): self._offsets[each] for each in sorted(self._offsets)}}

    def read(self, limit: int) -> list[Observation]:
        """At most about ``limit`` new observations, the oldest generation first."""
        self._find_generations()
        found: list[Observation] = []
        for generation in self._generations:
            while len(found) < limit and self._read_piece(generation, found, limit):
                pass
        return found

    def drop(self, generation: int) -> None:
        """Remove a generation when all of it was read."""
        path = Path(self._spool.journal(generation))
        if path.stat().st_size <= self._offsets.get(generation, 0):
            path.unlink()
            self._offsets.pop(generation, None)
            self._folder_time = -1

    @property
    def old_generations(self) -> list[int]:
        """Every generation but the newest."""
        return self._generations[:-1]

    def _find_generations(self) -> None:
        changed = Path(self._spool.journals).stat().st_mtime_ns
        if changed != self._folder_time:
            self._folder_time = changed
            self._generations = self._spool.generations()
            for gone in set(self._offsets) - set(self._generations):
                del self._offsets[gone]

    def _read_piece(self, generation: int, found: list[Observation], limit: int) -> bool:
        """Take in one piece of a generation; False when there is nothing more in it now."""
        offset = self._offsets.get(generation, 0)
        try:
            file = os.open(self._spool.journal(generation), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._folder_time = -1
            return False
        try:
            size = os.fstat(file).st_size
            if size < offset:  # truncated behind our back: a line read twice changes nothing
                offset = 0
            if size == offset:
                self._offsets[generation] = offset
                return False
            data = os.pread(file, _PIECE, offset)
        finally:
            os.close(file)
        whole = data.rfind(b"\n") + 1
        if whole == 0:
            # A torn line is left until it is whole; one longer than any of ours is garbage.
            self._offsets[generation] = offset + (len(data) if len(data) > _LONGEST_LINE else 0)
            return len(data) > _LONGEST_LINE
        taken = 0
        for line in data[:whole].splitlines(keepends=True):
            taken += len(line)
            self._take(line, found)
            if len(found) >= limit:
                break
        self._offsets[generation] = offset + taken
        return True

    def _take(self, line: bytes, found: list[Observation]) -> None:
        if len(line) < 3:
            return
        try:
            told = json.loads(line)
            if "closed" in told:
                self.closed.append(told["b"])
            else:
                found.append(observation(told))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return  # torn or foreign; the journal is read on behind it


def observation(told: Mapping[str, Any]) -> Observation:
    """The observation that a line of the journal tells."""
    usage = None
    if "cpu" in told:
        usage = Usage(cpu_s=told["cpu"], peak_memory_mib=told.get("mem"))
    return Observation(
        batch=UUID(told["b"]),
        proc=int(told["p"]),
        state=TaskState(told["s"]),
        at=datetime.fromtimestamp(told["t"], UTC),
        exit_code=told.get("x"),
        exit_signal=told.get("g"),
        reason_code=told.get("c", ""),
        reason=told.get("r", ""),
        hint=told.get("h", ""),
        host=told.get("host", ""),
        usage=usage,
    )


def lines_of(spool: Spool, batches: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Every line about some batches that is still there, generation by generation."""
    wanted = {each.encode() for each in batches}
    for generation in spool.generations():
        try:
            with open(spool.journal(generation), "rb") as file:
                for line in file:
                    if line[_BATCH_AT] in wanted and line.endswith(b"\n"):
                        try:
                            yield json.loads(line)
                        except ValueError:
                            continue
        except FileNotFoundError:
            continue


def ended_procs(spool: Spool, batch: str) -> set[int]:
    """The tasks of a batch whose end, or return, the journal has."""
    return {
        told["p"]
        for told in lines_of(spool, frozenset({batch}))
        if told.get("s") in _END_STATES and "p" in told
    }
