"""A fresh subscription in a small Azure, for the clouds' contract."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from oceanid.clouds.azure import AzureCloud
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.testing import Stage
from tests.clouds.azure.client import account_config
from tests.clouds.azure.server import SmallAzure, fault
from tests.clouds.booter import Booter
from tests.contract.clouds.certificates import both


class AzureStage(Stage):
    """The app's rights are those of the role in the documentation, and no more."""

    def __init__(self, folder: Path, environment: Any, *, booter: Booter | None = None) -> None:
        self.azure = SmallAzure(folder / "small-azure", booter=booter)
        environment.setenv("REQUESTS_CA_BUNDLE", str(self.azure.ca))
        self.certificate = both(folder / "both.pem")
        self.azure.know(self.certificate.read_bytes())
        self.config = account_config(self.azure.address, self.certificate)

    def make_cloud(self) -> AzureCloud:
        return AzureCloud(AccountSpec(uuid.UUID(int=1), "ours", self.config))

    def calls(self) -> int:
        return len(self.azure.hooks.calls)

    def give_room(self, machines: int) -> None:
        self.azure.world.room = machines

    def deny(self, denied: bool) -> None:
        self.azure.control("allow", {"actions": [] if denied else None})

    def cut(self, call: int, *, done: bool) -> None:
        self.azure.hooks.arm(fault(call, after=done))

    def disarm(self) -> None:
        self.azure.hooks.disarm()

    def remains(self) -> list[str]:
        return self.azure.remains()

    def close(self) -> None:
        self.azure.stop()
