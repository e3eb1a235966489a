"""A shell of this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from oceanid.engines.htcondor.shell.base import Shell
from oceanid.engines.htcondor.shell.talk import Process
from oceanid.errors import EngineUnavailable

_KEPT: Final = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "CONDOR_CONFIG", "KRB5CCNAME")
_LEAVE_WITHIN_S: Final = 2.0


class LocalShell(Shell):
    """Runs scripts on this machine, as the account that the supervisor runs as.

    Of the supervisor's environment only what HTCondor's commands need is passed on, so that
    no secret of the portal gets into a job by ``getenv``.
    """

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is kept open."""

    @asynccontextmanager
    async def process(self, command: str, *, is_long: bool = False) -> AsyncIterator[Process]:
        """Start ``sh`` in a process group of its own."""
        loop = asyncio.get_running_loop()
        # Not create_subprocess_exec(), which gives nothing by which to close the pipes: wait()
        # then waits for whoever still holds them.
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: SubprocessStreamProtocol(limit=1 << 16, loop=loop),
                "/bin/sh",
                "-c",
                command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(os.environ),
                cwd=_home(),
                start_new_session=True,
            )
        except OSError as problem:
            raise EngineUnavailable(
                "A command can't be started: {problem}", problem=problem
            ) from problem
        went_well = False
        try:
            yield _LocalProcess(protocol)
            went_well = True
        finally:
            end = _end(transport, protocol, gently=is_long or went_well)
            await asyncio.shield(asyncio.ensure_future(end))


class _LocalProcess:
    def __init__(self, protocol: SubprocessStreamProtocol) -> None:
        assert protocol.stdin and protocol.stdout and protocol.stderr
        self._in, self._out, self._err = protocol.stdin, protocol.stdout, protocol.stderr

    async def write(self, data: bytes) -> None:
        self._in.write(data)
        await self._in.drain()

    async def write_eof(self) -> None:
        self._in.write_eof()

    async def read(self, limit: int) -> bytes:
        return await self._out.read(limit)

    async def read_error(self, limit: int) -> bytes:
        return await self._err.read(limit)


async def _end(
    transport: asyncio.SubprocessTransport, protocol: SubprocessStreamProtocol, *, gently: bool
) -> None:
    """Kill what still runs; a script that ended well leaves by itself, and a followed one sees
    the end of its stdin and clears up first."""
    if protocol.stdin is not None:
        protocol.stdin.close()
    if gently:
        await _wait(transport, _LEAVE_WITHIN_S)
    if transport.get_returncode() is None:
        with suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        await _wait(transport, _LEAVE_WITHIN_S)
    transport.close()


async def _wait(transport: asyncio.SubprocessTransport, within_s: float) -> None:
    """Wait for the process's end, whoever may still hold its pipes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while transport.get_returncode() is None and loop.time() < until:
        await asyncio.sleep(0.002)


def _environment(present: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in present.items()
        if name in _KEPT or name.startswith("_CONDOR_")
    }


def _home() -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 - it may not exist, which is no mistake here
    return home if os.path.isdir(home) else "/"  # noqa: PTH112
