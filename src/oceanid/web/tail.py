"""The end of a task's output, and what comes after it, by byte range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from oceanid.models import Job, Task, TaskRole
from oceanid.services import paths
from oceanid.services.task_specs import Wanting, task_spec
from oceanid.web import faraway, jobfiles

LIMIT = 64 * 1024
STREAMS = ("stdout", "stderr")
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, the cursor
    r"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|[PX^_][^\x1b\n]*(?:\x1b\\)?"  # device strings
    r"|[ -/]*[0-~])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Tail:
    """A piece of a log.

    Args:
        text: Plain text: escape sequences are gone, and of a line that was drawn anew again
            and again (a progress bar) the last version stays.
        offset: Where in the file it begins.
        next: Where to go on.
        size: How large the file is now.
        note: What is to be said of it: why there is no text, where it comes from; or "".
        is_here: Whether there is a file that can be served.
    """

    text: str
    offset: int
    next: int
    size: int
    note: str = ""
    is_here: bool = False


def log_path(job: Job, task: Task, stream: str) -> tuple[str, str]:
    """Where a task's stream is: its path below the job's directory, and its path as a person
    is told it; the first is "" when the file lies elsewhere, and is then not served."""
    wanting = Wanting(
        job=job,
        node=task.node,
        role=TaskRole(task.role),
        attempt=task.attempt,
        index=task.index,
    )
    spec = task_spec(wanting)
    target = spec.stdout if stream == "stdout" else spec.stderr
    if not target:
        return "", ""
    try:
        return str(Path(target).relative_to(paths.job_dir(job))), target
    except ValueError:
        return "", target


def look(job: Job, task: Task, stream: str, path: str, *, offset: int | None) -> Tail:
    """A piece of a task's output, wherever it is now: its end when no offset is given.

    Args:
        job, task: Whose.
        stream: One of STREAMS.
        path: The log's, as :func:`log_path` tells it.
        offset: Where to go on.
    """
    if faraway.is_elsewhere(job, task):
        found = faraway.end_of(job, task, stream)
        return _piece(found.data, found.offset, found.size, offset=offset, note=found.note)
    return read(job, path, offset=offset)


def read(job: Job, path: str, *, offset: int | None) -> Tail:
    """A piece of a log from an offset on, or its end when none is given; LIMIT bytes at most."""
    try:
        raw, size = jobfiles.read(
            paths.job_dir(job), path, offset=-LIMIT if offset is None else offset, limit=LIMIT
        )
    except FileNotFoundError:
        return Tail("", 0, 0, 0)
    except jobfiles.NotPlain:
        note = _("What stands where this log should be is no plain file; it is not opened.")
        return Tail("", 0, 0, 0, note=note)
    begin = max(0, size - LIMIT) if offset is None else offset
    return _piece(raw, begin, size, offset=offset, is_here=True)


def _piece(
    raw: bytes, begin: int, size: int, *, offset: int | None, note: str = "", is_here: bool = False
) -> Tail:
    """What somebody who has read up to an offset is to be shown of bytes that begin somewhere."""
    if offset is not None and offset > size:
        return Tail("", 0, 0, size, note, is_here)
    if offset is not None and begin <= offset:
        raw, begin = raw[offset - begin :], offset
    elif begin > 0:
        skipped = raw.find(b"\n") + 1
        begin, raw = begin + skipped, raw[skipped:]
    raw = _whole_characters(raw, is_end=begin + len(raw) >= size and len(raw) < 4)
    return Tail(readable(raw), begin, begin + len(raw), size, note, is_here)


def readable(raw: bytes) -> str:
    """Bytes of a stranger's program as text that can't do anything but be read."""
    text = _ANSI.sub("", raw.decode("utf-8", "replace")).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROL.sub("", text)


def _whole_characters(raw: bytes, *, is_end: bool) -> bytes:
    """Leave a character that is cut at the end for the next piece."""
    if is_end:
        return raw
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte < 0x80:
            return raw
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return raw if back >= needed else raw[:-back]
    return raw
