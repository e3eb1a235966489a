"""Reads HTCondor's job event log as it grows: bytes in, whole events out, garbage skipped."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from typing import Final

_HEADER = re.compile(
    rb"(\d{3}) \((\d{1,10})\.(-?\d{1,10})\.(\d{1,10})\) "
    rb"(?:(\d{4})-(\d\d)-(\d\d)[ T]|(\d\d)/(\d\d) )"
    rb"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z?) ?(.*)"
)
_GLUED = re.compile(rb"\(\d{1,10}\.-?\d{1,10}\.\d{1,10}\) (?:\d{4}-\d\d-\d\d|\d\d/\d\d)[ T]\d\d:")
"""The beginning of an event in the middle of a line: the one before it was torn there."""
_LONGEST: Final = 1 << 20
"""No event is longer than this; what claims to be is garbage."""


class Kind(IntEnum):
    """The event's number (HTCondor manual, "Job Event Log Codes")."""

    SUBMIT = 0
    EXECUTE = 1
    EXECUTABLE_ERROR = 2
    CHECKPOINTED = 3
    EVICTED = 4
    TERMINATED = 5
    IMAGE_SIZE = 6
    SHADOW_EXCEPTION = 7
    GENERIC = 8
    ABORTED = 9
    SUSPENDED = 10
    UNSUSPENDED = 11
    HELD = 12
    RELEASED = 13
    NODE_EXECUTE = 14
    NODE_TERMINATED = 15
    POST_SCRIPT_TERMINATED = 16
    REMOTE_ERROR = 21
    DISCONNECTED = 22
    RECONNECTED = 23
    RECONNECT_FAILED = 24
    GRID_RESOURCE_UP = 25
    GRID_RESOURCE_DOWN = 26
    GRID_SUBMIT = 27
    JOB_AD_INFORMATION = 28
    STATUS_UNKNOWN = 29
    STATUS_KNOWN = 30
    STAGE_IN = 31
    STAGE_OUT = 32
    ATTRIBUTE_UPDATE = 33
    PRE_SKIP = 34
    CLUSTER_SUBMIT = 35
    CLUSTER_REMOVE = 36
    FACTORY_PAUSED = 37
    FACTORY_RESUMED = 38
    NONE = 39
    FILE_TRANSFER = 40
    RESERVE_SPACE = 41
    RELEASE_SPACE = 42
    FILE_COMPLETE = 43
    FILE_USED = 44
    FILE_REMOVED = 45
    DATAFLOW_JOB_SKIPPED = 46
    COMMON_FILES = 47


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event of a log.

    Args:
        number: Its number, which may be one that :class:`Kind` does not know.
        cluster, proc: The job; proc is -1 for events about a whole cluster.
        at: When, in UTC.
        head: What stands behind the time in its first line.
        body: Its other lines, without what they begin with and end on.
        start: The offset of its first byte in the log.
        end: The offset behind its last byte.
    """

    number: int
    cluster: int
    proc: int
    at: datetime
    head: str
    body: tuple[str, ...]
    start: int
    end: int

    @property
    def kind(self) -> Kind | None:
        """Its kind, or None for one that this version does not know."""
        try:
            return Kind(self.number)
        except ValueError:
            return None


class LogReader:
    """Takes one file's bytes in order and gives its events.

    Lines before an event's first and events that were never finished are skipped; what is not
    whole yet waits for more.

    Args:
        offset: Where in the file the first byte fed stands: any offset will do.
        zone: The submit host's time zone, in which times without a Z are written.
        now: The present, in UTC; the old format of times tells no year.
    """

    def __init__(
        self,
        offset: int = 0,
        *,
        zone: tzinfo = UTC,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.offset = offset
        """Behind the last whole event: from here a later reader goes on."""
        self._pending = b""
        self._zone = zone
        self._now = now
        self._last_second = b""
        self._last_time = datetime.fromtimestamp(0, UTC)

    @property
    def expected(self) -> int:
        """The offset of the byte that must be fed next."""
        return self.offset + len(self._pending)

    def feed(self, data: bytes) -> list[LogEvent]:
        """Take more bytes; return the events that are whole now."""
        buffer = self._pending + data
        events: list[LogEvent] = []
        begin = 0
        while (end := self._end_of_event(buffer, begin)) >= 0:
            event = self._event(buffer[begin:end], self.offset)
            self.offset += end - begin
            begin = end
            if event is not None:
                events.append(event)
        if len(buffer) - begin > _LONGEST:
            cut = max(buffer.rfind(b"\n", begin, len(buffer) - 4) + 1, begin)
            cut = len(buffer) if cut == begin else cut
            self.offset += cut - begin
            begin = cut
        self._pending = buffer[begin:]
        return events

    @staticmethod
    def _end_of_event(buffer: bytes, begin: int) -> int:
        if buffer.startswith(b"...\n", begin):
            return begin + 4
        found = buffer.find(b"\n...\n", begin)
        return found + 5 if found >= 0 else -1

    def _event(self, block: bytes, start: int) -> LogEvent | None:
        lines = block.split(b"\n")[:-2]
        # The last first line counts: what stands before it was torn, or never was an event.
        for number in range(len(lines) - 1, -1, -1):
            if lines[number][:3].isdigit() and (match := _HEADER.fullmatch(lines[number])):
                break
        else:
            return None
        at = self._time(match)
        rest = b"\n".join([match[15], *lines[number + 1 :]])
        # Where a disk was full, one event's beginning may stand before another one's end: neither
        # is to be believed, and the queue or the history tells what became of both.
        if at is None or _GLUED.search(rest):
            return None
        return LogEvent(
            number=int(match[1]),
            cluster=int(match[2]),
            proc=int(match[3]),
            at=at,
            head=match[15].decode(errors="replace").strip(),
            body=tuple(line.decode(errors="replace").strip() for line in lines[number + 1 :]),
            start=start + sum(len(line) + 1 for line in lines[:number]),
            end=start + len(block),
        )

    def _time(self, match: re.Match[bytes]) -> datetime | None:
        text = match[0][match.start(5) if match[5] else match.start(8) : match.end(14)]
        if text == self._last_second:
            return self._last_time
        try:
            at = self._read_time(match)
        except (ValueError, OverflowError):
            return None
        self._last_second, self._last_time = text, at
        return at

    def _read_time(self, match: re.Match[bytes]) -> datetime:
        fraction = int((match[13] or b"0").ljust(6, b"0"))
        clock = (int(match[10]), int(match[11]), min(int(match[12]), 59), fraction)
        zone = UTC if match[14] else self._zone
        if match[5]:
            day = (int(match[5]), int(match[6]), int(match[7]))
            return datetime(*day, *clock, tzinfo=zone).astimezone(UTC)
        now = self._now()
        month, date = int(match[8]), int(match[9])
        at = datetime(now.year, month, date, *clock, tzinfo=zone).astimezone(UTC)
        if at > now + timedelta(days=2):
            at = datetime(now.year - 1, month, date, *clock, tzinfo=zone).astimezone(UTC)
        return at


@dataclass(frozen=True, slots=True)
class Ending:
    """What a terminated event tells.

    Args:
        exit_code: The exit code, when the job ended by itself.
        exit_signal: The signal that ended it.
        cpu_s: Processor seconds, all runs together.
        memory_mib: Memory used; None when it is not told.
        disk_mib: Scratch space used.
    """

    exit_code: int | None = None
    exit_signal: int | None = None
    cpu_s: float | None = None
    memory_mib: float | None = None
    disk_mib: float | None = None


_NORMAL = re.compile(r"\(1\) Normal termination \(return value (-?\d+)\)")
_ABNORMAL = re.compile(r"\(0\) Abnormal termination \(signal (\d+)\)")
_USAGE = re.compile(
    r"Usr (\d+) (\d+):(\d+):(\d+), Sys (\d+) (\d+):(\d+):(\d+)\s+-\s+(Run|Total) Remote Usage"
)
_RESOURCE = re.compile(r"(Memory \(MB\)|Disk \(KB\))\s*:\s*(\d+)\s")
_HOLD_CODE = re.compile(r"Code (-?\d+) Subcode (-?\d+)")
_SLOT = re.compile(r"SlotName:\s*(\S+)")
_ALIAS = re.compile(r"[?&]alias=([^&>]+)")
_SINFUL = re.compile(r"<\[?([^>?\]]+?)\]?(?::\d+)?(?:\?[^>]*)?>")
_TO = re.compile(r"host: (.*)$")
_MATERIALISED = re.compile(r"Materialized (\d+) jobs")
_PAUSE_CODE = re.compile(r"PauseCode (-?\d+)")
_MEMORY = re.compile(r"(\d+)\s+-\s+MemoryUsage of job \(MB\)")


def ending(event: LogEvent) -> Ending:
    """How a job ended, from its terminated event."""
    code = signal = None
    cpu: float | None = None
    used: dict[str, float] = {}
    for line in event.body:
        if match := _NORMAL.match(line):
            code = int(match[1])
        elif match := _ABNORMAL.match(line):
            signal = int(match[1])
        elif match := _USAGE.match(line):
            numbers = [int(each) for each in match.groups()[:8]]
            cpu = _seconds(numbers[:4]) + _seconds(numbers[4:])
        elif match := _RESOURCE.match(line):
            used[match[1][:4]] = float(match[2])
    disk = used.get("Disk")
    return Ending(code, signal, cpu, used.get("Memo"), None if disk is None else disk / 1024)


def hold(event: LogEvent) -> tuple[str, int, int]:
    """Why a job was held: HTCondor's words, the code and the subcode."""
    reason: list[str] = []
    code = subcode = 0
    for line in event.body:
        if match := _HOLD_CODE.fullmatch(line):
            code, subcode = int(match[1]), int(match[2])
        elif line:
            reason.append(line)
    return " ".join(reason), code, subcode


