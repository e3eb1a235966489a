"""Moves files in bulk: one tar stream each way, checked by hash, put in place by renaming.

There is one way and no second: a tar stream through the same shell that runs the commands. It
needs neither SFTP nor rsync, takes no round trip for a file, and no session of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from oceanid.engines.htcondor.shell.listing import FUNCTIONS, checked_name, plain_files
from oceanid.engines.htcondor.shell.sh import Script, encode, lines, sh
from oceanid.engines.htcondor.shell.unpack import Unpacker
from oceanid.errors import EngineError

if TYPE_CHECKING:
    from oceanid.engines.htcondor.shell.base import Shell

_CHUNK: Final = 1 << 18
_GROUP_FILES: Final = 1000
_GROUP_BYTES: Final = 128 << 20
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way to the scheduler's machine.

    Args:
        source: A file of this machine, or its content itself.
        target: Where to, relative to the root that :meth:`Shell.put` is given.
        mode: Its permissions there.
    """

    source: Path | bytes
    target: str
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way back.

    Args:
        source: Where from, relative to the root that :meth:`Shell.get` is given.
        target: An absolute path on this machine; its folder is made as needed.
    """

    source: str
    target: Path


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a copy came to.

    Args:
        copied: How many files went over.
        already_there: How many were there with the same content.
        size: How many bytes went over.
        refused: For downloads: what is not a plain file there (missing, a link, a directory).
    """

    copied: int
    already_there: int
    size: int
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parcel:
    upload: Upload
    target: str
    size: int
    sha256: str


async def put(shell: Shell, root: str, files: Sequence[Upload]) -> Transferred:
    """See :meth:`Shell.put`."""
    parcels = await asyncio.to_thread(_measured, files)
    there = await plain_files(shell, root, [each.target for each in parcels])
    missing = [
        each
        for each in parcels
        if (found := there.get(each.target)) is None or found.sha256 != each.sha256
    ]
    for group in _groups(missing):
        await _send(shell, root, group)
    return Transferred(
        len(missing), len(parcels) - len(missing), sum(each.size for each in missing)
    )


async def get(shell: Shell, root: str, files: Sequence[Download]) -> Transferred:
    """See :meth:`Shell.get`."""
    wanted = {checked_name(each.source): each.target for each in files}
    there = await plain_files(shell, root, list(wanted))
    unread = [name for name, entry in there.items() if not entry.sha256]
    if unread:
        raise EngineError(
            "“{unread}” can't be read in {root}.",
            code="unreadable-file",
            unread=unread[0],
            root=root,
        )
    here = await asyncio.to_thread(_hashes, [wanted[name] for name in there])
    missing = [name for name, entry in there.items() if here[wanted[name]] != entry.sha256]
    size = 0
    for start in range(0, len(missing), _GROUP_FILES):
        group = {name: wanted[name] for name in missing[start : start + _GROUP_FILES]}
        unpacker = Unpacker(group, {name: there[name].sha256 for name in group})
        ask = lines(
            (
                sh("cd -- @root@ || exit 1", root=root),
                sh("exec tar -cf - @names@", names=[f"./{name}" for name in group]),
            )
        )
        async with unpacker:
            told = await shell.run(
                sh("exec /bin/sh"),
                stdin=ask.encode() + b"\n",
                timeout_s=None,
                sink=unpacker.feed,
                is_long=True,
            )
        size += unpacker.size
        if unpacker.lacking:
            raise EngineError(
                "“{name}” changed while it was copied. {complaint}"
                if told.complaint
                else "“{name}” changed while it was copied.",
                hint="It is copied again by itself.",
                name=unpacker.lacking[0],
                complaint=told.complaint,
                code="files-changed",
                transient=True,
            )
    refused = tuple(name for name in wanted if name not in there)
    return Transferred(len(missing), len(there) - len(missing), size, refused)


_RECEIVE: Final = """\
mkdir -p -- @root@ && cd -- @root@ && root=$PWD || exit 1
mkdir -- @box@ || exit 1
trap 'cd / && rm -rf -- "$root"/'@box@ EXIT
trap 'exit 1' HUP INT TERM
cd -- @box@ || exit 1
tar -xpof - || exit 1
sums -c SUMS >/dev/null || exit 1
. ./MOVES
"""


