"""Finds a text in a log, line by line, within bounds: a request reads so much and no more."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from oceanid.models import Job, Task
from oceanid.services import paths
from oceanid.web import faraway, jobfiles
from oceanid.web.tail import LIMIT, readable

MOST_NEEDLE: Final = 200
MOST_READ: Final = 16 * 1024 * 1024
MOST_LINES: Final = 500
BEFORE: Final = 16 * 1024
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """Where a text was found.

    Args:
        lines: Where in the file each line begins that has it.
        next: Where to go on.
        size: How large the file is.
        bound: What was not looked at, and why; "".
    """

    lines: list[int]
    next: int
    size: int
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """A piece of a log around a line.

    Args:
        before: The text before the line.
        text: The line, and what comes after it.
        offset: Where in the file the piece begins.
        next: Where it ends.
        size: How large the file is.
    """

    before: str
    text: str
    offset: int
    next: int
    size: int


def search(job: Job, task: Task, stream: str, path: str, *, needle: str, offset: int) -> Found:
    """Look for a text, in any case, from an offset on: at most MOST_READ bytes and MOST_LINES."""
    wanted = readable(needle[:MOST_NEEDLE].encode("utf-8", "replace")).lower()
    if faraway.is_elsewhere(job, task):
        end = faraway.end_of(job, task, stream)
        lines = _in_block(end.data, end.offset, wanted) if wanted else []
        bound = "" if end.offset == 0 else _("While it runs, only its end can be searched.")
        return Found(lines[:MOST_LINES], end.size, end.size, bound)
    try:
        with jobfiles.opened(paths.job_dir(job), path) as (descriptor, about):
            if not stat.S_ISREG(about.st_mode) or not wanted:
                return Found([], about.st_size, about.st_size)
            lines, following = _in_file(descriptor, offset, about.st_size, wanted)
            return Found(lines, following, about.st_size)
    except (FileNotFoundError, jobfiles.NotPlain):
        return Found([], 0, 0)


def around(job: Job, task: Task, stream: str, path: str, *, line: int) -> Around:
    """The piece of a log in which the line that begins at an offset can be read."""
    begin = max(0, line - BEFORE)
    if faraway.is_elsewhere(job, task):
        end = faraway.end_of(job, task, stream)
        raw, size, begin = end.data, end.size, end.offset
    else:
        try:
            raw, size = jobfiles.read(paths.job_dir(job), path, offset=begin, limit=LIMIT)
        except (FileNotFoundError, jobfiles.NotPlain):
            raw, size = b"", 0
    cut = min(max(0, line - begin), len(raw))
    skipped = raw.find(b"\n", 0, cut) + 1 if begin else 0
    before, text = readable(raw[skipped:cut]), readable(raw[cut:])
    return Around(before, text, begin + skipped, begin + len(raw), size)


def _in_file(descriptor: int, offset: int, size: int, wanted: str) -> tuple[list[int], int]:
    """The lines, and where to go on: behind the last whole line that was looked at."""
    lines: list[int] = []
    stop = min(size, offset + MOST_READ)
    while offset < stop and len(lines) < MOST_LINES:
        raw = os.pread(descriptor, _CHUNK, offset)
        if not raw:
            return lines, size
        whole = raw.rfind(b"\n") + 1
        if whole and offset + len(raw) < size:
            raw = raw[:whole]
        lines += _in_block(raw, offset, wanted)
        offset += len(raw)
    if len(lines) > MOST_LINES:
        return lines[:MOST_LINES], lines[MOST_LINES]
    return lines, offset


def _in_block(raw: bytes, offset: int, wanted: str) -> list[int]:
    """Where each line of a block begins that has the text."""
    if wanted not in readable(raw).lower():
        return []
    found = []
    for line in raw.split(b"\n"):
        if wanted in readable(line).lower():
            found.append(offset)
        offset += len(line) + 1
    return found
