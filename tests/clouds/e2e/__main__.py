"""``python -m tests.clouds.e2e amazon``: the chain on one cloud, with its figures.

A module of this package with the cloud's name has its ``Side`` as ``SIDE``.
"""

from __future__ import annotations

import importlib
import sys

from tests.clouds.e2e.chain import main
from tests.clouds.e2e.side import Side
from tests.clouds.vms.ground import missing


def side_of(name: str) -> Side:
    """The side of a cloud."""
    made = importlib.import_module(f"tests.clouds.e2e.{name}").SIDE()
    assert isinstance(made, Side)
    return made


if __name__ == "__main__":
    if problem := missing():
        sys.exit(problem)
    main(side_of(sys.argv[1]))
