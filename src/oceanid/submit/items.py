"""The items that a description is queued for: ``itemdata`` and the ``queue`` statement."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oceanid.errors import InvalidSpecification, LimitExceeded, MissingFile
from oceanid.submit.macros import BUILT_IN_NAMES

MAX_TASKS: Final = 10_000_000
"""The most tasks that one description may have."""

MAX_ITEMS: Final = 1_000_000
_MAX_LIST_BYTES: Final = 64 * 1024 * 1024
_SEPARATORS = re.compile(r"[\s,]+")
_FIELD = re.compile(r"\s*([^\s,]*)(?:\s*,\s*|\s+|$)")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_HOW = re.compile(r"\b(in|from|matching)\b", re.IGNORECASE)
_SLICE = re.compile(r"\s*\[\s*(-?\d{0,9})\s*(?::\s*(-?\d{0,9})\s*)?(?::\s*(-?\d{0,9})\s*)?\]")


@dataclass(frozen=True, slots=True)
class Items:
    """What tasks are queued for.

    Args:
        names: The macros that each row gives values to; empty when there are no items.
        rows: One row an item.
        steps: How many tasks each item has.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    steps: int

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return self.steps * (len(self.rows) if self.names else 1)


def from_itemdata(itemdata: Sequence[object], *, names: Sequence[str] | None, steps: int) -> Items:
    """Take items from Python values.

    Args:
        itemdata: Texts (``$(Item)``), dicts with the same keys, or rows of values.
        names: The names of a row's values; ``Item``, ``Item1``, ``Item2`` … when not given.
        steps: How many tasks each item has.
    """
    if isinstance(itemdata, str | bytes | Mapping) or not isinstance(itemdata, Sequence):
        raise InvalidSpecification("itemdata must be a list of texts, rows or dicts.")
    if not itemdata:
        raise InvalidSpecification("itemdata is empty.", hint="Give at least one item.")
    first = itemdata[0]
    rows: list[tuple[str, ...]] = []
    if isinstance(first, Mapping):
        keys = tuple(str(key) for key in first)
        for number, item in enumerate(itemdata):
            if not isinstance(item, Mapping) or {str(key) for key in item} != set(keys):
                raise InvalidSpecification(
                    "Item {number} has not the same keys as the first.", number=number
                )
            rows.append(tuple(_plain(item[key], number) for key in first))
        return _checked(keys, rows, steps)
    if isinstance(first, list | tuple):
        width = len(first)
        given = tuple(names) if names else ("Item", *(f"Item{n}" for n in range(1, width)))
        for number, item in enumerate(itemdata):
            if not isinstance(item, list | tuple) or len(item) != len(given):
                raise InvalidSpecification(
                    "Item {number} has not {count} values.", number=number, count=len(given)
                )
            rows.append(tuple(_plain(value, number) for value in item))
        return _checked(given, rows, steps)
    given = tuple(names) if names else ("Item",)
    if len(given) != 1:
        raise InvalidSpecification("item_names has several names, but each item is one value.")
    rows = [(_plain(item, number),) for number, item in enumerate(itemdata)]
    return _checked(given, rows, steps)


def from_statement(
    text: str, *, num_jobs: int, directory: str, present: Mapping[str, str]
) -> Items:
    """Take items from a ``queue`` statement (manual, condor_submit: "queue").

    Args:
        text: The statement, with or without the word ``queue``.
        num_jobs: How many tasks each item has when the statement does not say.
        directory: Where files are matched and lists are read; nothing outside of it is.
        present: Files that will be copied there: name to present path.
    """
    match = _HOW.search(text)
    words = [word for word in _SEPARATORS.split(text[: match.start()] if match else text) if word]
    if words and words[0].lower() == "queue":
        del words[0]
    steps = num_jobs
    if words and re.fullmatch(r"\d{1,9}", words[0]):
        steps = int(words.pop(0))
        if num_jobs not in (1, steps):
            raise InvalidSpecification(
                "num_jobs is {num_jobs}, but the queue statement says {steps}.",
                hint="Say it once.",
                num_jobs=num_jobs,
                steps=steps,
            )
    names = tuple(words)
    if match is None:
        if names:
            raise _bad(text)
        return _checked((), [], steps)
    names = names or ("Item",)
    how, rest = match[1].lower(), text[match.end() :].lstrip()
    kind = ""
    if how == "matching" and (word := re.match(r"(files|dirs|any)\b\s*", rest, re.IGNORECASE)):
        kind, rest = word[1].lower(), rest[word.end() :]
    cut = slice(None)
    if part := _SLICE.match(rest):
        numbers = [int(part[n]) if part[n] else None for n in (1, 2, 3)]
        single = ":" not in part[0] and numbers[0] is not None
        last = (numbers[0] or 0) + 1 or None
        cut = slice(numbers[0], last) if single else slice(*numbers)
        rest = rest[part.end() :]
    rest = rest.strip()
    if how == "from":
        rows = [_fields(line, len(names)) for line in _lines(rest, directory, present)]
    else:
        words = [word for word in _SEPARATORS.split(_inner(rest)) if word]
        if how == "matching":
            words = _matching(words, kind, directory=directory, present=present)
        rows = [_fields(word, len(names)) for word in words]
    rows = rows[cut]
    if not rows:
        raise InvalidSpecification("The queue statement gives no items: {text}", text=text[:80])
    return _checked(names, rows, steps)


