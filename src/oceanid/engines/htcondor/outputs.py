"""Brings the outputs of ended tasks from the submit host, many in one stream, checked by hash."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import secrets
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from oceanid.engines.htcondor.manifest import Entry
from oceanid.engines.htcondor.placing import Places, place_member, place_stream
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.engines.local.runner.files import Refused
from oceanid.errors import EngineError, EngineUnavailable

_STILL: Final = 120.0
# The hash stands behind the archive: so the files are read once. `cat` makes stdout a pipe, which
# unlike a socket can be opened by its name in /dev/fd.
_SEND: Final = """\
cd "b/$B" || exit 1
{
    exec 3>&1
    h=$(for n in $N; do
        if [ -e "o/$n.done" ]; then printf 'o/%s.done\\0' "$n"; continue; fi
        for f in "s/$n.out" "s/$n.err"; do [ ! -f "$f" ] || printf '%s\\0' "$f"; done
        [ ! -d "o/$n" ] || find "o/$n" \\( -type f -o -type l -o -path "o/$n" \\) -print0
    done | tar --null --no-recursion --ignore-failed-read -T - -cf - | tee /dev/fd/3 | sha256sum)
    printf '%s %s' "$NONCE" "${h%% *}"
} | cat
"""
_DONE: Final = """\
cd "b/$B" || exit 1
for n in $N; do : >"o/$n.done" && rm -rf "o/$n" "s/$n.out" "s/$n.err"; done
"""


@dataclass(slots=True)
class Brought:
    """What came of bringing one task's outputs.

    Args:
        failed: Why the outputs can't be had, when trying again will not help.
        notes: What was left out, in plain words.
    """

    failed: Refused | None = None
    notes: list[str] = field(default_factory=list)


async def bring(
    remote: Remote, batch: UUID, entries: Mapping[int, Entry], *, spool: Path
) -> dict[int, Brought]:
    """Bring the outputs of these tasks of a batch, and take note there that they are here.

    Idempotent: what was brought once, in whole, is not brought again.

    Returns:
        What came of each that is here now; one that is missing there too.

    Raises:
        EngineUnavailable: The connection broke; to be tried again.
        EngineError: The copy is damaged, or this machine has no room; to be tried again.
    """
    numbers = " ".join(map(str, entries))
    archive = spool / f"fetch.{secrets.token_hex(8)}.tar"
    try:
        await _receive(remote, batch, numbers, archive)
        brought = await asyncio.to_thread(_unpack, archive, entries)
        for number in entries.keys() - brought.keys():
            lost = Refused(
                "outputs-lost",
                "Its outputs are no longer on the submit host.",
                "Somebody removed them there; resubmit the job.",
            )
            brought[number] = Brought(lost, [lost.reason])
    finally:
        archive.unlink(missing_ok=True)
    noted = await remote.run(_DONE, B=str(batch), N=numbers)
    if noted.exit_status:
        raise failure("What was brought back can't be marked as such", told(noted))
    return brought


async def _receive(remote: Remote, batch: UUID, numbers: str, archive: Path) -> None:
    """Write the stream to a file, without what stands behind the archive, and check it."""
    nonce = secrets.token_hex(16)
    tail_size = len(nonce) + 1 + 64
    digest, held = hashlib.sha256(), b""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("xb") as file:
        stream = remote.follow(_SEND, B=str(batch), N=numbers, NONCE=nonce)
        async for data in _bounded(stream):
            held += data
            if len(held) > tail_size:
                part, held = held[:-tail_size], held[-tail_size:]
                digest.update(part)
                _write(file, part)
    mark, _, told_hash = held.decode(errors="replace").partition(" ")
    if mark != nonce:
        raise EngineUnavailable("The outputs did not come in whole.", hint="It is tried again.")
    if told_hash != digest.hexdigest():
        raise EngineError(
            "The outputs were damaged on the way.", hint="It is tried again.", transient=True
        )


async def _bounded(stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The stream's data; a silence of two minutes ends it."""
    try:
        while True:
            try:
                async with asyncio.timeout(_STILL):
                    data = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as problem:
                raise EngineUnavailable("The outputs stopped coming.") from problem
            yield data
    finally:
        await stream.aclose()


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as problem:
        raise _no_room(problem) from problem


def _no_room(problem: OSError) -> EngineError:
    return EngineError(
        "This machine can't store the outputs: {strerror}.",
        hint="Make room on the portal's disk; it is tried again.",
        transient=True,
        code="disk-full",
        strerror=problem.strerror,
    )


def _unpack(archive: Path, entries: Mapping[int, Entry]) -> dict[int, Brought]:
    brought: dict[int, Brought] = {}
    places: dict[int, Places] = {}
    with tarfile.open(archive, mode="r:") as tar:
        for info in tar:
            kind, number, name = _parsed(info.name)
            entry = entries.get(number)
            if entry is None:
                continue
            made = brought.setdefault(number, Brought())
            if not name:
                continue
            if not info.isreg():
                made.notes.append(f"“{name}” is a link or a special file and was not brought back.")
                continue
            content = tar.extractfile(info)
            assert content is not None
            try:
                Path(entry.wanted.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
                if kind == "s":
                    target = entry.stderr if name == "err" else entry.stdout
                    place_stream(content, target, entry=entry)
                else:
                    at = places.setdefault(id(entry.wanted), Places(entry.wanted))
                    place_member(content, info, name, places=at, folder=entry.wanted.folder)
            except Refused as why:
                _refused(made, why, declared=entry.wanted.outputs is not None)
            except OSError as problem:
                if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise _no_room(problem) from problem
                told_why = f"“{name}” can't be written: {problem.strerror}."
                _refused(made, Refused("bad-output", told_why), declared=True)
    return brought


def _refused(made: Brought, why: Refused, *, declared: bool) -> None:
    made.notes.append(why.reason)
    if declared and made.failed is None:
        made.failed = why


def _parsed(name: str) -> tuple[str, int, str]:
    """A member's name as its kind, its task's number and the rest; -1 for a stranger."""
    parts: Sequence[str] = name.rstrip("/").split("/", 2)
    if parts[0] == "s" and len(parts) == 2:
        number, _, stream = parts[1].partition(".")
        if number.isdigit() and stream in ("out", "err"):
            return "s", int(number), stream
    elif parts[0] == "o" and len(parts) >= 2:
        number = parts[1].removesuffix(".done")
        if number.isdigit():
            return "o", int(number), parts[2] if len(parts) == 3 else ""
    return "", -1, ""
