"""A portal of real processes on a home of its own, to be killed and looked at from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.faults.load import write_script
from tests.integration.running import clean_environment, eventually, oceanid

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"^Oceanid is at (http://127\.0\.0\.1:\d+/)$", re.MULTILINE)


class Place:
    """One home, its database, what runs on it, and a client that speaks to it."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "",
        settings: str = "",
        paths: Sequence[Path] = (),
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        (self.home / "settings.toml").write_text(settings)
        self.script = write_script(folder)
        where = [str(each) for each in paths] + [str(ROOT)]
        self.environment = clean_environment(
            OCEANID_HOME=str(self.home), PYTHONPATH=os.pathsep.join(where)
        )
        if database:
            self.environment["OCEANID_DATABASE"] = database
        self.logs: list[Path] = []
        self.started: list[subprocess.Popen[bytes]] = []
        self._client: subprocess.Popen[str] | None = None

    def start(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start an `oceanid` command; it is stopped with the place."""
        log = self.folder / f"{words[0]}-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as stream:
            process = subprocess.Popen(
                oceanid(*words),
                cwd=self.folder,
                env={**self.environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def up(self) -> Portal:
        """Start the portal, and wait until it tells its address."""
        return Portal(self, self.start("up", "--port", "0"))

    def migrate(self) -> None:
        """Bring the tables up to date without starting anything."""
        done = subprocess.run(
            oceanid("manage", "migrate", "-v", "0"),
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def command(self, *words: str) -> str:
        """Run an `oceanid` command to its end; what it said."""
        done = subprocess.run(
            oceanid(*words),
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.stdout

    def ask(self, question: str, **more: Any) -> Any:
        """Ask the client, which is an app in the portal's own settings."""
        if self._client is None:
            self._client = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.client"],
                cwd=ROOT,
                env={**self.environment, "DJANGO_SETTINGS_MODULE": "oceanid.portal.settings"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        client = self._client
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(json.dumps({"ask": question, "with": more}) + "\n")
        client.stdin.flush()
        told = json.loads(client.stdout.readline())
        if "error" in told:
            raise AssertionError(f"{told['error']}\n{self.said}")
        return told["answer"]

    def wait_for_the_end(self, ids: Sequence[int], *, within_s: float) -> None:
        """Wait until jobs have ended."""
        began = time.monotonic()
        while left := self.ask("active", ids=list(ids)):
            if time.monotonic() - began > within_s:
                raise AssertionError(
                    f"{left} of {len(ids)} jobs have not ended in {within_s} s."
                    f"\n{self._some_unfinished(ids)}\n{self.said}"
                )
            time.sleep(0.1)

    def _some_unfinished(self, ids: Sequence[int]) -> str:
        open_ones = [each for each in ids if self.ask("active", ids=[each])]
        return "\n".join(self.ask("state", job=each)["told"] for each in open_ones[:3])

    @property
    def said(self) -> str:
        """The ends of all logs, for a failing test to show."""
        parts = [
            f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-60:])
            for log in self.logs[-4:]
        ]
        return "\n".join(parts)

    @contextlib.contextmanager
    def nobody_writes(self) -> Iterator[None]:
        """While the block lasts nobody is in the middle of a write to SQLite.

        A process that is frozen with SQLite's only write lock keeps it (SQLite's "File Locking
        And Concurrency"), so that nobody could take over from it.
        """
        if "OCEANID_DATABASE" in self.environment:
            yield
            return
        file = self.home / "db.sqlite3"
        with contextlib.closing(
            sqlite3.connect(file, timeout=30, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    def processes(self) -> list[psutil.Process]:
        """Every process that has to do with this home, but not the client."""
        mark = str(self.home)
        ours = {os.getpid(), self._client.pid if self._client else 0}
        found = []
        for process in psutil.process_iter():
            if process.pid in ours:
                continue
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                seen = mark in words or mark in " ".join(process.environ().values())
                if (seen or process.cwd().startswith(mark)) and not is_dead(process):
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """Of these, the runners of batches and the processes of jobs."""
        return [
            each
            for each in self.processes()
            if "oceanid.cli" not in (words := command_of(each)) and "oceanid.portal" not in words
        ]

    def no_orphans(self, *, within_s: float = 10) -> list[str]:
        """The processes of jobs that outlive them; empty when there are none, as it must be."""
        until = time.monotonic() + within_s
        while (left := self.workers()) and time.monotonic() < until:
            time.sleep(0.1)
        return [f"{each.pid} {command_of(each)}" for each in left]

    def close(self) -> None:
        """End everything that was started here, and what it started."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._client is not None and self._client.stdin is not None:
            self._client.stdin.close()
            self._client.wait(timeout=20)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()


class Portal:
    """A running `oceanid up`."""

    def __init__(self, place: Place, process: subprocess.Popen[bytes]) -> None:
        self.place = place
        self.process = process
        self.log = place.logs[-1]
        self.address = ""

    def answers(self) -> str:
        """Wait for its address."""
        if not self.address:
            found = eventually(
                lambda: ADDRESS.search(self.log.read_text()), within_s=90, what=self.place.said
            )
            self.address = found[1]
        return self.address

    def child(self, word: str) -> psutil.Process | None:
        """A child by a word of its command; None while there is none."""
        with contextlib.suppress(psutil.Error):
            for each in psutil.Process(self.process.pid).children():
                if word in command_of(each):
                    return each
        return None

    @property
    def supervisor(self) -> psutil.Process | None:
        """The supervisor."""
        return self.child("supervise")

    @property
    def web_server(self) -> psutil.Process | None:
        """The web server."""
        return self.child("oceanid.portal.serve")

    def stop(self) -> None:
        """Stop it as a person would."""
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0, self.place.said


class Visitor:
    """A browser of the owner's, reduced to what presses buttons."""

    def __init__(self, cookies: Mapping[str, str]) -> None:
        self.token = cookies["csrftoken"]
        self.cookies = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())

    def press(self, address: str, job: int, verb: str) -> None:
        """Press a button of a job.

        Raises:
            OSError: The answer did not come; what became of the wish is not known.
        """
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": self.token}).encode()
        target = f"{address}compute/jobs/{job}/do/{verb}/"
        with contextlib.closing(self._open(target, form)) as answer:
            assert answer.status in (200, 302), answer.status

    def read(self, address: str, path: str) -> str:
        """Read a page."""
        with contextlib.closing(self._open(f"{address}{path}", None)) as answer:
            return str(answer.read().decode())

    def _open(self, target: str, form: bytes | None) -> Any:
        asked = urllib.request.Request(target, form, {"Cookie": self.cookies})
        return self.opener.open(asked, timeout=10)


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer: the button was pressed."""

    def redirect_request(self, *_: Any) -> None:
        return None

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return fp


def kill(process: psutil.Process | subprocess.Popen[bytes] | None) -> bool:
    """SIGKILL; whether there was anybody."""
    if process is None:
        return False
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def command_of(process: psutil.Process) -> str:
    """A process's command line; "" when it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def is_dead(process: psutil.Process) -> bool:
    """Whether it is gone or only waits to be reaped."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return True
