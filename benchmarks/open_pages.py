"""Five hundred open pages on one web process, while events are committed beside it.

    python -m benchmarks.open_pages [--pages 500] [--seconds 60] [--smoke]
    python tools/with_postgres.py python -m benchmarks.open_pages --postgres

The web server is the portal's own, as a process of its own that counts its statements; the pages
are real connections of as many sessions, most of them streams and some that ask. Prints how long
an event takes from its commit to each page, what the pages cost while they only listen, and what
a burst of changes costs; the exit code is 1 when a figure falls short.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import psutil

from benchmarks import throwaway
from benchmarks.counted import Counter
from benchmarks.figures import Verdict, percentile
from benchmarks.listeners import Browsers

PAGES, ASKING, ROWS = 500, 25, 100
PEOPLE, VIEWERS = 250, 20
EVENTS, BURST_S, BURST_EVENTS = 30, 5.0, 2000
ARRIVAL_S = 1.0
QUERIES_A_SECOND = 2.0
CALM_AGAIN_S = 20.0
MEMORY_A_PAGE_KIB = 512.0
"""Django's handler keeps a thread for each stream, which rests."""
MEMORY_MIB = 400.0
SPARE_FILES = 80


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it all."""

    pages: int
    asking: int
    rows: int
    seconds: float
    events: int
    burst_s: float
    burst_events: int


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--smoke", action="store_true", help="small numbers, no limits")
    parser.add_argument("--postgres", action="store_true", help="on OCEANID_TEST_POSTGRES")
    given = parser.parse_args()
    share = given.pages / PAGES
    plan = Plan(given.pages, round(ASKING * share), round(ROWS * share), given.seconds,
                EVENTS, BURST_S, BURST_EVENTS)  # fmt: skip
    if given.smoke:
        plan = Plan(40, 4, 8, 6.0, 4, 1.0, 100)
    verdict = Verdict(binding=not given.smoke)
    with throwaway.home(database=throwaway.fresh_database("site") if given.postgres else "") as at:
        job, others, cookies = _people(plan)
        with _web(at) as (address, web, counter):
            asyncio.run(_measure(plan, verdict, Site(address, web, counter, job, others, cookies)))
    return verdict.exit_code()


@dataclass(frozen=True, slots=True)
class Site:
    """What is measured."""

    address: str
    web: psutil.Process
    counter: Counter
    job: int
    others: Sequence[int]
    cookies: list[str]


async def _measure(plan: Plan, verdict: Verdict, site: Site) -> None:
    empty = site.web.memory_info().rss
    browsers = Browsers(site.address, site.cookies)
    begun = monotonic()
    browsers.start(asking=plan.asking)
    await _until(lambda: len(browsers.open) == plan.pages, within_s=120, what="all pages")
    print(f"        {plan.pages} pages were open after {monotonic() - begun:.1f} s")
    await asyncio.sleep(10 if plan.pages >= PAGES else 2)
    try:
        await _listen(plan, verdict, site, browsers)
        listening = (site.web.memory_info().rss - empty) / 1024 / plan.pages
        await _arrive(plan, verdict, site, browsers)
        await _burst(plan, verdict, site, browsers)
        verdict.at_most("memory a page that listens, KiB", listening, MEMORY_A_PAGE_KIB)
        verdict.at_most("memory in all, MiB", site.web.memory_info().rss / 1024**2, MEMORY_MIB)
        verdict.at_most("open files", site.web.num_fds(), plan.pages + SPARE_FILES)
        for each in sorted(set(browsers.heard.broken)):
            print(f"        {browsers.heard.broken.count(each)} × {each}")
        verdict.at_most("pages that were told something wrong", len(browsers.heard.broken), 0)
    finally:
        await browsers.stop()


async def _listen(plan: Plan, verdict: Verdict, site: Site, browsers: Browsers) -> None:
    """Nothing happens: what the open pages cost."""
    heard = browsers.heard
    before = site.counter.value(), _cpu(site.web), heard.streams, heard.beats, heard.asked
    begun = monotonic()
    await asyncio.sleep(plan.seconds)
    passed = monotonic() - begun
    queries = site.counter.value() - before[0]
    told = f"{queries} in {passed:.0f} s; {heard.streams - before[2]} streams came back"
    verdict.at_most(
        "statements a second while all listen", queries / passed, QUERIES_A_SECOND, told
    )
    share = (_cpu(site.web) - before[1]) / passed
    print(f"        {share:.0%} of a core; {(heard.beats - before[3]) / passed:.0f} beats a second")


async def _arrive(plan: Plan, verdict: Verdict, site: Site, browsers: Browsers) -> None:
    """Single events: how long each takes to each page that listens."""
    committed: dict[int, float] = {}
    queries, begun = site.counter.value(), monotonic()
    listening = range(plan.asking, plan.pages)
    for _ in range(plan.events):
        await asyncio.sleep(random.uniform(0.9, 2.3))
        event, at = await asyncio.to_thread(_commit, [site.job])
        committed[event] = at
    await asyncio.sleep(4)
    passed = monotonic() - begun
    # One that was between two streams hears of it when it is back.
    waits = [
        heard - at
        for event, at in committed.items()
        for number in listening
        if (heard := browsers.heard.at(number, event)) is not None
    ]
    due = len(committed) * len(listening)
    verdict.at_least("of all arrivals, those that came", len(waits) / due, 1.0, f"{due} arrivals")
    quick = percentile(waits, 0.98)
    verdict.at_most("s from commit to a page, median", median(waits), ARRIVAL_S)
    verdict.at_most("s from commit to a page, 98 %", quick, ARRIVAL_S)
    back = [each for each in waits if each > ARRIVAL_S]
    verdict.at_most(
        "s from commit to a page, most", max(waits), ARRIVAL_S + 2.5,
        f"{len(back)} of {len(waits)} were between two streams",
    )  # fmt: skip
    per_second = (site.counter.value() - queries) / passed
    verdict.at_most(
        "statements a second while events come", per_second, QUERIES_A_SECOND, "one every 1.6 s"
    )


async def _burst(plan: Plan, verdict: Verdict, site: Site, browsers: Browsers) -> None:
    """Very many changes at once, of jobs that many pages show: what it costs until all is calm."""
    heard = browsers.heard
    browsers.shows_rows = set(range(plan.pages - plan.rows, plan.pages))
    before = site.counter.value(), heard.messages, len(heard.rows), _cpu(site.web)
    begun, parts = monotonic(), 50
    event = 0
    for part in range(parts):
        jobs = [random.choice(site.others) for _ in range(plan.burst_events // parts)]
        event, _at = await asyncio.to_thread(_commit, jobs)
        await asyncio.sleep(max(0.0, begun + plan.burst_s * (part + 1) / parts - monotonic()))
    over = monotonic()
    everyone = range(plan.asking, plan.pages)
    listening = len(everyone)
    await _until(
        lambda: all(heard.at(number, event) is not None for number in everyone),
        within_s=60, what="the last event at every page",
    )  # fmt: skip
    await _until(lambda: not browsers.is_fetching(), within_s=60, what="all rows")
    calm = monotonic() - over
    whole = monotonic() - begun
    messages = (heard.messages - before[1]) / listening
    fetched = heard.rows[before[2] :]
    queries = site.counter.value() - before[0]
    told = f"{plan.burst_events} events in {plan.burst_s:g} s, {plan.rows} pages show their jobs"
    verdict.at_most("messages a page of a burst", messages, whole / 0.75 + 3, told)
    verdict.at_most("s until all pages are up to date again", calm, CALM_AGAIN_S)
    verdict.at_most("row refreshes a page", len(fetched) / max(1, plan.rows), whole + 1)
    share = (_cpu(site.web) - before[3]) / whole
    print(
        f"        {len(fetched)} row refreshes, median {median(fetched) * 1000:.0f} ms,"
        f" most {max(fetched) * 1000:.0f} ms; {queries} statements"
        f" ({queries / max(1, len(fetched)):.1f} a refresh); {share:.0%} of a core"
    )


def _commit(jobs: Sequence[int]) -> tuple[int, float]:
    """Write an event of each job in one transaction; the last one's number, and when it was in."""
    from django.db import transaction
    from django.utils import timezone

    from oceanid.models import EventKind, JobEvent
    from oceanid.services import events

    now = timezone.now()
    with transaction.atomic():
        events.write(events.job_event(job, 1, EventKind.NOTE, now, message="Step") for job in jobs)
        last = JobEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
    return last, monotonic()


