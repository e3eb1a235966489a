"""Ends a child process when the one that started it is gone, however it went."""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "OCEANID_PARENT_FD"


def end_with_parent() -> None:
    """Ask for this process's end, by SIGTERM, as soon as its parent has died.

    The parent keeps the writing end of a pipe and gives the reading end's number in
    ``OCEANID_PARENT_FD``; the kernel closes the pipe even when the parent is killed. Does
    nothing in a process that was started otherwise.
    """
    given = os.environ.pop(VARIABLE, "")
    if not given:
        return
    descriptor = int(given)
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait, args=(descriptor,), name="parent", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
