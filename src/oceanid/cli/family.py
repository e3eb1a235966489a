"""Keeps child processes alive: restarts what ends, waits longer each time, stops them all."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
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
        self._alive: dict[str, subprocess.Popen[bytes]] = {}
        self._pipe, self._our_end = os.pipe()

    async def keep(self, until: asyncio.Event) -> None:
        """Run all members until the event is set, then stop them within five seconds.

        Raises:
            OSError: A member can't be started at all; the others were stopped.
        """
        keepers = [asyncio.create_task(self._keep(member)) for member in self.members]
        asked = asyncio.create_task(until.wait())
        ended, _ = await asyncio.wait([asked, *keepers], return_when=asyncio.FIRST_COMPLETED)
        for task in (asked, *keepers):
            task.cancel()
        await asyncio.gather(asked, *keepers, return_exceptions=True)
        await self._stop()
        os.close(self._our_end)
        os.close(self._pipe)
        for task in ended - {asked}:
            await task

    async def _keep(self, member: Member) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            started = time.monotonic()
            # Started in the loop's thread: a cancellation can't come between start and note.
            process = self._start(member)
            code = await asyncio.to_thread(process.wait)
            if time.monotonic() - started > STEADY_S:
                wait_s = FIRST_WAIT_S
            log.error(
                "The %s ended (%s); it is started again in %.1f s.",
                member.name,
                f"signal {-code}" if code < 0 else f"exit code {code}",
                wait_s,
                extra={"action": "restart", "child": member.name},
            )
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _start(self, member: Member) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            member.command,
            stdin=subprocess.DEVNULL,
            env={**self.environment, orphans.VARIABLE: str(self._pipe)},
            pass_fds=(self._pipe, *member.keeps),
            start_new_session=True,
        )
        self._alive[member.name] = process
        return process

    async def _stop(self) -> None:
        alive = [each for each in self._alive.values() if each.poll() is None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + STOP_S
        while any(each.poll() is None for each in alive) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for process in alive:
            if process.poll() is None:
                log.warning(
                    "Process %d did not stop; it is killed.", process.pid, extra={"action": "kill"}
                )
                process.kill()
                process.wait()
