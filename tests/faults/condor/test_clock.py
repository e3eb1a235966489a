"""The portal's clock is an hour off the pool's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.condor.grounds import Grounds

LIBRARY = "faketime/libfaketimeMT.so.1"


@pytest.mark.parametrize("shift", ["+1h", "-1h"])
def test_a_portals_clock_an_hour_off(grounds: Grounds, shift: str) -> None:
    found = list(Path("/usr/lib").glob(f"*/{LIBRARY}"))
    assert found, "no libfaketime: apt-get install faketime"
    grounds.place.environment |= {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": shift,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    grounds.record()
    grounds.supervise()
    grounds.submit()
    grounds.all_end()
