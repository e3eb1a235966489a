"""The cloud of paper as a plug-in that a real portal finds, as it finds everybody's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
ENTRY_POINTS: Final = """
[oceanid.clouds]
paper = oceanid.clouds.testing:PaperCloud

[oceanid.engines]
paper = tests.clouds.paper_engine:PaperEngine
"""
SETTINGS: Final = """
[OCEANID.CLUSTERS]
BUSY_LOOK_S = 0.3
LOOK_S = 2.0
QUEUE_S = 1.0
DAMPING_MINUTES = 0.02
SSH_FROM = ["192.0.2.7/32"]
"""
"""A home's settings.toml with which a cluster of paper is made in some seconds."""

PRICES: Final = """
{"format": 1, "cloud": "paper", "dated": "2026-06-30", "source": "a test", "spot_share": 0.3,
 "regions": {"paper-1": {"disk_gib_month": 0.08, "address_hour": 0.005,
                         "machines": {"small": 0.021, "large": 0.17}}}}
"""


def install(folder: Path) -> str:
    """Put the plug-in into a folder; what a portal's PYTHONPATH must name."""
    place = folder / "oceanid_paper-1.dist-info"
    place.mkdir(parents=True, exist_ok=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: oceanid-paper\nVersion: 1\n")
    (place / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join((str(folder), str(ROOT)))