def _checked(names: tuple[str, ...], rows: list[tuple[str, ...]], steps: int) -> Items:
    seen: set[str] = set()
    for name in names:
        lower = name.lower()
        if not _NAME.fullmatch(name) or lower in BUILT_IN_NAMES - {"item"} or lower in seen:
            raise InvalidSpecification(
                "“{name}” can't be the name of an item's value.", name=name[:80]
            )
        seen.add(lower)
    if len(rows) > MAX_ITEMS:
        raise LimitExceeded(
            "There are {count} items; {max_items} is the most.",
            count=len(rows),
            max_items=MAX_ITEMS,
        )
    items = Items(names, tuple(rows), steps)
    if steps < 1:
        raise InvalidSpecification("num_jobs must be at least 1, not {steps}.", steps=steps)
    if items.count > MAX_TASKS:
        raise LimitExceeded(
            "The job would have {count} tasks; {max_tasks} is the most.",
            hint="Let one task do more of the work.",
            count=items.count,
            max_tasks=MAX_TASKS,
        )
    return items


def _plain(value: object, number: int) -> str:
    if not isinstance(value, str | int | float | os.PathLike):
        raise InvalidSpecification(
            "Item {number} has a value that is neither text nor a number.", number=number
        )
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    if not isinstance(text, str) or "\n" in text or "\0" in text:
        raise InvalidSpecification(
            "Item {number} has a newline or a NUL, which HTCondor can't take.",
            hint="Pass a file instead.",
            number=number,
        )
    return text


def _fields(line: str, count: int) -> tuple[str, ...]:
    """Split a row at commas and blanks; the last name takes the rest."""
    values: list[str] = []
    position = 0
    for _ in range(count - 1):
        match = _FIELD.match(line, position)
        values.append(match[1] if match else "")
        position = match.end() if match else len(line)
    values.append(line[position:].strip())
    return tuple(values)


def _inner(text: str) -> str:
    if text.startswith("("):
        if not text.endswith(")"):
            raise InvalidSpecification("The queue statement's list has no closing parenthesis.")
        return text[1:-1]
    return text


def _lines(text: str, directory: str, present: Mapping[str, str]) -> list[str]:
    if not text.startswith("("):
        if text.endswith("|"):
            raise InvalidSpecification(
                "The queue statement names a program, which is not run here.",
                hint="Give the items as itemdata.",
            )
        text = _read(text.strip("\"'"), directory, present)
    lines = (line.strip() for line in _inner(text).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _read(name: str, directory: str, present: Mapping[str, str]) -> str:
    _inside(name)
    path = Path(directory, name)
    if not path.exists() and name in present:
        path = Path(present[name])
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise LimitExceeded("The list of items “{name}” is larger than 64 MiB.", name=name)
        return path.read_text(encoding="utf-8").replace("\0", "")
    except (OSError, UnicodeDecodeError) as error:
        raise MissingFile(
            "The list of items “{name}” can't be read: {error}.", name=name, error=error
        ) from error


def _inside(name: str) -> None:
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise InvalidSpecification(
            "“{name}” in the queue statement is outside of the job's directory.",
            hint="Use remote_input_files to bring it there.",
            name=name[:80],
        )


def _matching(
    patterns: list[str], kind: str, *, directory: str, present: Mapping[str, str]
) -> list[str]:
    found: set[str] = set()
    for pattern in patterns:
        _inside(pattern)
        for path in Path(directory).glob(pattern.rstrip("/")):
            name = path.relative_to(directory).as_posix()
            if "\n" not in name and _is(path, kind):
                found.add(name)
        for name, source in present.items():
            if fnmatch.fnmatchcase(name, pattern) and _is(Path(source), kind):
                found.add(name)
    return sorted(found)


def _is(path: Path, kind: str) -> bool:
    if kind == "dirs":
        return path.is_dir()
    # The manual: without a word, files are matched.
    return path.exists() if kind == "any" else path.is_file()


def _bad(text: str) -> InvalidSpecification:
    return InvalidSpecification(
        "The queue statement can't be read: {text}",
        hint="For example: queue 3, queue name in (a b c), queue x, y from (1, 2).",
        text=text[:80],
    )
