"""A pool that is a file: who is in it is written there by the test, who is drained by the pool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from oceanid.engines.pools import Pool, PoolLook, PoolNode
from oceanid.errors import EngineUnavailable
from tests.clouds.paper_engine import PaperEngine

MEMBERS, DRAINED = "members.json", "drained.json"


def write(file: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(file)


def read(file: Path) -> Any:
    """What is in a file; an empty list when it is not there."""
    return json.loads(file.read_text()) if file.exists() else []


class RolledPool:
    """The pool of a folder. Machines join it when they run; it has no jobs."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.folder = Path(config["folder"])
        self.host = config["host"]

    async def open(self) -> None:
        self._members()

    async def look(self) -> PoolLook:
        drained = read(self.folder / DRAINED)
        return PoolLook(
            tuple(
                PoolNode(address, f"host-{address}", 0, 1, 1024, is_leaving=address in drained)
                for address in self._members()
            )
        )

    async def worker_token(self, *, lifetime_s: int) -> str:
        return "a-token.that-is.none"

    async def let_master_work(self, works: bool) -> None:
        self._members()

    async def drain(self, addresses: Sequence[str]) -> None:
        file = self.folder / DRAINED
        write(file, sorted({*read(file), *addresses}))

    async def undrain(self, addresses: Sequence[str]) -> None:
        file = self.folder / DRAINED
        write(file, sorted({*read(file)} - {*addresses}))

    async def close(self) -> None:
        return None

    def _members(self) -> list[str]:
        """The workers' addresses, as long as the master is there."""
        members = read(self.folder / MEMBERS)
        if not any(self.host in each["addresses"] for each in members if each["role"] == "MAS"):
            raise EngineUnavailable("The master does not answer.")
        return [each["private"] for each in members if each["role"] == "WOR"]


class RolledEngine(PaperEngine):
    """Has such a pool."""

    name: ClassVar[str] = "rolled"
    title: ClassVar[str] = "Rolled"

    @classmethod
    def pool(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Pool:
        return RolledPool(config)
