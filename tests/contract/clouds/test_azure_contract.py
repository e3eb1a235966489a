"""Azure keeps the contract of clouds: the real SDKs against the small Azure."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanid.clouds.testing import CloudContract, Stage
from tests.contract.clouds.azure_stage import AzureStage


class TestAzure(CloudContract):
    """With long operations that are over when they are next asked for."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = monkeypatch

    def make_stage(self, tmp_path: Path) -> Stage:
        return AzureStage(tmp_path, self.environment)
