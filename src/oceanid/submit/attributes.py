"""Reads the attributes that an app wrote: names, types, sizes, and what can't be passed on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from oceanid.errors import InvalidSpecification
from oceanid.submit.macros import BUILT_IN_NAMES, MAX_EXPANSION, Macro, References, references
from oceanid.submit.texts import Value, as_text
from oceanid.submit.vocabulary import Kind, command, unknown

_MAX_ATTRIBUTES: Final = 2_000


@dataclass(slots=True)
class Queue:
    """What was said about items.

    Args:
        statement: The ``queue`` statement.
        itemdata: Python values.
        names: What the values of a row are called.
    """

    statement: str | None = None
    itemdata: Sequence[object] | None = None
    names: tuple[str, ...] | None = None


def read(attributes: Mapping[str, object]) -> tuple[dict[str, Value], Queue]:
    """Check each attribute by itself.

    Returns:
        The attributes by canonical name, and what was said about items.
    """
    if len(attributes) > _MAX_ATTRIBUTES:
        raise InvalidSpecification(
            "There are more than {max_attributes} attributes.", max_attributes=_MAX_ATTRIBUTES
        )
    given: dict[str, Value] = {}
    queue = Queue()
    for name, value in attributes.items():
        if not isinstance(name, str):
            raise InvalidSpecification(
                "The name of an attribute must be text: {name!r:.80}", name=name
            )
        if value is None:
            continue
        known = command(name)
        canonical = known.name if known else name
        if canonical == "itemdata":
            queue.itemdata = value  # type: ignore[assignment]
        elif canonical == "item_names":
            queue.names = _names(value)
        elif known is not None and known.kind is Kind.QUEUE:
            queue.statement = str(value)
        elif canonical in given:
            raise InvalidSpecification(
                "The attribute {canonical} is given twice.", canonical=canonical
            )
        else:
            given[canonical] = _value(name, known.kind if known else Kind.TEXT, value)
    return given, queue


def refuse_unknown(
    given: Mapping[str, Value], item_names: Iterable[str], portal: Iterable[str]
) -> None:
    """Refuse names that are no commands and that no value refers to.

    Raises:
        UnknownAttribute: By name, with the likely command.
    """
    own = [name for name in given if command(name) is None]
    if not own:
        return
    found = [_references(name, value) for name, value in given.items()]
    items = {name.lower() for name in item_names}
    taken = {name.lower() for name in portal}
    seen: set[str] = set()
    for name in own:
        lower = name.lower()
        if lower in BUILT_IN_NAMES or lower in taken or lower in items or lower in seen:
            raise InvalidSpecification(
                "A macro can't be called “{name}”: the name is taken.",
                hint="Choose another.",
                name=name,
            )
        seen.add(lower)
        if not any(each.has(name) for each in found):
            raise unknown(name)


def line(name: str, value: object) -> str:
    """A value as text without a newline or NUL.

    Raises:
        InvalidSpecification: By the attribute's name.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str | int | float):
        raise InvalidSpecification(
            "{name} must be text, a number or True or False, not {name2}.",
            name=name[:80],
            name2=type(value).__name__,
        )
    text = value if isinstance(value, str) else str(value)
    if "\n" in text or "\0" in text:
        raise InvalidSpecification(
            "{name} has a newline or a NUL in it, which can't be passed to HTCondor.",
            hint="Write it to a file and pass the file.",
            name=name[:80],
        )
    if len(text) > MAX_EXPANSION:
        raise InvalidSpecification(
            "{name} is longer than {max_expansion} characters.",
            hint="Pass a file instead.",
            name=name[:80],
            max_expansion=MAX_EXPANSION,
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidSpecification(
                "{name} has characters that are not Unicode text.", name=name[:80]
            ) from None
    return text


def freeze(value: Value) -> Any:
    """A value as JSON."""
    if isinstance(value, str):
        return value
    if value and isinstance(value[0], tuple):
        return {"pairs": [[pair[0], _frozen(pair[1])] for pair in value]}
    return {"words": [_frozen(each) for each in value]}


def thaw(data: Any) -> Value:
    """What :func:`freeze` wrote."""
    if isinstance(data, str):
        return data
    if "pairs" in data:
        return tuple((name, _thawed(text)) for name, text in data["pairs"])
    return tuple(_thawed(each) for each in data["words"])


def _frozen(text: object) -> Any:
    return {"macro": str(text)} if isinstance(text, Macro) else text


def _thawed(data: Any) -> str:
    return Macro(data["macro"]) if isinstance(data, dict) else data


def _value(name: str, kind: Kind, value: object) -> Value:
    if kind in (Kind.ARGUMENTS, Kind.FILES) and isinstance(value, list | tuple):
        words = tuple(line(name, each) for each in value)
        if sum(map(len, words)) > MAX_EXPANSION:
            raise InvalidSpecification(
                "{name} is too long.", hint="Pass a file instead.", name=name
            )
        if kind is Kind.FILES:
            _check_names(name, words)
        return words
    if kind is Kind.VARIABLES and isinstance(value, Mapping):
        pairs = tuple((_key(name, key), line(name, each)) for key, each in value.items())
        if sum(len(key) + len(each) for key, each in pairs) > MAX_EXPANSION:
            raise InvalidSpecification(
                "{name} is too long.", hint="Pass a file instead.", name=name
            )
        return pairs
    if isinstance(value, str) and not isinstance(value, Macro):
        value = value.strip(" \t\r\n")
    return str(line(name, value))


def _key(name: str, key: object) -> str:
    text = line(name, key)
    if not text or (name.lower() != "transfer_output_remaps" and "=" in text):
        raise InvalidSpecification(
            "{name}: “{text}” can't be a variable's name.", name=name, text=text[:80]
        )
    return text


def _check_names(name: str, words: tuple[str, ...]) -> None:
    for word in words:
        if not word.strip() or ("," in word and "$" not in word):
            raise InvalidSpecification(
                "{name}: “{word}” can't be passed to HTCondor as a file's name.",
                hint="Rename the file: names may not be empty or have a comma.",
                name=name,
                word=word[:80],
            )


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise InvalidSpecification("item_names must be a list of names.")
    return tuple(value)


def _references(name: str, value: Value) -> References:
    if isinstance(value, str):
        return references(value)
    if value and isinstance(value[0], tuple):
        return references("\0".join(_language(part) for pair in value for part in pair))
    known = command(name)
    if known is not None and known.kind is Kind.ARGUMENTS:
        return references("\0".join(_language(word) for word in value))
    return references(as_text(name, value))


def _language(part: object) -> str:
    return str(part) if isinstance(part, Macro) else ""