def _people(plan: Plan) -> tuple[int, list[int], list[str]]:
    """People with sessions, a job that all may see, and others that all may see, too."""
    from django.conf import settings
    from django.contrib.auth.models import Group, Permission, User
    from django.test import Client
    from django.utils import timezone

    from oceanid.models import Job, Scheduler

    place = Scheduler.objects.create(name="place", enabled=False)
    group = Group.objects.create(name="everybody")
    people = [User(username=f"person_{number}", password="!") for number in range(PEOPLE)]
    User.objects.bulk_create(people)
    sees_all = Permission.objects.get(codename="view_all_jobs")
    for person in people[:VIEWERS]:
        person.user_permissions.add(sees_all)
    group.user_set.add(*people)
    jobs = [
        Job.objects.create(
            name=f"shared {number}", name_key=f"shared {number}", user=people[0], state="RUN",
            wanted="RUN", attempt=1, scheduler=place, creation_time=timezone.now(),
        )
        for number in range(51)
    ]  # fmt: skip
    for job in jobs:
        job.groups.add(group)
    cookies = []
    for number in range(plan.pages):
        guest = Client(SERVER_NAME="127.0.0.1")
        guest.force_login(people[number % PEOPLE])
        cookies.append(str(guest.cookies[settings.SESSION_COOKIE_NAME].OutputString(attrs=[])))
    return jobs[0].pk, [job.pk for job in jobs[1:]], cookies


@contextmanager
def _web(place: Path) -> Iterator[tuple[str, psutil.Process, Counter]]:
    """The portal's web server, counting; its address, its process and its counter."""
    counter = place / "statements"
    Counter(counter)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listening.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.counted", str(counter), "--fd", str(listening.fileno())],
        pass_fds=[listening.fileno()],
    )
    listening.close()
    try:
        address = f"http://127.0.0.1:{port}/"
        throwaway.until(
            lambda: _answers(port), within_s=throwaway.START_S, what="the web server", every_s=0.2
        )
        yield address, psutil.Process(process.pid), Counter(counter)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


async def _until(condition: Any, *, within_s: float, what: str) -> None:
    end = monotonic() + within_s
    while not condition():
        if monotonic() > end:
            raise TimeoutError(f"{what} did not come within {within_s:g} s")
        await asyncio.sleep(0.05)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
