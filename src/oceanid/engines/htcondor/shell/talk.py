"""A talk with one process: sends the framed script, and listens until its end marker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from oceanid.engines.htcondor.shell.frame import Deframer, Framed
from oceanid.errors import EngineError, EngineUnavailable

_CHUNK: Final = 1 << 16
_MOST_COMPLAINTS: Final = 1 << 20


class Process(Protocol):
    """A login shell's process with its three streams."""

    async def write(self, data: bytes) -> None:
        """Write to its stdin; waits while it does not read."""

    async def write_eof(self) -> None:
        """End its stdin."""

    async def read(self, limit: int) -> bytes:
        """Read from its stdout; b"" at the end."""

    async def read_error(self, limit: int) -> bytes:
        """Read from its stderr; b"" at the end."""


class Talk:
    """One framed script and the process that runs it."""

    def __init__(self, process: Process, framed: Framed) -> None:
        self._process = process
        self._framed = framed
        self._out = Deframer(framed)
        self._err = Deframer(framed)
        self._complaints = bytearray()

    async def to_the_end(
        self,
        stdin: bytes | AsyncIterator[bytes],
        sink: Callable[[bytes], Awaitable[None]],
    ) -> tuple[int, bytes]:
        """Give it its stdin, pass its output on, and answer with exit status and stderr."""
        sending = asyncio.create_task(self._send(stdin))
        complaining = asyncio.create_task(self._listen_to_complaints())
        listening = asyncio.create_task(self._pass_on(sink))
        tasks = {sending, complaining, listening}
        try:
            waited_for = set(tasks)
            # A script may end without reading all of its stdin; one that can't be given all of
            # its stdin would wait for ever.
            while not listening.done():
                done, waited_for = await asyncio.wait(
                    waited_for, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            listening.result()
            await complaining
            return self._status(), bytes(self._complaints)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def as_it_comes(self) -> AsyncIterator[bytes]:
        """Pass its output on until it ends; its stdin stays open meanwhile."""
        await self._process.write(self._framed.head)
        complaining = asyncio.create_task(self._listen_to_complaints())
        try:
            async for data in self._listen():
                yield data
            await complaining
            if status := self._status():
                told = bytes(self._complaints).decode("utf-8", "replace").strip()
                raise EngineError(
                    "What was followed ended: {told}",
                    code="stream-ended",
                    told=told[-500:] or f"exit status {status}",
                )
        finally:
            complaining.cancel()
            await asyncio.gather(complaining, return_exceptions=True)

    async def _send(self, stdin: bytes | AsyncIterator[bytes]) -> None:
        # A script that does not read all of its stdin is not wrong: its output tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            await self._process.write(self._framed.head)
            if isinstance(stdin, bytes):
                for start in range(0, len(stdin), _CHUNK):
                    await self._process.write(stdin[start : start + _CHUNK])
            else:
                async for data in stdin:
                    await self._process.write(data)
            await self._process.write_eof()

    async def _pass_on(self, sink: Callable[[bytes], Awaitable[None]]) -> None:
        async for data in self._listen():
            await sink(data)

    async def _listen(self) -> AsyncIterator[bytes]:
        while not (self._out.ended and b"\n" in self._out.after):
            data = await self._process.read(_CHUNK)
            if not data:
                raise await self._broken_off()
            if found := self._out.feed(data):
                yield found
            if self._out.is_too_noisy:
                raise self._never_began()

    async def _listen_to_complaints(self) -> None:
        while not self._err.ended:
            data = await self._process.read_error(_CHUNK)
            if not data:
                self._complaints += self._err.rest
                return
            self._complaints += self._err.feed(data)
            del self._complaints[:-_MOST_COMPLAINTS]

    def _status(self) -> int:
        return int(self._out.after.split(b"\n")[0])

    async def _broken_off(self) -> EngineError:
        if self._out.begun:
            return EngineUnavailable("The connection broke off while a command ran.")
        return self._never_began()

    def _never_began(self) -> EngineError:
        told = (self._err.noise + b"\n" + self._out.noise).decode("utf-8", "replace").strip()
        what = f" It said: {told[-300:]}" if told else ""
        return EngineError(
            "The account's login shell did not run a command.{what}",
            hint="The account needs a shell that may run commands: not nologin, no forced command.",
            code="no-shell",
            what=what,
        )
