"""The HYMOD rainfall–runoff model: daily discharge from rain and evaporation.

HYMOD is two things put together. The soil is R. J. Moore's probability-distributed store: the
catchment's many soil columns hold different amounts of water, up to ``cmax``, and rain that finds
a full column runs off. What runs off is then delayed by linear reservoirs: three small quick ones
in a row, for what flows over and just below the ground, and one slow one, for groundwater.

Sources:
    R. J. Moore (1985): The probability-distributed principle and runoff production at point
        and basin scales. Hydrological Sciences Journal 30(2), 273–297.
    R. J. Moore (2007): The PDM rainfall–runoff model. Hydrology and Earth System Sciences 11(1),
        483–499.
    D. P. Boyle (2001): Multicriteria calibration of hydrologic models. Dissertation, University
        of Arizona, Tucson. (The model in this form.)
    T. Wagener, D. P. Boyle, M. J. Lees, H. S. Wheater, H. V. Gupta and S. Sorooshian (2001):
        A framework for development and application of hydrological models. Hydrology and Earth
        System Sciences 5(1), 13–26.
    J. E. Nash and J. V. Sutcliffe (1970): River flow forecasting through conceptual models,
        part I. Journal of Hydrology 10(3), 282–290.

Only Python's standard library is used, so that this runs on any machine with a ``python3``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

CATCHMENT_KM2 = 1.783
LITRES_PER_S = CATCHMENT_KM2 * 1e6 / 86_400  # of 1 mm/day over the catchment
QUICK_RESERVOIRS = 3


class Parameters(NamedTuple):
    """What calibration looks for.

    Args:
        cmax: The water that the deepest soil column can hold, in mm.
        bexp: How unequal the columns are: 0 means all alike, more means many shallow ones.
        alpha: The part of the runoff that takes the quick way, 0 to 1.
        ks: The part of the slow reservoir that flows out in a day, 0 to 1.
        kq: The part of each quick reservoir that flows out in a day, 0 to 1.
    """

    cmax: float
    bexp: float
    alpha: float
    ks: float
    kq: float


RANGES = {
    "cmax": (1.0, 500.0),
    "bexp": (0.1, 2.0),
    "alpha": (0.1, 0.99),
    "ks": (0.001, 0.10),
    "kq": (0.1, 0.99),
}
"""Where each parameter may lie, in the order of `Parameters`."""


class Day(NamedTuple):
    """One day's observations: rain and evaporation in mm, discharge in l/s or None."""

    date: date
    rain: float
    evaporation: float
    discharge: float | None


def read_days(path: str) -> list[Day]:
    """Read the observations, in the order of the file."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter=";")
        next(rows)
        return [
            Day(
                datetime.strptime(day, "%d.%m.%Y").date(),
                float(rain),
                float(evaporation),
                None if math.isnan(float(discharge)) else float(discharge),
            )
            for day, rain, evaporation, discharge in rows
        ]


def simulate(days: Iterable[Day], parameters: Parameters) -> list[float]:
    """Compute each day's discharge in l/s."""
    cmax, bexp, alpha, ks, kq = parameters
    stored_at_most = cmax / (1 + bexp)
    stored = 0.0  # water in the soil, a mean over the catchment, in mm
    slow = 0.0
    quick = [0.0] * QUICK_RESERVOIRS
    discharge = []
    for day in days:
        # Moore (1985): every column holds either what it can or `level`, so one number tells all.
        level = cmax * (1 - (1 - stored / stored_at_most) ** (1 / (1 + bexp)))
        new_level = min(level + day.rain, cmax)
        new_stored = stored_at_most * (1 - (1 - new_level / cmax) ** (1 + bexp))
        runoff = max(day.rain - (new_stored - stored), 0.0)
        # A wet soil gives all of the potential evaporation, a drier one its share of it.
        stored = new_stored - min(day.evaporation * new_stored / stored_at_most, new_stored)

        flow = alpha * runoff
        for i in range(QUICK_RESERVOIRS):
            flow, quick[i] = _flow_out(quick[i] + flow, kq)
        slow_flow, slow = _flow_out(slow + (1 - alpha) * runoff, ks)
        discharge.append((flow + slow_flow) * LITRES_PER_S)
    return discharge


def _flow_out(water: float, rate: float) -> tuple[float, float]:
    """What leaves a linear reservoir in a day, and what stays."""
    return rate * water, (1 - rate) * water


def scored(days: Sequence[Day]) -> list[int]:
    """The days that count: those with an observation, after the first year (the warm-up)."""
    first_year = days[0].date.year
    return [
        i for i, day in enumerate(days) if day.date.year > first_year and day.discharge is not None
    ]


def nash_sutcliffe(days: Sequence[Day], simulated: Sequence[float]) -> float:
    """How good a simulation is: 1 is perfect, 0 as good as always saying the mean.

    Nash and Sutcliffe (1970): one minus the squared errors over the variance observed.
    """
    pairs = [(days[i].discharge or 0.0, simulated[i]) for i in scored(days)]
    mean = sum(observed for observed, _ in pairs) / len(pairs)
    errors = sum((observed - value) ** 2 for observed, value in pairs)
    variance = sum((observed - mean) ** 2 for observed, _ in pairs)
    return 1 - errors / variance
