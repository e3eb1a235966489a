#!/usr/bin/env python3
"""Step 2, an array job: run the model for one share of the sets, into ``scores-SHARE.csv``.

Usage: simulate.py SHARE SHARES (process SHARE, counted from 0, takes every SHARES-th set)
"""

import csv
import sys

from hymod_model import Parameters, nash_sutcliffe, read_days, simulate


def main(share: int, shares: int) -> None:
    """Score each of this share's sets by its Nash–Sutcliffe efficiency."""
    days = read_days("hymod_input.csv")
    done = 0
    with (
        open("samples.csv", newline="", encoding="utf-8") as samples,
        open(f"scores-{share}.csv", "w", newline="", encoding="utf-8") as scores,
    ):
        rows = csv.writer(scores)
        rows.writerow(["number", *Parameters._fields, "nse"])
        for sample in csv.DictReader(samples):
            if int(sample["number"]) % shares != share:
                continue
            parameters = Parameters(*(float(sample[name]) for name in Parameters._fields))
            nse = nash_sutcliffe(days, simulate(days, parameters))
            rows.writerow([sample["number"], *parameters, nse])
            done += 1
    print(f"Share {share} of {shares}: simulated {done} parameter sets.")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
