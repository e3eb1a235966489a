"""What of an emulated Amazon a test may set: room, quotas, rights, how fast things happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Knobs:
    """The state of what is not the account's own.

    Args:
        room: How many more machines there is capacity for, by ``*``, a zone, a type or ``spot``;
            without a limit where nothing is said.
        quota: Processors that may run at once, by ``on-demand`` and ``spot``.
        denied: Whether the account may do nothing.
        looks: How many DescribeInstances show a machine in a passing state before the next one.
        unseen: How many DescribeInstances do not show a new machine yet.
        regions: Those that are switched on.
    """

    room: dict[str, int] = field(default_factory=dict)
    quota: dict[str, int] = field(default_factory=lambda: {"on-demand": 100_000, "spot": 100_000})
    denied: bool = False
    looks: int = 1
    unseen: int = 0
    regions: list[str] = field(
        default_factory=lambda: ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"]
    )

    def set(self, values: dict[str, Any]) -> None:
        """Set some of them."""
        for name, value in values.items():
            if not hasattr(self, name):
                raise KeyError(name)
            setattr(self, name, value)

    def room_for(self, kinds: set[str]) -> int | None:
        """How many machines of these kinds there is room for; None without a limit."""
        limits = [left for kind, left in self.room.items() if kind in kinds | {"*"}]
        return min(limits) if limits else None

    def take_room(self, kinds: set[str], machines: int) -> None:
        """So many of these kinds were made."""
        for kind in self.room:
            if kind in kinds | {"*"}:
                self.room[kind] -= machines
