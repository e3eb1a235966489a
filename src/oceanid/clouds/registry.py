"""Finds clouds by their entry points; a broken one is told, and stops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from oceanid.clouds.base import Cloud
from oceanid.errors import CloudMissing

GROUP = "oceanid.clouds"


@dataclass(frozen=True, slots=True)
class Entry:
    """One cloud that some installed package offers.

    Args:
        name: The name in its entry point.
        cloud: Its class, or None when it can't be loaded.
        problem: Why it can't be loaded or used on this machine; "" when it can.
    """

    name: str
    cloud: type[Cloud] | None
    problem: str

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.cloud.title if self.cloud is not None else self.name


@cache
def installed() -> tuple[Entry, ...]:
    """Every cloud that is installed, the broken ones with what is wrong with them."""
    found: dict[str, Entry] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        found.setdefault(point.name, _load(point))
    return tuple(found.values())


def cloud_class(name: str) -> type[Cloud]:
    """The cloud of this name, whether or not this machine has what it needs.

    Raises:
        CloudMissing: None of this name is installed, or it can't be loaded.
    """
    for entry in installed():
        if entry.name == name and entry.cloud is not None:
            return entry.cloud
        if entry.name == name:
            raise CloudMissing(
                "The cloud “{name}” can't be used: {problem}", name=name, problem=entry.problem
            )
    names = ", ".join(entry.name for entry in installed())
    raise CloudMissing(
        "No cloud named “{name}” is installed.",
        hint="Installed are: {names}.",
        name=name,
        names=names or "none",
    )


def title_of(name: str) -> str:
    """What a person calls a cloud, also one that is not installed."""
    return next((entry.title for entry in installed() if entry.name == name), name)


def _load(point: EntryPoint) -> Entry:
    try:
        loaded = point.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Cloud)):
            return Entry(point.name, None, f"{loaded!r} is not a Cloud class.")
        return Entry(point.name, loaded, loaded.is_available())
    except Exception as problem:  # noqa: BLE001 - a stranger's import may raise anything
        return Entry(point.name, None, f"{type(problem).__name__}: {problem}")
