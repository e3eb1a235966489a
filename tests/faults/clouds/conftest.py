"""Grounds of every cloud whose emulator is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from oceanid.clouds import registry as clouds
from oceanid.engines import registry as engines
from tests.faults.clouds.emulated import AmazonGround, AzureGround
from tests.faults.clouds.ground import Ground, PaperGround
from tests.faults.clouds.trial import QUICK

GROUNDS: dict[str, Callable[[Path, pytest.MonkeyPatch], Ground]] = {
    "amazon": AmazonGround,
    "azure": AzureGround,
    "paper": PaperGround,
}


@pytest.fixture(params=sorted(GROUNDS))
def ground(
    request: pytest.FixtureRequest,
    transactional_db: None,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    """An empty account."""
    settings.OCEANID = {"DATA_DIR": str(tmp_path / "data"), **QUICK}
    made = GROUNDS[request.param](tmp_path, monkeypatch)
    ours = clouds.Entry(made.cloud.name, made.cloud, "")
    others = tuple(each for each in clouds.installed() if each.name != ours.name)
    monkeypatch.setattr(clouds, "installed", lambda: (ours, *others))
    pool = engines.Entry(made.engine.name, made.engine, "")
    known = (pool, *engines.installed())
    monkeypatch.setattr(engines, "installed", lambda: known)
    yield made
    made.close()
