"""Keeps child processes alive: restarts what ends, waits longer each time, stops them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oceanid import orphans

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 20.0
STOP_S = 4.0

log = logging.getLogger("oceanid.up")


@dataclass(frozen=True, slots=True)
class Member:
    """One child process.

    Args:
        name: What a person reads.
        command: The program and its arguments.
        keeps: Descriptors that it inherits.
    """

    name: str
    command: Sequence[str]
    keeps: Sequence[int] = ()


class Family:
    """Children of this process that live as long as it does.

    Each is in a session of its own, so that a terminal's Ctrl-C reaches the parent alone. Each
    also ends by itself when the parent is killed (see :mod:`oceanid.orphans`).
    """

    def __init__(self, members: Sequence[Member], *, environment: Mapping[str, str]) -> None:
        self.members = members
        self.environment = environment
        self._alive: dict[str, asyncio.subprocess.Process] = {}
        self._pipe, self._our_end = os.pipe()

    async def keep(self, until: asyncio.Event) -> None:
        """Run all members until the event is set, then stop them within five seconds."""
        keepers = [asyncio.create_task(self._keep(member)) for member in self.members]
        await until.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await self._stop()
        os.close(self._our_end)
        os.close(self._pipe)

    async def _keep(self, member: Member) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            started = time.monotonic()
            process = await self._start(member)
            code = await process.wait()
            if time.monotonic() - started > STEADY_S:
                wait_s = FIRST_WAIT_S
            log.error(
                "The %s ended (%s); it is started again in %.1f s.",
                member.name,
                f"signal {-code}" if code < 0 else f"exit code {code}",
                wait_s,
                extra={"action": "restart", "process": member.name},
            )
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _start(self, member: Member) -> asyncio.subprocess.Process:
        starting = asyncio.create_subprocess_exec(
            *member.command,
            stdin=asyncio.subprocess.DEVNULL,
            env={**self.environment, orphans.VARIABLE: str(self._pipe)},
            pass_fds=(self._pipe, *member.keeps),
            start_new_session=True,
        )
        # A cancellation between fork and bookkeeping would leave a child that nobody stops.
        process = await asyncio.shield(asyncio.ensure_future(self._noted(member, starting)))
        return process

    async def _noted(self, member: Member, starting: object) -> asyncio.subprocess.Process:
        process: asyncio.subprocess.Process = await starting  # type: ignore[misc]
        self._alive[member.name] = process
        return process

    async def _stop(self) -> None:
        alive = [each for each in self._alive.values() if each.returncode is None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        waiting = [asyncio.create_task(process.wait()) for process in alive]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_S)
        for process in alive:
            if process.returncode is None:
                log.warning("Process %d did not stop; it is killed.", process.pid)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        await asyncio.gather(*waiting)
