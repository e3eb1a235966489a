"""The example's pictures show what the numbers say."""

from __future__ import annotations

import pytest

from hymod import plots


def simulation(*, observed: list[float | None], simulated: list[float]) -> dict[str, object]:
    return {
        "first_day": "2013-01-01",
        "rain_mm": [1.5] * len(simulated),
        "observed_l_s": observed,
        "simulated_l_s": simulated,
    }


def test_a_larger_flow_stands_higher_and_zero_at_the_bottom() -> None:
    drawn = plots.hydrograph(simulation(observed=[0.0, 10.0, 5.0], simulated=[0.0, 10.0, 5.0]))
    assert drawn.observed == drawn.simulated
    heights = [float(point.split()[1]) for point in drawn.observed[1:].split("L")]
    assert heights[0] == drawn.height
    assert heights[1] < heights[2] < heights[0]
    assert [tick.label for tick in drawn.flows] == ["0", "2", "4", "6", "8", "10"]


def test_a_day_without_an_observation_leaves_a_gap() -> None:
    drawn = plots.hydrograph(simulation(observed=[1.0, None, 2.0], simulated=[1.0, 1.0, 1.0]))
    assert drawn.observed.count("M") == 2
    assert drawn.simulated.count("M") == 1


def test_the_table_has_each_months_rain_and_means() -> None:
    days = 31 + 28
    drawn = plots.hydrograph(simulation(observed=[2.0] * 31 + [None] * 28, simulated=[4.0] * days))
    january, february = drawn.months
    assert (january.name, january.observed_l_s, january.simulated_l_s) == ("2013-01", 2.0, 4.0)
    assert january.rain_mm == pytest.approx(46.5)
    assert february.observed_l_s is None


def test_sets_worse_than_the_mean_are_counted_not_drawn() -> None:
    ranking = {"cmax": [100.0, 200.0, 300.0], "nse": [0.6, 0.1, -3.0]}
    drawn = plots.dotty("cmax", about="", ends=(0.0, 400.0), ranking=ranking)
    assert drawn.dots.count("M") == 2
    assert drawn.hidden == 1
    assert drawn.best == 100.0
    assert drawn.best_x == drawn.width / 4


def test_a_best_set_below_zero_is_shown_at_the_edge() -> None:
    drawn = plots.dotty("cmax", about="", ends=(0.0, 2.0), ranking={"cmax": [1.0], "nse": [-2.0]})
    assert (drawn.best_y, drawn.hidden) == (drawn.height, 1)


@pytest.mark.parametrize("high", [0.0, 1e-6, 3.0, 113.7, 1e9])
def test_an_axis_reaches_the_highest_value_in_about_five_steps(high: float) -> None:
    steps = plots.steps(0, high)
    assert steps[-1] >= high
    assert 1 <= len(steps) <= 7
