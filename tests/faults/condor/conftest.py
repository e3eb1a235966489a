"""Grounds for one test: a new home beside the running pool, whose machines are mended after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.condor import Pool, remove
from tests.faults.condor.grounds import Grounds
from tests.faults.condor.machines import Machines
from tests.faults.conftest import MakePlace
from tests.faults.engines import offer
from tests.faults.figures import Figures

SETTINGS = """
[OCEANID.SUPERVISOR]
LEASE_S = 4.0
BEAT_S = 0.5
POLL_S = 0.05
SWEEP_S = 8.0
"""


@pytest.fixture(scope="module")
def database() -> str:
    """SQLite: what a pool does to a portal does not depend on the database."""
    return "sqlite"


@pytest.fixture
def grounds(
    make_place: MakePlace, tmp_path: Path, figures: Figures, request: pytest.FixtureRequest
) -> Iterator[Grounds]:
    """A home beside the pool."""
    pool = Pool.running()
    machines = Machines(pool.control, str(pool.ssh["host"]))
    place = make_place(settings=SETTINGS, paths=(offer(tmp_path / "plugins"),))
    place.migrate()
    folder = pool.folder()
    name = request.node.name.removeprefix("test_").replace("_", " ")
    yield Grounds(place, folder, machines, figures, name)
    machines.mend()
    place.close()
    machines.run("condor_rm -all")
    machines.run("rm -rf ~alice/.oceanid")
    remove(folder)
