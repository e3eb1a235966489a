"""A portal seen from outside: its process, what it says, and visitors."""

from __future__ import annotations

import http.cookiejar
import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.running import background, clean_environment, eventually, oceanid, said

ADDRESS = re.compile(r"^Oceanid is at (http://127\.0\.0\.1:(\d+)/)$", re.MULTILINE)
WAITING = """
from django.contrib.auth.models import User
from oceanid.jobs import JobManager
job = JobManager("trial").create_job("waiting", User.objects.get(username="admin"),
    job_type="CONDOR", attributes={"executable": "/bin/sh", "arguments":
    ["-c", "until [ -e GATE ]; do sleep 0.1; done"], "transfer_executable": False})
job.execute()
print("JOB", job.id)
"""
STATUS = """
import time
from oceanid.models import Job
until = time.monotonic() + WITHIN_S
while (status := Job.objects.get(pk=NUMBER).status) != "AWAITED" and time.monotonic() < until:
    time.sleep(0.05)
print("STATUS", status)
"""


@dataclass
class Portal:
    """A portal under test, seen from outside."""

    home: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        return clean_environment(OCEANID_HOME=str(self.home))

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def address(self) -> str:
        found = eventually(lambda: ADDRESS.search(self.said), within_s=120, what="its address")
        eventually(lambda: "Password:" in self.said, within_s=5, what=self.said)
        return found[1]

    def wait_until_ready(self) -> None:
        """Until its supervisor beats, which may be some seconds after the first page."""
        visitor = browser()

        def ready() -> bool:
            try:
                return bool(visitor.open(f"{self.address}readyz", timeout=20).status == 200)
            except urllib.error.HTTPError:
                return False

        eventually(ready, within_s=60, what="its supervisor beats")

    def command(self, *words: str, expect: int | None = 0) -> str:
        return said(oceanid(*words), cwd=self.home, env=self.env, expect=expect)

    def run(self, script: str) -> str:
        return self.command("manage", "shell", "-v", "0", "-c", script)

    def start_waiting(self, gate: Path) -> str:
        """The id of a job that runs until a file is there."""
        found = re.search(r"JOB (\d+)", self.run(WAITING.replace("GATE", str(gate))))
        assert found
        self.wait_for(found[1], "Running")
        return found[1]

    def wait_for(self, job: str, status: str, *, within_s: float = 45) -> None:
        """One process asks until a job is so."""
        script = STATUS.replace("NUMBER", job).replace("AWAITED", status)
        told = self.run(script.replace("WITHIN_S", str(within_s)))
        assert f"STATUS {status}\n" in told, f"{told}\n{self.said}"

    def child(self, word: str) -> psutil.Process:
        def look() -> psutil.Process | None:
            children = psutil.Process(self.process.pid).children()
            return next((each for each in children if word in " ".join(each.cmdline())), None)

        return eventually(look, within_s=20, what=f"a child with {word}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(timeout=15) == 0, self.said
        return time.monotonic() - began


def starting(home: Path, *words: str) -> Generator[Portal, None, None]:
    """A portal of a home, which runs until the generator goes on."""
    home.mkdir(exist_ok=True)
    log = home.parent / f"up-{time.monotonic_ns()}.log"
    env = clean_environment(OCEANID_HOME=str(home))
    with background(oceanid("up", *words), cwd=home, env=env, log=log) as process:
        yield Portal(home, log, process)


def browser() -> urllib.request.OpenerDirector:
    """A visitor with cookies and no proxy."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)


def log_in(portal: Portal) -> urllib.request.OpenerDirector:
    """A visitor who came in as the administrator."""
    visitor = browser()
    page = visitor.open(f"{portal.address}login/", timeout=20).read().decode()
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)
    password = re.search(r"^Password: +(\S+)$", portal.said, re.MULTILINE)
    name = re.search(r"^User name: +(\S+)$", portal.said, re.MULTILINE)
    assert token
    assert password
    assert name
    form = {
        "csrfmiddlewaretoken": token[1],
        "username": name[1],
        "password": password[1],
    }
    answer = visitor.open(
        f"{portal.address}login/", urllib.parse.urlencode(form).encode(), timeout=20
    )
    assert answer.url == portal.address
    return visitor
