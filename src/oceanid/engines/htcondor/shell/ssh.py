"""A shell at the other end of a kept-open SSH connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncssh

from oceanid.engines.htcondor.shell.base import Shell
from oceanid.engines.htcondor.shell.connect import told
from oceanid.engines.htcondor.shell.sessions import Link, Sessions
from oceanid.engines.htcondor.shell.talk import Process
from oceanid.engines.htcondor.shell.target import Target

_CLOSED_WITHIN_S: Final = 5.0

SshProcess = asyncssh.SSHClientProcess[bytes]


class SshShell(Shell):
    """Runs scripts as an account of another machine.

    It connects by itself when it is used and again after a break, with a back-off. A frozen
    connection is noticed within four times ``keepalive_s``.

    Args:
        target: The account.
        environment: Variables set for every script.
        path: Folders that go before PATH.
        connect_timeout_s: How long a connection may take to come about.
        keepalive_s: How often the server is asked whether it is still there.
    """

    def __init__(
        self,
        target: Target,
        *,
        environment: Mapping[str, str] | None = None,
        path: Sequence[str] = (),
        connect_timeout_s: float = 15.0,
        keepalive_s: float = 7.0,
    ) -> None:
        super().__init__(environment=environment, path=path)
        self.target: Target = target
        self._sessions = Sessions(
            target, connect_timeout_s=connect_timeout_s, keepalive_s=keepalive_s
        )

    async def open(self) -> None:
        """Connect now, whatever the back-off says, unless a connection stands."""
        await self._sessions.open()

    async def close(self) -> None:
        """Close every connection; what was followed is killed at the other end."""
        await self._sessions.close()

    @asynccontextmanager
    async def process(self, command: str, *, is_long: bool = False) -> AsyncIterator[Process]:
        """Open a session and start the account's login shell in it."""
        link, process = await self._start(command, is_long=is_long)
        went_well = False
        try:
            yield _Streams(process)
            went_well = True
        except (asyncssh.Error, ConnectionError) as problem:
            raise told(problem, self.target) from problem
        finally:
            # Shielded: the session counts until the server has closed it.
            end = self._end(link, process, went_well=went_well, is_long=is_long)
            await asyncio.shield(asyncio.ensure_future(end))

    async def _start(self, command: str, *, is_long: bool) -> tuple[Link, SshProcess]:
        while True:
            link = await self._sessions.take(is_long=is_long)
            try:
                process = await link.connection.create_process(
                    command, encoding=None, request_pty=False
                )
            except asyncssh.ChannelOpenError as problem:
                if not link.is_alive:
                    self._sessions.give_back(link, is_long=is_long)
                    raise told(problem, self.target) from problem
                await self._sessions.refused(link, problem, is_long=is_long)
            except (asyncssh.Error, OSError) as problem:
                self._sessions.give_back(link, is_long=is_long)
                raise told(problem, self.target) from problem
            except BaseException:
                self._sessions.give_back(link, is_long=is_long)
                raise
            else:
                link.refused = 0
                return link, process

    async def _end(
        self, link: Link, process: SshProcess, *, went_well: bool, is_long: bool
    ) -> None:
        with suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(_CLOSED_WITHIN_S):
                if not went_well and not is_long:
                    # What is followed sees the end of its stdin, and clears up.
                    process.kill()
                process.close()
                await process.wait_closed()
        self._sessions.give_back(link, is_long=is_long)


class _Streams:
    def __init__(self, process: SshProcess) -> None:
        self._process = process

    async def write(self, data: bytes) -> None:
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def write_eof(self) -> None:
        self._process.stdin.write_eof()

    async def read(self, limit: int) -> bytes:
        return await self._process.stdout.read(limit)

    async def read_error(self, limit: int) -> bytes:
        return await self._process.stderr.read(limit)
