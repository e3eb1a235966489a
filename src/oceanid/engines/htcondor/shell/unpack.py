"""Unpacks a tar stream of a stranger: only the files that were asked for, checked by hash."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import queue
import secrets
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from oceanid.errors import EngineError

_CHUNK: Final = 1 << 18


class Unpacker:
    """Takes a stream piece by piece and puts each wanted file in place once it is whole.

    Links and devices in the stream, and names that nobody asked for, are passed over.

    Args:
        targets: Member name (without ``./``) to the absolute path where it goes.
        sums: Member name to the SHA-256 that it must have.
    """

    def __init__(self, targets: Mapping[str, Path], sums: Mapping[str, str]) -> None:
        self._targets = targets
        self._sums = sums
        self._pipe = _Pipe()
        self._done: set[str] = set()
        self._work: asyncio.Task[None] | None = None
        self.size = 0

    @property
    def lacking(self) -> list[str]:
        """What did not arrive whole."""
        return [name for name in self._targets if name not in self._done]

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(asyncio.to_thread(self._unpack))
        return self

    async def feed(self, data: bytes) -> None:
        """Hand over a piece; waits while the disk is slower than the stream."""
        assert self._work is not None
        while not self._pipe.offer(data):
            if self._work.done():
                break
            await asyncio.sleep(0.005)
        if self._work.done():
            self._work.result()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._work is not None
        self._pipe.end()
        if kind is None:
            await self._work
        else:
            await asyncio.gather(self._work, return_exceptions=True)

    def _unpack(self) -> None:
        try:
            with tarfile.open(
                fileobj=self._pipe, mode="r|", errorlevel=1, errors="surrogateescape"
            ) as archive:
                for member in archive:
                    self._take(archive, member)
        except tarfile.TarError:
            # A stream that broke off: what is lacking tells.
            return
        except OSError as problem:
            raise EngineError(
                "A file from the scheduler can't be written: {strerror}",
                hint="Is the portal's disk full?",
                code="cannot-write",
                transient=True,
                strerror=problem.strerror or problem,
            ) from problem
        finally:
            self._pipe.drain()

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = member.name.removeprefix("./")
        if name not in self._targets:
            return
        if member.islnk() and member.linkname.removeprefix("./") in self._done:
            first = self._targets[member.linkname.removeprefix("./")]
            with first.open("rb") as source:
                self._write(name, source, member.mode)
        elif member.isreg():
            source_of = archive.extractfile(member)
            assert source_of is not None
            self._write(name, source_of, member.mode)

    def _write(self, name: str, source: IO[bytes], mode: int) -> None:
        target = self._targets[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".oceanid-{secrets.token_hex(8)}")
        digest = hashlib.sha256()
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                while data := source.read(_CHUNK):
                    digest.update(data)
                    file.write(data)
                    self.size += len(data)
                os.fchmod(file.fileno(), 0o600 | (mode & 0o100))
            if digest.hexdigest() != self._sums[name]:
                return
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(temporary, ignore_errors=True)
                raise IsADirectoryError(0, f"“{target}” is a directory")
            temporary.replace(target)
            self._done.add(name)
        finally:
            temporary.unlink(missing_ok=True)


class _Pipe(io.RawIOBase):
    """Bytes from the event loop to a thread, a bounded number at once."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._held = b""
        self._over = False
        self._ended = False

    def offer(self, data: bytes) -> bool:
        try:
            self._queue.put_nowait(data)
        except queue.Full:
            return False
        return True

    def end(self) -> None:
        self._ended = True

    def read(self, size: int = -1, /) -> bytes:
        while not self._held and not self._over:
            try:
                self._held = self._queue.get(timeout=0.02)
            except queue.Empty:
                self._over = self._ended and self._queue.empty()
        found, self._held = self._held[:size], self._held[size:]
        return found

    def drain(self) -> None:
        """Throw away what nobody wants any more, so that nobody waits for room."""
        while not self._over:
            self.read(1 << 20)