def reason(event: LogEvent) -> str:
    """The free text of an event, for example why a job was removed."""
    return next((line for line in event.body if line), "")


def materialised(event: LogEvent) -> int | None:
    """How many jobs a cluster had been made into when it was removed."""
    for line in event.body:
        if match := _MATERIALISED.match(line):
            return int(match[1])
    return None


def pause(event: LogEvent) -> tuple[str, bool]:
    """Why no more jobs are made of a cluster: HTCondor's words, and whether somebody holds it."""
    words: list[str] = []
    is_held = False
    for line in event.body:
        if line.startswith("HoldCode "):
            is_held = True
        elif line and not _PAUSE_CODE.fullmatch(line):
            words.append(line)
    return " ".join(words), is_held


def machine(event: LogEvent) -> str:
    """The machine that an execute or reconnected event names."""
    for line in event.body:
        if match := _SLOT.match(line):
            return match[1].rpartition("@")[2]
    for line in (event.head, *event.body):
        if match := _ALIAS.search(line):
            return match[1]
        if match := _SINFUL.search(line):
            return match[1]
        if match := _TO.search(line):
            return match[1].strip()
    return ""


def memory_mib(event: LogEvent) -> float | None:
    """The memory that an image size event tells."""
    for line in event.body:
        if match := _MEMORY.match(line):
            return float(match[1])
    return None


def _seconds(parts: list[int]) -> float:
    days, hours, minutes, seconds = parts
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
