"""Reads what the last step wrote; the supervisor calls it once the workflow is done."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from hymod.calibration.hymod_model import RANGES
from oceanid.jobs import CondorWorkflow

DOTS = 2000
"""The most sets that a dotty plot shows, the best first: a picture needs no more."""


def keep_best(job: CondorWorkflow) -> dict[str, Any]:
    """Keep in the database what the page shows, so that it never has to read a file.

    Returns:
        The efficiency and the parameters of the best set: it becomes ``job.result``.
    """
    summary: dict[str, Any] = json.loads((job.directory / "best.json").read_text("utf-8"))
    job.extended_properties["plots"] = {
        "simulation": read_simulation(job.directory / "best_simulation.csv"),
        "ranking": read_ranking(job.directory / "ranking.csv"),
    }
    job.result = summary
    job.save()
    return summary


def read_simulation(path: Path) -> dict[str, Any]:
    """The days after the first year: rain, observed and simulated discharge."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first_year = rows[0]["date"][:4]
    days = [row for row in rows if row["date"][:4] > first_year]
    return {
        "first_day": days[0]["date"],
        "rain_mm": [float(row["rain_mm"]) for row in days],
        "observed_l_s": [
            float(row["observed_l_s"]) if row["observed_l_s"] else None for row in days
        ],
        "simulated_l_s": [float(row["simulated_l_s"]) for row in days],
    }


def read_ranking(path: Path) -> dict[str, list[float]]:
    """A list for each parameter and one for the efficiency, the best set first."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(DOTS), strict=False)]
    return {name: [float(row[name]) for row in rows] for name in [*RANGES, "nse"]}
