"""Writes a description as a submit file that a person can read."""

from __future__ import annotations

from collections.abc import Iterable

from oceanid.submit.items import Items
from oceanid.submit.texts import Value, as_text
from oceanid.submit.vocabulary import command


def render(
    attributes: Iterable[tuple[str, Value]],
    macros: Iterable[tuple[str, str]],
    items: Items,
) -> str:
    """The text of a submit file: the portal's macros, the commands, the queue statement."""
    lines = [f"{name} = {text}" for name, text in macros]
    known: list[str] = []
    own: list[str] = []
    for name, value in attributes:
        (own if command(name) is None else known).append(f"{name} = {as_text(name, value)}")
    lines += own + known
    count = "" if items.steps == 1 else f" {items.steps}"
    if not items.names:
        return "\n".join([*lines, f"queue{count}", ""])
    rows = (f"  {', '.join(row)}" for row in items.rows)
    return "\n".join([*lines, f"queue{count} {', '.join(items.names)} from (", *rows, ")", ""])
