"""Interleaved rounds, their medians, and the verdict on them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter


@dataclass(slots=True)
class Rounds:
    """Times of several things, measured in turn so that a busy machine slows all of them."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self, rounds: int, measures: Mapping[str, Callable[[], float]]) -> None:
        """Measure everything once to warm up, then ``rounds`` times; each gives its seconds."""
        for measure in measures.values():
            measure()
        for number in range(rounds):
            names = list(measures)
            # The order turns each round, so that nothing always comes after the same.
            for name in names[number % len(names) :] + names[: number % len(names)]:
                self.seconds[name].append(measures[name]())

    def ratio(self, over: str, under: str) -> float:
        """The median of the rounds' own ratios: what slowed one round slowed both in it."""
        pairs = zip(self.seconds[over], self.seconds[under], strict=True)
        return median(first / second for first, second in pairs)

    def median(self, name: str) -> float:
        """The median in seconds."""
        return median(self.seconds[name])


@dataclass(slots=True)
class Verdict:
    """Collects figures with their limits, and prints each as it comes.

    Args:
        binding: Whether a figure that falls short fails the run; not on small numbers.
    """

    binding: bool = True
    short: list[str] = field(default_factory=list)

    def at_least(self, what: str, value: float, limit: float, detail: str = "") -> None:
        """A figure that should not be smaller than its limit."""
        self._tell(what, value, f"≥ {limit:g}", value >= limit, detail)

    def at_most(self, what: str, value: float, limit: float, detail: str = "") -> None:
        """A figure that should not be larger than its limit."""
        self._tell(what, value, f"≤ {limit:g}", value <= limit, detail)

    def _tell(self, what: str, value: float, limit: str, ok: bool, detail: str) -> None:
        mark = "ok" if ok else "SHORT" if self.binding else "(small)"
        print(f"{mark:8}{what:52} {value:9.3f}  {limit:8} {detail}", flush=True)
        if not ok:
            self.short.append(what)

    def exit_code(self) -> int:
        """1 when something fell short."""
        if self.short and self.binding:
            print(f"{len(self.short)} figures fell short: {'; '.join(self.short)}", file=sys.stderr)
            return 1
        return 0


def timed(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    begun = perf_counter()
    call()
    return perf_counter() - begun


def percentile(values: list[float], part: float) -> float:
    """The value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
