"""The emulated clouds as grounds: who asks stands still at a call, and the test kills it there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, ClassVar

from oceanid.clouds.amazon.cloud import AmazonCloud
from oceanid.clouds.azure import AzureCloud
from tests.clouds.booter import Addresses, PaperBooter
from tests.clouds.hooks import Fault, Hooks
from tests.contract.clouds.amazon_stage import AmazonStage
from tests.contract.clouds.azure_stage import AzureStage
from tests.faults.clouds.ground import Ground, Member, When


class RollBooter(PaperBooter):
    """Boots nothing, and says who is there."""

    def __init__(self) -> None:
        super().__init__()
        self._made_lock = threading.Lock()
        self._roles: dict[str, tuple[str, Addresses]] = {}

    def boot(self, machine_id: str, user_data: str, role_hint: str) -> Addresses:
        addresses = super().boot(machine_id, user_data, role_hint)
        with self._made_lock:
            self._roles[machine_id] = (role_hint, addresses)
        return addresses

    def members(self) -> list[Member]:
        """The machines that are alive."""
        with self._made_lock:
            known = dict(self._roles)
        states = {each: self.state(each) for each in known}
        return [
            Member(role, where.private, (where.private, where.public), states[each] == "running")
            for each, (role, where) in known.items()
            if states[each] in ("pending", "running")
        ]


class EmulatedGround(Ground):
    """An emulator with the hooks that both have."""

    ERROR: ClassVar[str] = ""
    """The code of an error that the SDK does not try again by itself."""

    hooks: Hooks
    booter: RollBooter
    stage: Any

    def calls(self) -> int:
        return len(self.hooks.calls)

    def kill_at(self, call: int, when: When) -> None:
        self.hooks.arm(Fault(at=call, when=when, act="block"))

    def fail_at(self, call: int, when: When) -> None:
        if when == "before":
            self.hooks.arm(Fault(at=call, when=when, act="error", error=self.ERROR))
        else:
            self.hooks.arm(Fault(at=call, when=when, act="cut"))

    def is_to_be_killed(self) -> bool:
        return self.hooks.waiting > 0

    def disarm(self) -> None:
        self.hooks.disarm()

    def members(self) -> list[Member]:
        return self.booter.members()

    def remains(self) -> list[str]:
        found: list[str] = self.stage.remains()
        return found

    def warm(self) -> None:
        """Read the SDK, which takes a process a second or two, before processes fork from us."""

        async def once() -> None:
            cloud = self.stage.make_cloud()
            await cloud.survey()
            await cloud.close()

        asyncio.run(once())

    def close(self) -> None:
        self.stage.close()


class RolledAmazon(AmazonCloud):
    """Amazon, whose machines' pool is a file."""

    engine: ClassVar[str] = "rolled"

    def scheduler_options(self) -> dict[str, Any]:
        return {"folder": self.account.config["folder"]}


class AmazonGround(EmulatedGround):
    """The emulated Amazon."""

    cloud = RolledAmazon
    ERROR = "UnauthorizedOperation"

    def __init__(self, folder: Path, environment: Any) -> None:
        super().__init__(folder)
        self.booter = RollBooter()
        self.stage = AmazonStage(booter=self.booter)
        self.hooks = self.stage.emulator.hooks
        self.config = {**self.stage.config, "folder": str(folder)}
        self.secrets = {"secret_access_key": "x" * 40}
        self.warm()


class RolledAzure(AzureCloud):
    """Azure, whose machines' pool is a file."""

    engine: ClassVar[str] = "rolled"

    def scheduler_options(self) -> dict[str, Any]:
        return {"folder": self.account.config["folder"]}


class AzureGround(EmulatedGround):
    """The small Azure."""

    cloud = RolledAzure
    ERROR = "AuthorizationFailed"

    def __init__(self, folder: Path, environment: Any) -> None:
        super().__init__(folder)
        self.booter = RollBooter()
        self.stage = AzureStage(folder, environment, booter=self.booter)
        self.hooks = self.stage.azure.hooks
        self.config = {**self.stage.config, "folder": str(folder)}
        self.warm()
