"""Builds POSIX sh texts in which every value is quoted, whatever is in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import LiteralString

from oceanid.errors import EngineError

_PLACE = re.compile(r"@([a-z][a-z0-9_]*)@")


@dataclass(frozen=True, slots=True)
class Script:
    """A text for ``sh``; made by :func:`sh` and :func:`lines` only.

    Args:
        text: The text, in which bytes that are not UTF-8 stand as surrogate escapes.
    """

    text: str

    def encode(self) -> bytes:
        """The bytes that the shell reads."""
        return encode(self.text)


Value = str | int | PurePath | Script | Sequence[str]


def sh(template: LiteralString, **values: Value) -> Script:
    """Put values into a text written by us, at places like ``@name@``.

    A string, number or path becomes one quoted word; a list becomes as many words; a
    :class:`Script` stands as it is. ``sh("cd @folder@ && condor_q @rest@", folder="/a b",
    rest=["-af", "$(x)"])``. A place inside quotes of the template is a mistake.

    Raises:
        EngineError: A value has a NUL, which no command can be given.
        KeyError: The template names a value that is not there, or a value has no place.
    """
    used: set[str] = set()

    def put(place: re.Match[str]) -> str:
        used.add(place[1])
        return _put(values[place[1]])

    text = _PLACE.sub(put, template)
    if unused := values.keys() - used:
        raise KeyError(f"no place for {', '.join(sorted(unused))}")
    return Script(text)


def lines(scripts: Iterable[Script]) -> Script:
    """One script after the other."""
    return Script("\n".join(each.text for each in scripts))


def quote(word: str) -> str:
    """One word for ``sh``, always in quotes, so that none is taken for an assignment or a
    keyword; a word that begins with ``-`` is still an option to the command that gets it."""
    if "\0" in word:
        raise EngineError("A NUL can't be passed to a command.", code="nul-in-argument")
    return "'" + word.replace("'", "'\\''") + "'"


def encode(text: str) -> bytes:
    """A text's bytes: UTF-8, and surrogate escapes as the bytes that they stand for.

    Raises:
        EngineError: It has half a surrogate pair, which no bytes stand for.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as problem:
        raise EngineError(
            "A text has a character that can't be written as UTF-8.", code="not-unicode"
        ) from problem


def _put(value: Value) -> str:
    match value:
        case Script():
            return value.text
        case str() | int() | PurePath():
            return quote(str(value))
        case _:
            return " ".join(quote(word) for word in value)
