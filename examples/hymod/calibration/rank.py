#!/usr/bin/env python3
"""Step 3: rank all sets by efficiency and run the best one again, for the plots.

Usage: rank.py SHARES (reads ``scores-0.csv`` … and writes three files)

    ranking.csv          every set, the best first
    best_simulation.csv  each day's rain, observed and simulated discharge
    best.json            what the app shows beside its plots
"""

import csv
import json
import sys

from hymod_model import Parameters, nash_sutcliffe, read_days, scored, simulate


def main(shares: int) -> None:
    """Write the ranking, the best simulation and their summary."""
    ranking = sorted(read_scores(shares), key=lambda row: row["nse"], reverse=True)
    with open("ranking.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fieldnames=["number", *Parameters._fields, "nse"])
        rows.writeheader()
        rows.writerows(ranking)

    days = read_days("hymod_input.csv")
    best = Parameters(*(ranking[0][name] for name in Parameters._fields))
    simulated = simulate(days, best)
    with open("best_simulation.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["date", "rain_mm", "observed_l_s", "simulated_l_s"])
        for day, value in zip(days, simulated, strict=True):
            observed = "" if day.discharge is None else day.discharge
            table.writerow([day.date.isoformat(), day.rain, observed, round(value, 3)])

    summary = {
        "nse": nash_sutcliffe(days, simulated),
        "parameters": best._asdict(),
        "sets": len(ranking),
        "days_scored": len(scored(days)),
    }
    with open("best.json", "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=2)
    print(f"The best of {len(ranking)} parameter sets has an efficiency of {summary['nse']:.3f}.")


def read_scores(shares: int) -> list[dict[str, float]]:
    """Read what every process of step 2 wrote."""
    rows = []
    for share in range(shares):
        with open(f"scores-{share}.csv", newline="", encoding="utf-8") as file:
            rows += [
                {name: float(text) for name, text in row.items()} for row in csv.DictReader(file)
            ]
    for row in rows:
        row["number"] = int(row["number"])
    return rows


if __name__ == "__main__":
    main(int(sys.argv[1]))
