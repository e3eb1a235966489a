"""What a portal costs that has 100,000 finished jobs and nothing to do.

    python -m benchmarks.idle [--seconds 20] [--smoke]

The portal is started as `oceanid up` starts it, with one live page open. Prints the share of a
core that each of its processes takes; the exit code is 1 when one takes too much.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import psutil

from benchmarks import filled, throwaway
from benchmarks.figures import Verdict
from benchmarks.filled import Size

JOBS = 100_000
SHARE = 0.01
WEB_SHARE = 0.02
SETTLE_S = 10.0
PARTS = {"supervise": "the supervisor", "oceanid.portal.serve": "the web server, one page open"}
LIMITS = {"supervise": SHARE, "oceanid.portal.serve": WEB_SHARE}


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--smoke", action="store_true", help="small numbers, no limits")
    given = parser.parse_args()
    jobs, settle, seconds = (1000, 1.0, 3.0) if given.smoke else (JOBS, SETTLE_S, given.seconds)
    verdict = Verdict(binding=not given.smoke)
    with throwaway.home():
        cookie = _prepare(jobs)
        with _portal() as (process, address), _live_page(address, cookie) as heard:
            parts = _parts(process)
            time.sleep(settle)
            begun = {name: _cpu(part) for name, part in parts.items()}
            at = time.perf_counter()
            time.sleep(seconds)
            passed = time.perf_counter() - at
            for name, part in parts.items():
                used = _cpu(part) - begun[name]
                detail = f"of a core: {used:.2f} s in {passed:.0f} s, {jobs} finished jobs"
                verdict.at_most(PARTS[name], used / passed, LIMITS[name], detail)
            if not heard.is_set():
                raise SystemExit("The live page has heard nothing.")
    return verdict.exit_code()


def _prepare(jobs: int) -> str:
    """Fill the portal with finished jobs; gives the cookie of somebody who is logged in."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from oceanid.models import Job, Scheduler
    from oceanid.states import JOB_FINAL

    filled.fill(Size(jobs=jobs, tasks=10))
    Job.objects.exclude(state__in=JOB_FINAL).update(state="COM")
    Scheduler.objects.filter(name__startswith="place_").update(enabled=False)
    guest = Client(SERVER_NAME="127.0.0.1")
    guest.force_login(User.objects.get(username=filled.FEW))
    connection.close()
    return str(guest.cookies[settings.SESSION_COOKIE_NAME].OutputString())


@contextmanager
def _portal() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    from oceanid.home import Home

    command = [sys.executable, "-m", "oceanid.cli.main", "up", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process, _address(Home.resolve())
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(home: object) -> str:
    from oceanid.home import Home

    assert isinstance(home, Home)
    found = ""

    def is_up() -> bool:
        nonlocal found
        running = home.running()
        found = running.address if running else ""
        return bool(found) and _answers(found)

    throwaway.until(is_up, within_s=throwaway.START_S, what="the portal's start", every_s=0.2)
    return found


def _answers(address: str) -> bool:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def _live_page(address: str, cookie: str) -> Iterator[threading.Event]:
    """One browser's stream, opened again whenever it ends, as a browser does."""
    over, heard = threading.Event(), threading.Event()
    place = urlsplit(address).netloc

    def follow() -> None:
        while not over.is_set():
            connection = HTTPConnection(place, timeout=30)
            try:
                connection.request("GET", "/compute/live/", headers={"Cookie": cookie})
                answer = connection.getresponse()
                while not over.is_set() and (line := answer.readline()):
                    if line.startswith(b"event: beat"):
                        heard.set()
            except OSError:
                over.wait(0.5)
            finally:
                connection.close()

    listener = threading.Thread(target=follow, daemon=True)
    listener.start()
    try:
        yield heard
    finally:
        over.set()


def _parts(process: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """The portal's processes by the word that their commands have in them."""
    found: dict[str, psutil.Process] = {}

    def all_there() -> bool:
        for child in psutil.Process(process.pid).children():
            for word in PARTS:
                if word in child.cmdline():
                    found[word] = child
        return len(found) == len(PARTS)

    throwaway.until(all_there, within_s=throwaway.START_S, what="the portal's processes")
    return found


def _cpu(part: psutil.Process) -> float:
    """The seconds that a process and its children have computed, those that ended too."""
    times = part.cpu_times()
    alive = [child.cpu_times() for child in part.children(recursive=True)]
    return float(
        times.user
        + times.system
        + times.children_user
        + times.children_system
        + sum(each.user + each.system for each in alive)
    )


if __name__ == "__main__":
    sys.exit(main())
