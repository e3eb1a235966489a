"""Reads what jobs left behind, as from a stranger: no link is followed, nothing but plain files
is opened, and nothing that is served can run in the browser."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Protocol
from urllib.parse import quote

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _

from oceanid.web.pages import CSP_OF_STRANGERS

MOST_ENTRIES = 1000
MOST_DEPTH = 64
CHUNK = 256 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPENED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a directory.

    Args:
        name: Its name, as text that can be shown.
        path: Its path below the job's directory; "" when it can't be opened.
        kind: ``folder``, ``file``, ``link`` or ``other``.
        size: Bytes, of a file.
        changed: When it was last written.
    """

    name: str
    path: str
    kind: str
    size: int | None
    changed: datetime | None


@dataclass(frozen=True, slots=True)
class Folder:
    """What a directory holds, as far as it is shown."""

    path: str
    entries: tuple[Entry, ...]
    is_cut: bool = False
    is_missing: bool = False

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Each directory on the way down here, with its path."""
        parts = PurePosixPath(self.path).parts
        return [(part, "/".join(parts[: depth + 1])) for depth, part in enumerate(parts)]


class NotPlain(Exception):
    """The path leads through a link, or to what is neither file nor directory."""


def parts_of(path: str) -> tuple[str, ...]:
    """The names on a path below a job's directory.

    Raises:
        NotPlain: The path is absolute, goes upward, or is no path.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in parts or "\0" in path or len(parts) > MOST_DEPTH:
        raise NotPlain(path)
    return parts


@contextmanager
def opened(base: Path, path: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open a file or directory below ``base``, going down name by name without following links.

    Yields:
        Its descriptor, closed at the end, and what it is.

    Raises:
        NotPlain: There is a link on the way, or the thing is neither file nor directory.
        FileNotFoundError: There is no such thing.
    """
    descriptor = _descend(base, parts_of(path))
    try:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise NotPlain(path)
        yield descriptor, found
    finally:
        os.close(descriptor)


def _descend(base: Path, parts: tuple[str, ...]) -> int:
    here = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for position, part in enumerate(parts):
            is_last = position == len(parts) - 1
            below = os.open(part, OPENED if is_last else _FOLDER, dir_fd=here)
            os.close(here)
            here = below
    except FileNotFoundError:
        os.close(here)
        raise
    except OSError as problem:
        # ELOOP: a link; ENOTDIR: a file, or a link, where a directory should be; EACCES; ENXIO.
        os.close(here)
        raise NotPlain("/".join(parts)) from problem
    return here


def listed(base: Path, path: str = "") -> Folder:
    """What is in a directory, sorted: directories first; at most MOST_ENTRIES of it."""
    try:
        with opened(base, path) as (descriptor, found):
            if not stat.S_ISDIR(found.st_mode):
                raise NotPlain(path)
            entries: list[Entry] = []
            is_cut = False
            with os.scandir(descriptor) as scan:
                for each in scan:
                    if len(entries) >= MOST_ENTRIES:
                        is_cut = True
                        break
                    entries.append(_entry(each, path))
    except FileNotFoundError:
        return Folder(path, (), is_missing=True)
    entries.sort(key=lambda entry: (entry.kind != "folder", entry.name.casefold(), entry.name))
    return Folder("/".join(parts_of(path)), tuple(entries), is_cut)


def _entry(found: os.DirEntry[str], folder: str) -> Entry:
    shown = found.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    # Neither can be said in an address: what is no UTF-8, and a newline.
    is_sayable = shown == found.name and "\n" not in shown
    try:
        about = found.stat(follow_symlinks=False)
    except OSError:
        return Entry(shown, "", "other", None, None)
    kinds = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(about.st_mode), "other")
    parts = [*parts_of(folder), found.name]
    path = "/".join(parts) if len(parts) <= MOST_DEPTH else ""
    return Entry(
        name=shown,
        path=path if is_sayable and kind in ("folder", "file") else "",
        kind=kind,
        size=about.st_size if kind == "file" else None,
        changed=datetime.fromtimestamp(about.st_mtime, UTC),
    )


def read(base: Path, path: str, *, offset: int, limit: int) -> tuple[bytes, int]:
    """Some bytes of a file from an offset on (negative: that far from its end), and its size."""
    with opened(base, path) as (descriptor, found):
        if not stat.S_ISREG(found.st_mode):
            raise NotPlain(path)
        start = max(0, found.st_size + offset) if offset < 0 else offset
        return os.pread(descriptor, limit, start), found.st_size


def download(
    request: HttpRequest, base: Path, path: str, *, shown_as: str = ""
) -> StreamingHttpResponse:
    """Serve a file as an attachment that no browser runs or sniffs.

    Exactly the bytes that it had when it was opened: one that grows meanwhile is cut there.

    Args:
        request: Who asks decides how it is sent.
        base, path: The job's directory, and the file below it.
        shown_as: The type of a picture that a browser may show; it can do nothing else with it.

    Raises:
        Http404: There is no such file, or the path leads through a link or upward.
    """
    try:
        descriptor = _descend(base, parts_of(path))
    except (OSError, NotPlain) as problem:
        raise Http404(_("There is no such file.")) from problem
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Http404(_("There is no such file."))
    way = "inline" if shown_as else "attachment"
    response = streamed(request, _Reader(descriptor, found.st_size), parts_of(path)[-1], way=way)
    response["Content-Type"] = shown_as or "application/octet-stream"
    response["Content-Length"] = str(found.st_size)
    return response


class Pieces(Protocol):
    """What is sent piece by piece."""

    def piece(self) -> bytes:
        """The next piece, b"" at the end."""

    def close(self) -> None:
        """Let go of what is open; idempotent."""


def streamed(
    request: HttpRequest, pieces: Pieces, name: str, *, way: str = "attachment"
) -> StreamingHttpResponse:
    """Send what came out of a job under a name, so that nothing in it runs."""
    # Django closes what it is given when the answer ends, also when the browser goes away.
    kind = _AsyncPieces if isinstance(request, ASGIRequest) else _SyncPieces
    response = StreamingHttpResponse(kind(pieces), content_type="application/octet-stream")
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    disposition = f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response["Content-Disposition"] = disposition
    response["Content-Security-Policy"] = CSP_OF_STRANGERS
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


class _Reader:
    """Reads a descriptor once, piece by piece, and closes it."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._left = size
        self._lock = Lock()

    def piece(self) -> bytes:
        """The next piece, b"" at the end."""
        with self._lock:
            if self._descriptor < 0 or not self._left:
                return b""
            piece = os.read(self._descriptor, min(CHUNK, self._left))
            self._left = self._left - len(piece) if piece else 0
            return piece

    def close(self) -> None:
        """Close the descriptor, once a piece that is being read is read; idempotent."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class _SyncPieces:
    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.close = pieces.close

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._pieces.piece():
            yield piece


class _AsyncPieces:
    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.close = pieces.close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._pieces.piece):
            yield piece
