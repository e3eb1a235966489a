"""A site with a scripted engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from oceanid.engines import registry
from tests.property.scripted import ScriptedEngine


@pytest.fixture
def scripted(db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose supervisor's driver runs in the test's own thread; a folder of the test's."""
    settings.OCEANID = {"DATA_DIR": str(tmp_path / "data")}
    found = (registry.Entry("scripted", ScriptedEngine, ""), *registry.installed())
    monkeypatch.setattr(registry, "installed", lambda: found)
    return tmp_path
