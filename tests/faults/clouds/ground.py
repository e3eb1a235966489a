"""The account of a cloud on which clusters are driven and their supervisors killed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from oceanid.clouds.base import Cloud
from oceanid.clouds.testing import PaperCloud, World
from oceanid.engines.base import Engine
from tests.clouds.paper_engine import PaperEngine
from tests.faults.clouds import roll

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Member:
    """A machine that is alive at the cloud.

    Args:
        role: ``MAS`` or ``WOR``.
        private: Its private address.
        addresses: All of its addresses.
        runs: Whether it has booted.
    """

    role: str
    private: str
    addresses: tuple[str, ...]
    runs: bool = True


class Ground(ABC):
    """One empty account. A cloud's emulator joins in by a subclass of this."""

    cloud: ClassVar[type[Cloud]]
    """The cloud's class, as it is registered for the test; its ``engine`` is that of below."""

    engine: ClassVar[type[Engine]] = roll.RolledEngine
    """Where the pool is: one in a file, unless the ground has one of its own."""

    config: Mapping[str, Any]
    """The account's options."""

    secrets: Mapping[str, str]
    """Its secrets."""

    fields: ClassVar[Mapping[str, Any]] = {}
    """What a cluster's row needs beside its name and size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = {}

    @abstractmethod
    def calls(self) -> int:
        """How many calls were asked so far."""

    @abstractmethod
    def kill_at(self, call: int, when: When) -> None:
        """Let whoever makes the ``call``-th call from now on be killed: before the cloud does it,
        or after, without its answer."""

    @abstractmethod
    def fail_at(self, call: int, when: When) -> None:
        """Let the ``call``-th call from now on fail, for a reason that passes."""

    def is_to_be_killed(self) -> bool:
        """Whether the one who asks stands at the call at which it is to be killed by us."""
        return False

    @abstractmethod
    def disarm(self) -> None:
        """Forget what did not come to pass, and let go of who is dead."""

    @abstractmethod
    def members(self) -> list[Member]:
        """The machines that are alive."""

    @abstractmethod
    def remains(self) -> list[str]:
        """Everything that exists in the account: the kind of each and its id."""

    def tell_pool(self) -> None:
        """Write down who has joined, for a pool in a file."""
        told = [
            {"role": each.role, "private": each.private, "addresses": each.addresses}
            for each in self.members()
            if each.runs
        ]
        roll.write(self.folder / roll.MEMBERS, told)

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what belongs to it."""


class PaperGround(Ground):
    """Paper; who asks it kills itself when it is to be killed."""

    cloud = PaperCloud
    engine = PaperEngine

    def __init__(self, folder: Path, environment: Any = None) -> None:
        super().__init__(folder)
        self.world = World(folder)
        self.config = {"folder": str(folder)}

    def calls(self) -> int:
        return len(self.world.read().calls)

    def kill_at(self, call: int, when: When) -> None:
        self.world.arm("kill", left=call, when=when)

    def fail_at(self, call: int, when: When) -> None:
        self.world.arm("unavailable", left=call, when=when)

    def disarm(self) -> None:
        self.world.disarm()

    def members(self) -> list[Member]:
        return [
            Member(each.role, each.address, (each.address,), each.joined)
            for each in self.world.read().machines
            if each.is_alive
        ]

    def remains(self) -> list[str]:
        state = self.world.read()
        found = [f"group {each.cluster}" for each in state.groups]
        found += [f"{part} {each.cluster}" for each in state.groups for part in each.parts]
        return found + [f"machine {each.id}" for each in state.machines]

    def tell_pool(self) -> None:
        """Its pool is on the same paper."""
