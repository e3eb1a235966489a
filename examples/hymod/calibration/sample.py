#!/usr/bin/env python3
"""Step 1: draw parameter sets at random, uniformly over their ranges, into ``samples.csv``.

Usage: sample.py COUNT SEED
"""

import csv
import random
import sys

from hymod_model import RANGES, Parameters


def main(count: int, seed: int) -> None:
    """Write ``count`` sets; the same seed gives the same sets."""
    draw = random.Random(seed)
    with open("samples.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["number", *Parameters._fields])
        for number in range(count):
            rows.writerow([number, *(draw.uniform(low, high) for low, high in RANGES.values())])
    print(f"Drew {count} parameter sets with seed {seed}.")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
