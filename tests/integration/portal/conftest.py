"""Homes and portals of these tests: one that lasts, and new ones for what stops or harms them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.portal.seen import Portal, starting
from tests.integration.running import clean_environment, oceanid, said


def end(home: Path) -> None:
    """Nothing runs on a home any more."""
    env = clean_environment(OCEANID_HOME=str(home))
    said(oceanid("stop", "--jobs"), cwd=home.parent, env=env, expect=None)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The first start on a home made by it, for all who only look at the portal."""
    home = tmp_path_factory.mktemp("lasting") / "home"
    yield from starting(home)
    end(home)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where a home can be made."""
    place = tmp_path / "home"
    yield place
    end(place)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the migrations leave it."""
    place = tmp_path_factory.mktemp("tables")
    env = clean_environment(OCEANID_HOME=str(place))
    said(oceanid("manage", "migrate", "-v", "0"), cwd=place, env=env)
    return place / "db.sqlite3"


@pytest.fixture
def portal(home: Path, tables: Path) -> Iterator[Portal]:
    """A portal of a test's own; that a first start makes the tables is seen at the lasting one."""
    home.mkdir(mode=0o700)
    shutil.copy(tables, home)
    yield from starting(home)
