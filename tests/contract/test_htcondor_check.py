"""What the look at a real pool finds, and which cure it tells for what is not well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oceanid.engines.htcondor.check import look
from oceanid.engines.htcondor.reach import shell_of
from oceanid.specs import CheckReport, Step
from oceanid.states import Health
from tests.contract.condor import Pool

pytestmark = [pytest.mark.condor, pytest.mark.asyncio]


async def looked(directory: str = ".oceanid-check", **changes: Any) -> CheckReport:
    """Look at the pool over SSH, with some options changed."""
    shell = shell_of({**Pool.running().ssh, **changes}, {})
    try:
        return await look(shell, directory)
    finally:
        await shell.close()


def failing(report: CheckReport) -> Step:
    """The first step that is not well."""
    return next(step for step in report.steps if not step.ok)


async def test_a_pool_that_is_well_passes_every_step() -> None:
    report = await looked()
    assert report.health is Health.OK, report
    assert [step.name for step in report.steps] == [
        "reachable", "host key", "login", "clock", "HTCondor", "schedd", "may submit", "slots",
        "directory",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name", "found"),
    [
        ({"host_key": ""}, "host key", "is not known yet"),
        ({"user": "nobody"}, "login", "did not let us in"),
        ({"port": 81}, "reachable", "can't be reached"),
        ({"environment": {"CONDOR_CONFIG": "/nope"}}, "schedd", "does not answer"),
        (
            {"environment": {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "PASSWORD"}},
            "may submit",
            "does not let this account submit",
        ),
        ({"user": "root"}, "may submit", "runs no jobs of root"),
        ({"directory": "/root/x"}, "directory", "can't be written"),
    ],
)
async def test_what_is_not_well_is_told_with_its_cure(
    changes: dict[str, Any], name: str, found: str
) -> None:
    directory = changes.get("directory", ".oceanid-check")
    options = {each: value for each, value in changes.items() if each != "directory"}
    async with asyncio.timeout(120):
        # A schedd that is busy may not answer at once, and then that is what is told.
        while (step := failing(report := await looked(directory, **options))).name != name:
            assert step.name == "schedd", step
    assert (step.name, report.health is Health.OK) == (name, False)
    assert found in step.found and step.hint
