"""The example's rainfall–runoff model holds water, and its steps find what they should."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from hymod.calibration.hymod_model import (
    LITRES_PER_S,
    RANGES,
    Day,
    Parameters,
    nash_sutcliffe,
    read_days,
    scored,
    simulate,
)

HYMOD = Path(__file__).resolve().parents[2] / "examples" / "hymod"
SOME = Parameters(cmax=180.0, bexp=0.3, alpha=0.5, ks=0.05, kq=0.5)


def days_of(*, rain: list[float], evaporation: float = 0.0) -> list[Day]:
    start = date(2020, 1, 1)
    return [Day(start + timedelta(i), mm, evaporation, None) for i, mm in enumerate(rain)]


def test_the_observations_are_five_whole_years_without_discharge_in_the_first() -> None:
    days = read_days(str(HYMOD / "data" / "hymod_input.csv"))
    assert (days[0].date, days[-1].date, len(days)) == (date(2012, 1, 1), date(2016, 12, 31), 1827)
    assert all(day.discharge is None for day in days if day.date.year == 2012)
    assert {days[i].date.year for i in scored(days)} == {2013, 2014, 2015, 2016}


def test_no_water_is_made_or_lost() -> None:
    rain = [30.0, 0.0, 12.5, 80.0] + [0.0] * 2_000
    depth_mm = sum(simulate(days_of(rain=rain), SOME)) / LITRES_PER_S
    capacity = SOME.cmax / (1 + SOME.bexp)
    # Without evaporation, what does not flow out stays in the soil, which fills up to `capacity`.
    assert sum(rain) - capacity <= depth_mm <= sum(rain)
    # On a full soil each drop runs off.
    flooded = simulate(days_of(rain=[10_000.0] + [0.0] * 2_000), SOME)
    assert sum(flooded) / LITRES_PER_S == pytest.approx(10_000.0 - capacity, rel=1e-6)


def test_without_rain_nothing_flows() -> None:
    assert simulate(days_of(rain=[0.0] * 10, evaporation=5.0), SOME) == [0.0] * 10


def test_evaporation_takes_no_more_than_there_is() -> None:
    flows = simulate(days_of(rain=[1.0] * 500, evaporation=1_000.0), SOME)
    assert all(0 <= flow < LITRES_PER_S for flow in flows)


@pytest.mark.parametrize("edge", [0, 1])
def test_the_model_stands_the_edges_of_the_ranges(edge: int) -> None:
    parameters = Parameters(*(ends[edge] for ends in RANGES.values()))
    days = read_days(str(HYMOD / "data" / "hymod_input.csv"))
    flows = simulate(days, parameters)
    assert len(flows) == len(days)
    assert all(isinstance(flow, float) and flow >= 0 for flow in flows)


def test_efficiency_is_one_for_a_perfect_simulation_and_zero_for_the_mean() -> None:
    days = read_days(str(HYMOD / "data" / "hymod_input.csv"))
    observed = [day.discharge or 0.0 for day in days]
    values = [observed[i] for i in scored(days)]
    mean = sum(values) / len(values)
    assert nash_sutcliffe(days, observed) == 1.0
    assert nash_sutcliffe(days, [mean] * len(days)) == pytest.approx(0.0)


@dataclass(frozen=True)
class Workshop:
    """A bare directory with the scripts and the data, as an execute machine has them."""

    path: Path

    def run(self, script: str, *arguments: int) -> str:
        done = subprocess.run(
            [sys.executable, "-S", "-E", script, *map(str, arguments)],
            cwd=self.path,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    for script in (HYMOD / "calibration").glob("*.py"):
        shutil.copy(script, tmp_path)
    shutil.copy(HYMOD / "data" / "hymod_input.csv", tmp_path)
    return Workshop(tmp_path)


def test_the_steps_alone_find_an_efficiency_above_one_half(workshop: Workshop) -> None:
    workshop.run("sample.py", 500, 1)
    for share in range(3):
        workshop.run("simulate.py", share, 3)
    workshop.run("rank.py", 3)
    best = json.loads((workshop.path / "best.json").read_text())
    assert best["nse"] > 0.5
    assert best["sets"] == 500
    ranking = (workshop.path / "ranking.csv").read_text().splitlines()
    assert len(ranking) == 501
    assert ranking[1].endswith(str(best["nse"]))
    assert len((workshop.path / "best_simulation.csv").read_text().splitlines()) == 1828


def test_the_ranking_is_the_same_however_the_sets_are_shared_out(workshop: Workshop) -> None:
    rankings = []
    for shares in (1, 7):
        workshop.run("sample.py", 5, 3)  # fewer sets than shares: some shares are empty
        for share in range(shares):
            workshop.run("simulate.py", share, shares)
        workshop.run("rank.py", shares)
        rankings.append((workshop.path / "ranking.csv").read_text())
    assert rankings[0] == rankings[1]
