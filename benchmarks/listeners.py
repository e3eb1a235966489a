"""Browsers that have a page open: streams that come back, questions, and rows fetched again.

They do what ``live.js`` does, over real connections, all in one event loop.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit

COALESCE_S = 0.4
ROWS_EVERY_S = 1.0
SLOWNESS = 1.0
COME_BACK_S = 1.5
ASK_EVERY_S = 4.0


@dataclass(slots=True)
class Heard:
    """What all browsers together were told.

    Args:
        reached: Of each browser when it was told of jobs, and up to which event.
        messages: How many messages about jobs came.
        streams: How many streams were opened.
        beats: How many beats came.
        asked: How many questions were answered.
        rows: How long each fetching of rows took.
        broken: What went wrong.
    """

    reached: defaultdict[int, list[tuple[float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    messages: int = 0
    streams: int = 0
    beats: int = 0
    asked: int = 0
    rows: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def at(self, number: int, event: int) -> float | None:
        """When a browser was told of an event; None when it was not."""
        times = (at for at, reached in self.reached[number] if reached >= event)
        return next(times, None)


class Browsers:
    """All of them.

    Args:
        address: The portal's.
        cookies: One a browser.
    """

    def __init__(self, address: str, cookies: list[str]) -> None:
        parts = urlsplit(address)
        self.host, self.port = str(parts.hostname), int(parts.port or 80)
        self.cookies = cookies
        self.heard = Heard()
        self.open: set[int] = set()
        self.shows_rows: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._fetching: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self._fetched: dict[int, float] = {}

    def start(self, *, asking: int) -> None:
        """Open all pages; so many of them ask instead of listening."""
        for number in range(len(self.cookies)):
            follow = self._ask if number < asking else self._follow
            self._tasks.append(asyncio.create_task(follow(number)))

    async def stop(self) -> None:
        """Close all pages."""
        for task in [*self._tasks, *self._fetching.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._fetching.values(), return_exceptions=True)

    def is_fetching(self) -> bool:
        """Whether some page is still bringing its rows up to date."""
        return any(not task.done() for task in self._fetching.values())

    async def _follow(self, number: int) -> None:
        """One stream, opened again whenever it ends."""
        last = ""
        while True:
            try:
                last = await self._stream(number, last)
            except OSError as problem:
                self.heard.broken.append(f"stream: {problem}")
            self.open.discard(number)
            await asyncio.sleep(COME_BACK_S)

    async def _stream(self, number: int, last: str) -> str:
        more = f"Last-Event-ID: {last}\r\n" if last else ""
        reader, writer = await self._request(number, "/compute/live/", more)
        self.heard.streams += 1
        try:
            kind = ""
            # The last chunk of an answer is empty; its connection stays open for a while.
            while (line := await reader.readline()) and line != b"0\r\n":
                if line.startswith(b"HTTP/1.1") and b" 200 " not in line:
                    self.heard.broken.append(f"stream: {line.decode().strip()}")
                    return last
                if line.startswith(b"event: "):
                    kind = line[7:].decode().strip()
                elif line.startswith(b"id: "):
                    last = line[4:].decode().strip()
                elif line.startswith(b"data: "):
                    self.open.add(number)
                    if kind == "jobs":
                        self._hear(number, int(last), json.loads(line[6:]))
                    elif kind == "beat":
                        self.heard.beats += 1
                    elif kind in ("gone", "resync"):
                        self.heard.broken.append(f"stream: {kind}")
        finally:
            writer.close()
        return last

    def _hear(self, number: int, reached: int, jobs: list[int]) -> None:
        self.heard.messages += 1
        self.heard.reached[number].append((monotonic(), reached))
        if number in self.shows_rows:
            self._again.add(number)
            task = self._fetching.get(number)
            if task is None or task.done():
                self._fetching[number] = asyncio.create_task(self._rows(number, jobs))

    async def _rows(self, number: int, jobs: list[int]) -> None:
        """The rows that a list shows, as often as the page would fetch them."""
        ids = ",".join(map(str, jobs[:50]))
        while number in self._again:
            await asyncio.sleep(max(COALESCE_S, self._fetched.get(number, 0.0) - monotonic()))
            self._again.discard(number)
            begun = monotonic()
            status, _body = await self._fetch(number, f"/compute/jobs/rows/?ids={ids}")
            took = monotonic() - begun
            self._fetched[number] = monotonic() + max(ROWS_EVERY_S, SLOWNESS * took)
            self.heard.rows.append(took)
            if status != 200:
                self.heard.broken.append(f"rows: {status}")

    async def _ask(self, number: int) -> None:
        """A page without a stream: it asks every few seconds."""
        since = ""
        await asyncio.sleep(random.uniform(0, ASK_EVERY_S))
        while True:
            status, body = await self._fetch(number, f"/compute/live/changes/?since={since}")
            if status == 200:
                told = json.loads(body)
                since = str(told["last"])
                self.heard.asked += 1
                self.open.add(number)
            elif status != 304:
                self.heard.broken.append(f"asked: {status}")
            await asyncio.sleep(ASK_EVERY_S)

    async def _fetch(self, number: int, path: str) -> tuple[int, bytes]:
        reader, writer = await self._request(
            number, path, "HX-Request: true\r\nConnection: close\r\n"
        )
        try:
            whole = await reader.read()
        finally:
            writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body

    async def _request(
        self, number: int, path: str, more: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Cookie: {self.cookies[number]}\r\n{more}\r\n".encode()
        )
        await writer.drain()
        return reader, writer
