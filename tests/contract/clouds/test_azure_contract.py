"""Azure keeps the contract of clouds: the real SDKs against the small Azure."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from oceanid.clouds.azure import AzureCloud
from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.testing import CloudContract, Stage
from tests.clouds.azure.client import account_config
from tests.clouds.azure.server import Hook, SmallAzure
from tests.contract.clouds.certificates import both


class AzureStage(Stage):
    """A small Azure in this process."""

    def __init__(self, folder: Path) -> None:
        self.azure = SmallAzure(folder / "small-azure")
        certificate = both(folder / "both.pem")
        self.azure.know(certificate.read_bytes())
        self.config = account_config(self.azure.address, certificate)

    def make_cloud(self) -> Cloud:
        return AzureCloud(AccountSpec(uuid.UUID(int=1), "ours", self.config))

    def calls(self) -> int:
        return len(self.azure.calls)

    def give_room(self, machines: int) -> None:
        self.azure.world.room = machines

    def deny(self, denied: bool) -> None:
        self.azure.control("allow", {"actions": [] if denied else None})

    def cut(self, call: int, *, done: bool) -> None:
        self.azure.arm(Hook("cut", skip=call, done=done))

    def disarm(self) -> None:
        self.azure.disarm()

    def remains(self) -> list[str]:
        return self.azure.remains()

    def close(self) -> None:
        self.azure.stop()


class TestAzure(CloudContract):
    """Long operations that are over when they are next asked for."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = monkeypatch

    def make_stage(self, tmp_path: Path) -> Stage:
        stage = AzureStage(tmp_path)
        self.environment.setenv("REQUESTS_CA_BUNDLE", str(stage.azure.ca))
        return stage
