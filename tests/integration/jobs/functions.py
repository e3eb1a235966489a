"""Functions of an app, as PYTHON jobs and results steps call them."""

from __future__ import annotations

from typing import Any


def add(a: int, b: int = 1) -> int:
    """A sum."""
    return a + b


def fail(message: str) -> None:
    """Nothing but trouble."""
    raise ValueError(message)


def needs_more() -> str:
    """Nothing that a bare Python could do."""
    from django.utils.timezone import now

    return str(now())


def keep(job: Any) -> dict[str, Any]:
    """A results step."""
    return {"name": job.name}


unnamed = lambda: 1  # noqa: E731


class Model:
    """A class with a method."""

    def run(self) -> int:
        """One."""
        return 1


def outer() -> Any:
    """A function within a function."""

    def inner() -> int:
        return 1

    return inner
