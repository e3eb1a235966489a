"""The cloud of paper keeps the clouds' contract."""

from __future__ import annotations

import uuid
from pathlib import Path

from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.testing import CloudContract, PaperCloud, Stage, World


class PaperStage(Stage):
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)

    def make_cloud(self) -> Cloud:
        folder = {"folder": str(self.world.folder)}
        return PaperCloud(AccountSpec(uuid.UUID(int=1), "paper", folder))

    def calls(self) -> int:
        return len(self.world.read().calls)

    def give_room(self, machines: int) -> None:
        with self.world.open() as state:
            state.room = {"*": machines}

    def deny(self, denied: bool) -> None:
        with self.world.open() as state:
            state.denied = denied

    def cut(self, call: int, *, done: bool) -> None:
        self.world.arm("unavailable", left=call, when="after" if done else "before")

    def disarm(self) -> None:
        self.world.disarm()

    def remains(self) -> list[str]:
        state = self.world.read()
        parts = [f"{part} {each.cluster}" for each in state.groups for part in each.parts]
        groups = [f"group {each.cluster}" for each in state.groups]
        return groups + parts + [f"machine {each.id}" for each in state.machines]


class TestPaperCloud(CloudContract):
    """Every rule of the suite, on paper."""

    def make_stage(self, tmp_path: Path) -> Stage:
        return PaperStage(tmp_path)
