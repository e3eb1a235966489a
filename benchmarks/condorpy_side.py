"""Submits jobs one by one over SSH with condorpy, as Tethys does, and prints the seconds of each.

Runs in condorpy's own environment, so it imports nothing of ours; what it needs comes as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from time import perf_counter


def main() -> None:
    """Submit, and say how long each job took."""
    from condorpy import Job  # type: ignore[import-not-found]

    logging.disable(logging.CRITICAL)
    told = json.load(sys.stdin)
    os.chdir(told["folder"])
    seconds = []
    for number in range(told["jobs"]):
        begun = perf_counter()
        job = Job(
            f"job{number}",
            attributes=dict(told["attributes"]),
            remote_input_files=told["files"],
        )
        job.set_scheduler(
            told["host"], username=told["user"], private_key=told["key"], port=told["port"]
        )
        if job.submit() < 1:
            raise SystemExit("condorpy was given no cluster.")
        seconds.append(perf_counter() - begun)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
