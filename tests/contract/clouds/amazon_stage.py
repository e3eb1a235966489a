"""A fresh account at an emulated Amazon, for the clouds' contract."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from oceanid.clouds.amazon.cloud import AmazonCloud
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.testing import Stage
from tests.clouds.amazon.emulator import Emulator, serve
from tests.clouds.booter import Booter
from tests.clouds.hooks import Fault

KEY = "AKIA" + "P" * 16


class AmazonStage(Stage):
    """The key's rights are those of the policy in the documentation, and no more."""

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        booter: Booter | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        self.emulator = Emulator(booter, policy)
        self.served = serve(self.emulator)
        self.config = {
            "access_key_id": KEY, "region": "eu-central-1", "endpoint_url": self.served.address,
            **(config or {}),
        }  # fmt: skip

    def make_cloud(self) -> AmazonCloud:
        secrets = {"secret_access_key": "x" * 40}
        return AmazonCloud(AccountSpec(uuid.UUID(int=1), "emulated", self.config, secrets))

    def calls(self) -> int:
        return len(self.emulator.hooks.calls)

    def give_room(self, machines: int) -> None:
        self.emulator.knobs.room = {"*": machines}

    def deny(self, denied: bool) -> None:
        self.emulator.knobs.denied = denied

    def cut(self, call: int, *, done: bool) -> None:
        self.emulator.hooks.arm(Fault(at=call, when="after" if done else "before"))

    def disarm(self) -> None:
        self.emulator.hooks.disarm()

    def remains(self) -> list[str]:
        return self.emulator.remains()

    def close(self) -> None:
        self.served.close()
