"""Calls of SDKs that block, each in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Run a blocking call in a thread of its own.

    When the caller is cancelled, the call is left to itself: a daemon, so that one that hangs
    keeps neither the other calls nor the end of the process waiting.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except BaseException as problem:  # noqa: BLE001 - raised again where it is awaited
            _tell(loop, done, None, problem)
        else:
            _tell(loop, done, result, None)

    threading.Thread(target=work, name="oceanid-cloud", daemon=True).start()
    return await done


def _tell(
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[T],
    result: T | None,
    problem: BaseException | None,
) -> None:
    def set_it() -> None:
        if done.done():
            return
        if problem is not None:
            done.set_exception(problem)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(set_it)
        except RuntimeError:
            return  # the loop was closed meanwhile: nobody waits
