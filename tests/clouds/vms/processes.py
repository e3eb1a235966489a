"""Processes that are told by id and beginning, so that never another one is ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def began(pid: int) -> str:
    """When a process began, in the kernel's ticks; "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def recorded(path: Path) -> int:
    """The process that a file names by id and beginning; 0 when it is gone."""
    try:
        pid, start = path.read_text().split()
    except (OSError, ValueError):
        return 0
    return int(pid) if began(int(pid)) == start else 0


def record(path: Path, pid: int) -> None:
    """Write down a process."""
    path.write_text(f"{pid} {began(pid)}\n")


def end(path: Path, *, timeout_s: float = 10) -> None:
    """Kill a recorded process, and wait until it is gone."""
    pid = recorded(path)
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_gone(path, timeout_s=timeout_s)


def wait_gone(path: Path, *, timeout_s: float) -> bool:
    """Wait until a recorded process is gone; whether it is."""
    until = time.monotonic() + timeout_s
    while recorded(path):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
