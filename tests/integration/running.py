"""Starts programs as a person at a terminal would, and waits, in bounds, for what they do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
OURS = ("OCEANID_", "DJANGO_", "DATABASE_URL", "PYTHONPATH", "TETHYS_")


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without what would make a program think that it belongs to these tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200", **more}


def said(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    expect: int | None = 0,
    timeout_s: float = 120,
) -> str:
    """Run a program to its end; its output, after a look at its exit code."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    assert expect is None or done.returncode == expect, done.stdout
    return done.stdout


@contextlib.contextmanager
def background(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside the test; it is stopped at the end, by force if need be."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def eventually(look: Callable[[], T], *, within_s: float, what: str) -> T:
    """Look until the answer is true; the answer."""
    deadline = time.monotonic() + within_s
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {within_s} s: {what}")
        time.sleep(0.05)


def oceanid(*words: str) -> list[str]:
    """The `oceanid` command of this environment."""
    return [sys.executable, "-m", "oceanid.cli.main", *words]
