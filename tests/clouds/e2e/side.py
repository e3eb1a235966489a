"""What differs between the clouds for the chain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path


class Side(ABC):
    """One emulated cloud in a process of its own, which really boots its machines."""

    cloud: str
    """The cloud's name, and that of its part of Settings."""

    @abstractmethod
    def start(self, folder: Path) -> None:
        """Start the emulator; keys and logs go into a folder."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """With what a portal's processes reach the emulator instead of the cloud."""

    @abstractmethod
    def credentials(self) -> Mapping[str, str]:
        """What an administrator types into the cloud's part of Settings."""

    @abstractmethod
    def choices(self) -> Mapping[str, str]:
        """What an administrator types into the cluster's form beside name and sizes."""

    @abstractmethod
    def calls(self) -> list[str]:
        """The calls so far."""

    @abstractmethod
    def is_look(self, call: str) -> bool:
        """Whether a call only looks."""

    @abstractmethod
    def remains(self) -> list[str]:
        """All that is in the account and was not there at the beginning."""

    @abstractmethod
    def close(self) -> None:
        """End the emulator and its machines."""
