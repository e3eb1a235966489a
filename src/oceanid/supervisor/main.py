"""Starts a supervisor in this process."""

from __future__ import annotations

import asyncio
import signal

from oceanid.supervisor.loop import Supervisor


def run() -> int:
    """Supervise until SIGTERM or SIGINT; returns the exit code. Several may run at once."""
    return asyncio.run(_supervise())


async def _supervise() -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Supervisor().run(stop)
    return 0