async def _send(shell: Shell, root: str, group: Sequence[_Parcel]) -> None:
    box = f".oceanid-{secrets.token_hex(8)}"
    script = lines((FUNCTIONS, sh(_RECEIVE, root=root, box=box)))
    done = await shell.run(script, stdin=_archive(group), timeout_s=None, is_long=True)
    if done.exit_status:
        raise EngineError(
            "Files could not be copied to {root}: {complaint}",
            hint="Is the disk there full, or the folder not the account's own?",
            code="copy-failed",
            transient=True,
            root=root,
            complaint=done.complaint or "they arrived broken",
        )


async def _archive(group: Sequence[_Parcel]) -> AsyncIterator[bytes]:
    """A tar stream, made in a thread piece by piece."""
    pieces = _pieces(group)
    while data := await asyncio.to_thread(next, pieces, b""):
        yield data


def _pieces(group: Sequence[_Parcel]) -> Iterator[bytes]:
    """The files by folder, their sums, and the script that puts them in place."""
    piece = bytearray()
    for data in _members(group):
        piece += data
        if len(piece) >= _CHUNK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + b"\0" * (2 * _BLOCK))


def _members(group: Sequence[_Parcel]) -> Iterator[bytes]:
    folders: dict[str, list[str]] = {}
    sums = []
    for each in group:
        path = PurePosixPath(each.target)
        folders.setdefault(str(path.parent), []).append(path.name)
    number_of = {folder: number for number, folder in enumerate(folders)}
    for each in group:
        path = PurePosixPath(each.target)
        inner = f"{number_of[str(path.parent)]}/{path.name}"
        sums.append(f"{each.sha256}  {inner}\n")
        yield _header(inner, each.size, each.upload.mode)
        yield from _content(each)
        yield _padding(each.size)
    moves = lines(_moves(folders))
    for name, text in (("SUMS", "".join(sums)), ("MOVES", moves.text + "\n")):
        content = encode(text)
        yield _header(name, len(content), 0o600) + content + _padding(len(content))


def _moves(folders: dict[str, list[str]]) -> Iterator[Script]:
    yield Script("set -e")
    for number, (folder, names) in enumerate(folders.items()):
        target = f"../{folder}/"
        yield sh("mkdir -p -- @target@", target=target)
        for start in range(0, len(names), 200):
            files = [f"{number}/{name}" for name in names[start : start + 200]]
            yield sh("mv -f -- @files@ @target@", files=files, target=target)


def _content(parcel: _Parcel) -> Iterator[bytes]:
    if isinstance(parcel.upload.source, bytes):
        yield parcel.upload.source
        return
    left = parcel.size
    with parcel.upload.source.open("rb") as file:
        while left:
            # A file that became shorter is filled up; its sum at the other end tells.
            data = file.read(min(left, _CHUNK)) or b"\0" * min(left, _CHUNK)
            left -= len(data)
            yield data


def _header(name: str, size: int, mode: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


def _groups(parcels: Sequence[_Parcel]) -> Iterator[list[_Parcel]]:
    group: list[_Parcel] = []
    size = 0
    for each in parcels:
        if group and (len(group) >= _GROUP_FILES or size + each.size > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(each)
        size += each.size
    if group:
        yield group


def _measured(files: Sequence[Upload]) -> list[_Parcel]:
    found = []
    targets: set[str] = set()
    for each in files:
        target = checked_name(each.target)
        if target in targets:
            raise EngineError("“{target}” is named twice.", code="bad-name", target=target)
        targets.add(target)
        if isinstance(each.source, bytes):
            digest, size = hashlib.sha256(each.source).hexdigest(), len(each.source)
        else:
            try:
                digest, size = _measure(each.source)
            except OSError as problem:
                raise EngineError(
                    "“{source}” can't be read: {strerror}",
                    code="missing-file",
                    source=each.source,
                    strerror=problem.strerror,
                ) from problem
        found.append(_Parcel(each, target, size, digest))
    return found


def _measure(file: Path) -> tuple[str, int]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return digest, opened.tell()


def _hashes(files: Sequence[Path]) -> dict[Path, str]:
    found = {}
    for file in files:
        is_plain = file.is_file() and not file.is_symlink()
        found[file] = _measure(file)[0] if is_plain else ""
    return found
