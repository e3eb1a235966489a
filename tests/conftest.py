"""What the tests need from the machine: skipped with a cure, or failed where it is required."""

from __future__ import annotations

import gc
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from tests.clouds.vms.ground import missing

# The same examples each time; `pytest --hypothesis-profile=long` looks for new ones for long.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("long", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("same")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
TETHYS = Path(__file__).parents[1] / "var" / "cache" / "tethys-venv"


def chromium() -> str:
    """The browser that the tests drive: OCEANID_CHROMIUM, or the first in PATH; "" for none."""
    found = map(shutil.which, CHROMIUMS)
    return os.environ.get("OCEANID_CHROMIUM") or next(filter(None, found), "")


def _browser() -> str:
    if find_spec("playwright") is None:
        return "playwright is not installed: make setup"
    if chromium():
        return ""
    return "no Chromium: apt-get install chromium libatomic1, then make test-browser"


def _postgres() -> str:
    return "" if os.environ.get("OCEANID_TEST_POSTGRES") else "no PostgreSQL: make test-postgres"


def _tethys() -> str:
    return "" if os.environ.get("OCEANID_TEST_TETHYS") else "no Tethys Portal: make test-tethys"


def _ssh() -> str:
    if find_spec("asyncssh") is None:
        return "asyncssh is not installed: make setup"
    if shutil.which("sshd", path=SBIN) is None:
        return "no SSH server to test with: apt-get install openssh-server"
    return ""


def _condor() -> str:
    return "" if os.environ.get("OCEANID_TEST_CONDOR") else "no HTCondor pool: make test-condor"


def _vms() -> str:
    if os.environ.get("OCEANID_TEST_VMS") != "1":
        return "machines are booted by: make test-vms"
    return missing()


LACKING = {
    "browser": _browser,
    "condor": _condor,
    "condor_faults": _condor,
    "postgres": _postgres,
    "ssh": _ssh,
    "tethys": _tethys,
    "vms": _vms,
}
"""For each marker, what is not there and the command that brings it; "" when it is there."""


def required() -> set[str]:
    """The markers whose tests must not be skipped, from OCEANID_REQUIRE."""
    names = {name.strip() for name in os.environ.get("OCEANID_REQUIRE", "").split(",")} - {""}
    unknown = names - LACKING.keys()
    if unknown:
        raise pytest.UsageError(
            f"OCEANID_REQUIRE names {', '.join(sorted(unknown))}; known are {', '.join(LACKING)}."
        )
    return names


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what may ask the database: pytest-django lets no other test do so."""
    fixtures = getattr(item, "fixturenames", ())
    if item.get_closest_marker("django_db") or {"db", "transactional_db"} & set(fixtures):
        item.add_marker("database")


def pytest_collection_finish() -> None:
    """What was imported stays to the end: it need not be looked through for garbage each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is not met, or fail it where the need is required."""
    for name, lacking in LACKING.items():
        if item.get_closest_marker(name) is None:
            continue
        what = lacking()
        if what and name in required():
            pytest.fail(f"required, but {what}", pytrace=False)
        if what:
            pytest.skip(what)
