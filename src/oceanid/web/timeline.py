"""A job's states over time, one line an attempt, as a picture that the server draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from oceanid.models import JobEvent
from oceanid.states import JOB_FINAL, JobState

WIDTH = 1000
LANE = 30
BAR = 16
AXIS = 26
LEFT = 34
RIGHT = 24
_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
    172800, 432000, 864000, 2592000, 7776000, 31536000,
)  # fmt: skip


_AT_WORK = {JobState.RUNNING, JobState.VARIOUS}


@dataclass(frozen=True, slots=True)
class Segment:
    """One state for a while."""

    x: float
    y: float
    width: float
    state: str
    word: str
    seconds: float
    begin: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that the template draws."""

    width: int
    height: int
    bar: int
    segments: tuple[Segment, ...]
    lanes: tuple[tuple[float, int], ...]
    ticks: tuple[Tick, ...]

    @property
    def axis_y(self) -> int:
        """Where the axis is."""
        return self.height - AXIS + 2

    @property
    def label_y(self) -> int:
        """Where the axis's labels stand."""
        return self.height - 6

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The states that occur, with their words."""
        return list({each.state: each.word for each in self.segments}.items())


def drawn(events: Sequence[JobEvent], *, now: datetime, attempts: int) -> Timeline | None:
    """Draw the state events of a job, given in order; None when nothing happened yet.

    Args:
        events: Its events that tell of a new state.
        now: Where a state that has not ended is drawn to.
        attempts: How many attempts there were: the last eight are drawn.
    """
    shown = _told([each for each in events if each.after and each.attempt > attempts - 8])
    if not shown:
        return None
    begin = shown[0].at
    over = shown[-1].after in JOB_FINAL
    end = shown[-1].at if over else now
    total = max((end - begin).total_seconds(), 0.001)
    numbers = sorted({max(1, each.attempt) for each in shown})
    row = {number: index for index, number in enumerate(numbers)}
    scale = (WIDTH - LEFT - RIGHT) / total
    segments = []
    for position, each in enumerate(shown):
        if each.after in JOB_FINAL:
            continue
        until = shown[position + 1].at if position + 1 < len(shown) else end
        seconds = max(0.0, (until - each.at).total_seconds())
        segments.append(
            Segment(
                x=round(LEFT + (each.at - begin).total_seconds() * scale, 1),
                y=row[max(1, each.attempt)] * LANE + (LANE - BAR) / 2,
                width=round(max(seconds * scale, 2.0), 1),
                state=each.after,
                word=JobState(each.after).word,
                seconds=seconds,
                begin=each.at,
            )
        )
    lanes = tuple((index * LANE + LANE / 2, number) for number, index in row.items())
    height = LANE * len(numbers) + AXIS
    return Timeline(WIDTH, height, BAR, tuple(segments), lanes, _ticks(total, scale))


def _told(events: Sequence[JobEvent]) -> list[JobEvent]:
    """The events that begin a segment: Running and Various take turns in an array, as one."""
    told: list[JobEvent] = []
    for each in events:
        before = told[-1] if told else each
        goes_on = before is not each and before.attempt == each.attempt
        if not (goes_on and {before.after, each.after} <= _AT_WORK):
            told.append(each)
    return told


def _ticks(total: float, scale: float) -> tuple[Tick, ...]:
    step = next((each for each in _STEPS if total / each <= 6), _STEPS[-1])
    count = int(total / step)
    return tuple(
        Tick(round(LEFT + number * step * scale, 1), _label(number * step))
        for number in range(count + 1)
    )


def _label(seconds: int) -> str:
    if seconds == 0:
        return "0"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    if seconds > 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds} s" if seconds < 60 else f"{seconds / 60:.1f} min"
