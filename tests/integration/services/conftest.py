"""Services over a scripted world: no process, no clock, the driver in the test's own thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oceanid.jobs import JobManager
from tests.property.conftest import scripted  # noqa: F401 - a fixture
from tests.property.house import House


@pytest.fixture
def house(scripted: Path) -> Iterator[House]:  # noqa: F811
    """A supervisor's driver over a scripted world; at the end all is looked at."""
    made = House()
    yield made
    made.close()


@pytest.fixture
def job(house: House) -> Callable[..., Any]:
    """Makes a job on the scripted scheduler."""

    def make(*, user: Any = None, job_type: str = "CONDOR", **fields: Any) -> Any:
        if job_type == "CONDOR":
            fields.setdefault("executable", "/bin/true")
        return JobManager("floods").create_job(
            fields.pop("name", "run"), user or house.users[0], job_type=job_type,
            scheduler=house.scheduler, **fields,
        )  # fmt: skip

    return make
