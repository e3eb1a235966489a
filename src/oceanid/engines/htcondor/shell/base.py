"""The shell protocol: run scripts, follow streams and move files, here or over SSH alike."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from oceanid.engines.htcondor.shell.frame import Framed, frame
from oceanid.engines.htcondor.shell.listing import Entry, entries
from oceanid.engines.htcondor.shell.sh import Script, sh
from oceanid.engines.htcondor.shell.talk import Process, Talk
from oceanid.engines.htcondor.shell.target import Target
from oceanid.engines.htcondor.shell.transfer import (
    Download,
    Transferred,
    Upload,
    get,
    put,
)
from oceanid.errors import EngineError, EngineUnavailable

MOST_OUTPUT: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Completed:
    """What a script came to.

    Args:
        exit_status: 0 for success; 128 + n when a signal ended it.
        stdout: All of it, byte for byte, without any noise of a login shell.
        stderr: Likewise.
    """

    exit_status: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        """The last line of stderr, for a person."""
        told = self.stderr.decode("utf-8", "replace").strip()
        return told.rpartition("\n")[2][:500]

    def checked(self, doing: str) -> bytes:
        """Its stdout.

        Raises:
            EngineError: It did not succeed; ``doing`` says what it was about.
        """
        if self.exit_status:
            raise EngineError(
                "{doing} failed: {complaint}",
                code="command-failed",
                doing=doing,
                complaint=self.complaint or f"exit status {self.exit_status}",
            )
        return self.stdout


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and where the shell is.

    Args:
        user: The account's name there.
        home: Its home directory.
        host: What the machine calls itself.
        system: What ``uname -sr`` says.
        clock_ahead_s: Seconds that its clock is ahead of ours, give or take a second.
    """

    user: str
    home: str
    host: str
    system: str
    clock_ahead_s: float


class Shell(ABC):
    """Runs ``sh`` scripts as one account of one machine.

    Every method may raise :class:`~oceanid.errors.EngineUnavailable`, which says nothing about
    whether the script ran. Any may be cancelled anywhere; the script's process is then killed
    as well as can be, which is no promise: what must not happen twice is fenced by a lock
    where it happens.

    Args:
        environment: Variables set for every script (``CONDOR_CONFIG`` …).
        path: Folders that go before PATH.
    """

    target: Target | None = None
    """The account of another machine that it leads to; None for this machine."""

    def __init__(
        self, *, environment: Mapping[str, str] | None = None, path: Sequence[str] = ()
    ) -> None:
        self._environment = dict(environment or {})
        self._path = tuple(path)

    @abstractmethod
    async def open(self) -> None:
        """Connect now; idempotent. The other methods connect by themselves."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections and of every process that still runs; idempotent."""

    @abstractmethod
    def process(
        self, command: str, *, is_long: bool = False
    ) -> AbstractAsyncContextManager[Process]:
        """Start the account's login shell with a command line; kill it at the end.

        Args:
            command: A fixed line, free of any value.
            is_long: Whether it may stay for very long, so that others must not wait for it.
        """

    async def run(
        self,
        script: Script,
        *,
        stdin: bytes | AsyncIterator[bytes] = b"",
        timeout_s: float | None = 60.0,
        max_output: int = MOST_OUTPUT,
        sink: Callable[[bytes], Awaitable[None]] | None = None,
        is_long: bool = False,
    ) -> Completed:
        """Run a script to its end.

        Args:
            script: What to run.
            stdin: What it reads.
            timeout_s: How long it may take in all; None for as long as the connection lives.
            max_output: How many bytes it may print.
            sink: Takes the output as it comes; ``stdout`` is then empty and has no limit.
            is_long: Whether others must not wait for it.

        Raises:
            EngineUnavailable: It could not be started, or did not end in time.
            EngineError: It printed too much (``too-much-output``).
        """
        framed = self._frame(script)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.process(framed.command, is_long=is_long) as process,
            ):
                talk = Talk(process, framed)
                kept = bytearray()

                async def keep(data: bytes) -> None:
                    kept.extend(data)
                    if len(kept) > max_output:
                        raise EngineError(
                            "A command printed more than {max_output} bytes.",
                            code="too-much-output",
                            max_output=max_output,
                        )

                status, complaints = await talk.to_the_end(stdin, sink or keep)
                return Completed(status, bytes(kept), complaints)
        except TimeoutError as problem:
            raise EngineUnavailable(
                "A command did not end within {timeout_s:g} s.",
                hint="The scheduler's machine may be overloaded.",
                code="engine-timeout",
                timeout_s=timeout_s,
            ) from problem

    async def follow(self, script: Script) -> AsyncIterator[bytes]:
        """Run a script for as long as the caller listens, and give its output as it comes.

        Close the iterator (``aclosing``) or cancel its reader: the script and all the processes
        that it started are then killed. When the connection breaks they are killed there too,
        as soon as that machine notices.

        Raises:
            EngineError: The script ended by itself, and not well.
        """
        framed = self._frame(script, followed=True)
        async with self.process(framed.command, is_long=True) as process:
            talk = Talk(process, framed)
            async for data in talk.as_it_comes():
                yield data

    async def identity(self) -> Identity:
        """Who and where this shell is; asked anew each time, for the clock's sake."""
        script = sh('date +%s; id -un; printf "%s\\n" "$HOME"; uname -n; uname -sr; date +%s')
        before = time.time()
        told = (await self.run(script)).checked("Asking who we are")
        middle = (before + time.time()) / 2
        first, user, home, host, system, last = told.decode("utf-8", "replace").splitlines()
        ahead = (int(first) + int(last) + 1) / 2 - middle
        return Identity(user, home, host, system, round(ahead, 1))

    async def put(self, root: str, files: Sequence[Upload]) -> Transferred:
        """Copy files to below ``root``, each one whole or not at all, checked by its hash.

        What is there already with the same content is not sent again, so a copy that broke off
        goes on where it was when it is asked for again. Folders are made as needed.

        Raises:
            EngineError: A source is missing or changed meanwhile, or the disk there is full.
        """
        return await put(self, root, files)

    async def get(self, root: str, files: Sequence[Download]) -> Transferred:
        """Copy files from below ``root``, each one whole or not at all, checked by its hash.

        What is here already with the same content is not fetched again. Links are never
        followed: what is not a plain file there is told in ``refused``.
        """
        return await get(self, root, files)

    async def entries(self, root: str) -> tuple[Entry, ...]:
        """What is below a directory, links not followed, with size and hash of each file; ()
        when there is no such directory."""
        return await entries(self, root)

    def _frame(self, script: Script, *, followed: bool = False) -> Framed:
        return frame(script, environment=self._environment, path=self._path, followed=followed)
