"""Turns results into the shapes of two kinds of picture; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean
from typing import Any

HYDROGRAPH = (1000, 320)
DOTTY = (300, 220)
"""The pictures' widths and heights, in units of their own: a page shows them at any size."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, in the picture's units, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Month:
    """A row of the table that says what the hydrograph shows; depths in mm, flows in l/s."""

    name: str
    rain_mm: float
    observed_l_s: float | None
    simulated_l_s: float


@dataclass(frozen=True, slots=True)
class Hydrograph:
    """Rain from above, observed and simulated discharge from below, over the years."""

    observed: str
    simulated: str
    rain: str
    years: list[Tick]
    flows: list[Tick]
    months: list[Month]
    width: int = HYDROGRAPH[0]
    height: int = HYDROGRAPH[1]


@dataclass(frozen=True, slots=True)
class Dotty:
    """One parameter's values against the efficiency that the sets had: a dot for each set."""

    name: str
    about: str
    dots: str
    best_x: float
    best_y: float
    best: float
    values: list[Tick]
    efficiencies: list[Tick]
    hidden: int
    width: int = DOTTY[0]
    height: int = DOTTY[1]


def hydrograph(simulation: dict[str, Any]) -> Hydrograph:
    """Draw the simulation of the best set."""
    observed, simulated = simulation["observed_l_s"], simulation["simulated_l_s"]
    rain = simulation["rain_mm"]
    first = date.fromisoformat(simulation["first_day"])
    days = [first + timedelta(days=i) for i in range(len(simulated))]
    width, height = HYDROGRAPH
    x = Scale(0, len(days), 0, width)
    flow_steps = steps(0, max(value for value in [*observed, *simulated] if value is not None))
    flow = Scale(0, flow_steps[-1], height, height * 0.2)
    depth = Scale(0, max(rain) or 1, 0, height * 0.25)
    return Hydrograph(
        observed=line((x(i), None if v is None else flow(v)) for i, v in enumerate(observed)),
        simulated=line((x(i), flow(v)) for i, v in enumerate(simulated)),
        rain="".join(f"M{x(i):.1f} 0V{depth(v):.1f}" for i, v in enumerate(rain) if v > 0),
        years=[
            Tick(x(i), str(day.year)) for i, day in enumerate(days) if day.timetuple().tm_yday == 1
        ],
        flows=[Tick(flow(value), f"{value:g}") for value in flow_steps],
        months=by_month(days, rain, observed, simulated),
    )


def dotty(name: str, *, about: str, ends: tuple[float, float], ranking: dict[str, Any]) -> Dotty:
    """Draw one parameter's dots; sets worse than always saying the mean are left out.

    Args:
        name: The parameter.
        about: What it means.
        ends: Where it may lie.
        ranking: A list for each parameter and one for "nse", the best set first.
    """
    width, height = DOTTY
    x, y = Scale(*ends, 0, width), Scale(0, 1, height, 0)
    pairs = list(zip(ranking[name], ranking["nse"], strict=True))
    shown = [(value, nse) for value, nse in pairs if nse >= 0]
    return Dotty(
        name=name,
        about=about,
        dots="".join(f"M{x(value):.1f} {y(nse):.1f}h0" for value, nse in shown),
        best=pairs[0][0],
        best_x=round(x(pairs[0][0]), 1),
        best_y=round(y(max(pairs[0][1], 0)), 1),
        values=[Tick(round(x(end), 1), f"{end:g}") for end in (ends[0], sum(ends) / 2, ends[1])],
        efficiencies=[Tick(y(value), f"{value:g}") for value in (0, 0.5, 1)],
        hidden=len(pairs) - len(shown),
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Leads from a quantity to a place in the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def steps(low: float, high: float) -> list[float]:
    """Round numbers, about five, from ``low`` to at least ``high``."""
    rough = max(high - low, 1e-9) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [low + i * step for i in range(math.ceil((high - low) / step) + 1)]


def line(points: Any) -> str:
    """An SVG path through points; a missing one leaves a gap."""
    parts, pen = [], "M"
    for x, y in points:
        if y is not None:
            parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "M" if y is None else "L"
    return "".join(parts)


def by_month(
    days: Sequence[date],
    rain: Sequence[float],
    observed: Sequence[float | None],
    simulated: Sequence[float],
) -> list[Month]:
    """The same as a table: sums of rain and means of discharge."""
    groups: dict[str, list[int]] = {}
    for i, day in enumerate(days):
        groups.setdefault(f"{day:%Y-%m}", []).append(i)
    found = []
    for name, days_of_month in groups.items():
        seen = [value for i in days_of_month if (value := observed[i]) is not None]
        mean = fmean(seen) if seen else None
        modelled = fmean(simulated[i] for i in days_of_month)
        found.append(Month(name, sum(rain[i] for i in days_of_month), mean, modelled))
    return found
