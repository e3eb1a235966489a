"""Packs a directory of a job into a zip while it is sent: no file of ours, and a bounded memory."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from oceanid.web import jobfiles

MOST_FILES: Final = 50_000
MOST_TOLD: Final = 1000
LEFT_OUT: Final = "LEFT-OUT.txt"
_CHUNK: Final = 256 * 1024
_LEVEL: Final = 1
_LARGE: Final = 1 << 31


class _Found(NamedTuple):
    """A file on the way into the zip: its descriptor, to be closed by who gets it."""

    name: str
    descriptor: int
    about: os.stat_result


class Bundle:
    """A zip of all plain files below a directory, piece by piece.

    No link is followed; what is left out is listed in a file of the zip. A file that grows
    meanwhile is cut where it ended when its turn came.
    """

    def __init__(self, base: Path, path: str) -> None:
        self._pieces = _pieces(base, path)
        self._lock = Lock()
        self._is_closed = False

    def piece(self) -> bytes:
        """The next piece, b"" at the end."""
        with self._lock:
            return b"" if self._is_closed else next(self._pieces, b"")

    def close(self) -> None:
        """Let go of what is open, once a piece that is being made is done; idempotent."""
        with self._lock:
            self._is_closed = True
            self._pieces.close()


class _Stream:
    """What a ZipFile writes to when nobody can go back in it."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept elsewhere."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        data = bytes(self._held)
        self._held.clear()
        return data

    def __len__(self) -> int:
        return len(self._held)


def _pieces(base: Path, path: str) -> Generator[bytes, None, None]:
    stream = _Stream()
    left_out = _LeftOut()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:  # type: ignore[call-overload]
        for number, found in enumerate(_files(base, path, left_out)):
            try:
                if number >= MOST_FILES:
                    left_out.tell(f"everything after the first {MOST_FILES:,} files")
                    break
                info = _info(found, archive)
                is_large = found.about.st_size >= _LARGE
                with archive.open(info, "w", force_zip64=is_large) as to:
                    for data in _read(found):
                        to.write(data)
                        if len(stream) >= _CHUNK:
                            yield stream.taken()
            except OSError as problem:
                left_out.tell(f"{found.name}: {problem.strerror}, it may be cut")
            finally:
                os.close(found.descriptor)
            if len(stream) >= _CHUNK:
                yield stream.taken()
        if left_out.lines:
            name = LEFT_OUT
            while name in archive.NameToInfo:
                name = f"_{name}"
            archive.writestr(name, left_out.text())
    yield stream.taken()


def _read(found: _Found) -> Iterator[bytes]:
    left = found.about.st_size
    while left and (data := os.read(found.descriptor, min(_CHUNK, left))):
        left -= len(data)
        yield data


def _info(found: _Found, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    name = found.name
    while name in archive.NameToInfo:
        name += "_"
    changed = datetime.fromtimestamp(found.about.st_mtime, UTC)
    moment = changed.timetuple()[:6] if 1980 <= changed.year < 2108 else (1980, 1, 1, 0, 0, 0)
    info = zipfile.ZipInfo(name, moment)
    info.compress_type = zipfile.ZIP_DEFLATED
    executable = found.about.st_mode & 0o100
    info.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    info.file_size = found.about.st_size
    return info


class _LeftOut:
    """What is not in the zip, and why."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, what: str) -> None:
        """Take note of something."""
        if len(self.lines) < MOST_TOLD:
            self.lines.append(what)

    def text(self) -> str:
        """The list as a file."""
        cut = ["…"] if len(self.lines) == MOST_TOLD else []
        return "\n".join(["Not in this archive:", "", *self.lines, *cut, ""])


def _files(base: Path, path: str, left_out: _LeftOut) -> Iterator[_Found]:
    """The plain files below a directory, opened one by one, in the order of their names."""
    try:
        with jobfiles.opened(base, path) as (descriptor, about):
            if stat.S_ISDIR(about.st_mode):
                yield from _below(descriptor, (), left_out)
    except (FileNotFoundError, jobfiles.NotPlain):
        return


def _below(folder: int, way: tuple[str, ...], left_out: _LeftOut) -> Iterator[_Found]:
    if len(way) >= jobfiles.MOST_DEPTH:
        left_out.tell(f"{'/'.join(way)}/: too deep")
        return
    with os.scandir(folder) as scan:
        names = sorted(each.name for each in islice(scan, MOST_FILES + 1))
    for name in names:
        shown = "/".join((*way, _name(name)))
        try:
            descriptor = os.open(name, jobfiles.OPENED, dir_fd=folder)
        except OSError:
            left_out.tell(f"{shown}: a link, or nothing that can be read")
            continue
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode):
            yield _Found(shown, descriptor, about)
            continue
        try:
            if stat.S_ISDIR(about.st_mode):
                yield from _below(descriptor, (*way, _name(name)), left_out)
            else:
                left_out.tell(f"{shown}: no file")
        finally:
            os.close(descriptor)


def _name(name: str) -> str:
    """A name that means one file below, on every system that may unpack it."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    plain = "".join("_" if ord(each) < 32 or each in '\\:*?"<>|\x7f' else each for each in text)
    return plain.rstrip(". ") or "_"
