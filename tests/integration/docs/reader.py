"""A reader who does what a page says, in a directory of their own, and compares what they see."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.docs.blocks import Block, blocks_of

WITHIN_S = 120.0
CONSOLE = """
import contextlib, io, json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
room = {"__name__": "console"}
for line in sys.stdin:
    said, problem = io.StringIO(), ["", ""]
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(json.loads(line), "<page>", "exec"), room)
    except BaseException as raised:
        problem = [type(raised).__name__, traceback.format_exc()]
        said.write(f"{type(raised).__name__}: {raised}")
    answers.write(json.dumps([said.getvalue(), *problem]) + "\\n")
    answers.flush()
"""


class Reader:
    """Follows pages from a directory on; at the end, what was started is stopped.

    Args:
        place: The directory in which they begin.
        env: Their environment.
        prelude: Python that their console has run before the first block.
    """

    def __init__(self, place: Path, env: Mapping[str, str], *, prelude: str = "") -> None:
        self.place = place
        self.env = dict(env)
        self.prelude = prelude
        self.seen = ""
        self._started: list[subprocess.Popen[bytes]] = []
        self._console: subprocess.Popen[str] | None = None
        self._log: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console is not None:
            assert self._console.stdin is not None
            self._console.stdin.close()
            self._console.wait(timeout=30)
        for process in reversed(self._started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=30)

    def follow(self, page: Path) -> None:
        """Do everything that a page says."""
        for block in blocks_of(page):
            self.do(block)

    def do(self, block: Block) -> None:
        """Do what one block says."""
        if block.kind in ("file", "add"):
            self._write(block)
        elif block.kind == "run":
            self._run(block)
        elif block.kind == "start":
            self._start(block)
        elif block.kind == "python":
            self._calculate(block)
        elif block.kind == "output":
            self._compare(block)

    def _write(self, block: Block) -> None:
        file = self.place / block.about
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if block.kind == "add" else "w", encoding="utf-8") as stream:
            stream.write(block.text)

    def _run(self, block: Block) -> None:
        state = self.place / f".state-{time.monotonic_ns()}"
        done = subprocess.run(
            ["bash", "-e", "-c", f'{block.text}\nenv -0 > "{state}"'],
            cwd=self.place,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WITHIN_S,
        )
        assert done.returncode == 0, f"{block.page}\n{done.stdout}"
        self.env = dict(entry.split("=", 1) for entry in state.read_text().split("\0") if entry)
        state.unlink()
        self.place = Path(self.env["PWD"])
        self.seen, self._log = done.stdout, None

    def _start(self, block: Block) -> None:
        *before, last = block.text.strip().splitlines()
        self._log = self.place / f".started-{len(self._started)}.log"
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-e", "-c", "\n".join([*before, f"exec {last}"])],
                cwd=self.place,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)

    def _calculate(self, block: Block) -> None:
        said, raised, trace = self._ask(block.text)
        assert raised == block.raises, f"{block.page}\n{said}\n{trace}"
        self.seen, self._log = said, None

    def _ask(self, text: str) -> tuple[str, str, str]:
        if self._console is None:
            self._console = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "-v", "0", "-c", CONSOLE],
                cwd=self.place,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            said, raised, trace = self._ask(self.prelude)
            assert not raised, trace
        assert self._console.stdin is not None
        assert self._console.stdout is not None
        self._console.stdin.write(json.dumps(text) + "\n")
        self._console.stdin.flush()
        watch = threading.Timer(WITHIN_S, self._console.kill)
        watch.start()
        answer = self._console.stdout.readline()
        watch.cancel()
        assert answer, f"The console gave no answer to\n{text}"
        said, raised, trace = json.loads(answer)
        return said, raised, trace

    def _compare(self, block: Block) -> None:
        expected = wildcard(block.text)
        deadline = time.monotonic() + WITHIN_S
        while True:
            seen = self._log.read_text() if self._log is not None else self.seen
            if expected.search(seen):
                self.seen = seen
                return
            assert self._log is not None and time.monotonic() < deadline, (
                f"{block.page} promises\n{block.text}\nbut there was\n{seen}"
            )
            time.sleep(0.1)


def wildcard(text: str) -> re.Pattern[str]:
    """A pattern for an output: … stands for anything, the ends of its lines for any space."""
    lines = [re.escape(line.strip()).replace("…", ".*?") for line in text.strip().splitlines()]
    return re.compile(r"\s*\n\s*".join(lines), re.DOTALL)
