"""Finds engines by their entry points; a broken one is told, and stops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from oceanid.engines.base import Engine
from oceanid.errors import EngineMissing

GROUP = "oceanid.engines"


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine that some installed package offers.

    Args:
        name: The name in its entry point.
        engine: Its class, or None when it can't be loaded.
        problem: Why it can't be loaded or used on this machine; "" when it can.
    """

    name: str
    engine: type[Engine] | None
    problem: str


@cache
def installed() -> tuple[Entry, ...]:
    """Every engine that is installed, the broken ones with what is wrong with them."""
    found: dict[str, Entry] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        found.setdefault(point.name, _load(point.name, point))
    return tuple(found.values())


def engine_class(name: str) -> type[Engine]:
    """The engine of this name.

    Raises:
        EngineMissing: No engine of this name is installed, or it can't be used here.
    """
    for entry in installed():
        if entry.name == name and entry.engine is not None and not entry.problem:
            return entry.engine
        if entry.name == name:
            raise EngineMissing(
                "The engine “{name}” can't be used: {problem}", name=name, problem=entry.problem
            )
    names = ", ".join(entry.name for entry in installed() if not entry.problem)
    raise EngineMissing(
        "No engine named “{name}” is installed.",
        hint="Installed are: {names}.",
        name=name,
        names=names or "none",
    )


def _load(name: str, point: object) -> Entry:
    try:
        loaded = point.load()  # type: ignore[attr-defined]
        if not (isinstance(loaded, type) and issubclass(loaded, Engine)):
            return Entry(name, None, f"{loaded!r} is not an Engine class.")
        return Entry(name, loaded, loaded.is_available())
    except Exception as problem:  # noqa: BLE001 - a stranger's import may raise anything
        return Entry(name, None, f"{type(problem).__name__}: {problem}")
