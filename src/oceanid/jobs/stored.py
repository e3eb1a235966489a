"""Attributes as they are stored: JSON, in which a macro in a list stays told from its text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from oceanid.errors import InvalidSpecification
from oceanid.submit import Macro

_MARK = "$macro"
_DEEPEST = 20


def to_store(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON can hold them. Idempotent.

    Raises:
        InvalidSpecification: A name or a value can't be stored; says which.
    """
    result = {}
    for name, value in attributes.items():
        if not isinstance(name, str):
            raise InvalidSpecification("{name!r:.60} is not the name of an attribute.", name=name)
        result[_text(name, "a name")] = _stored(value, name, 0)
    return result


def from_store(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as the submit language takes them."""
    return {name: _read(value) for name, value in attributes.items()}


def _stored(value: Any, name: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InvalidSpecification("The attribute “{name}” is nested too deeply.", name=name[:60])
    if isinstance(value, Macro):
        return {_MARK: str(value)} if depth else _text(str(value), name)
    if isinstance(value, str | PurePath):
        return _text(str(value), name)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {
            _text(str(key), name): _stored(each, name, depth + 1) for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_stored(each, name, depth + 1) for each in value]
    raise InvalidSpecification(
        "The attribute “{name}” holds {value!r:.60}, which can't be stored.",
        hint="Use text, numbers, lists and dictionaries.",
        name=name[:60],
        value=value,
    )


def _text(text: str, name: str) -> str:
    """Text that every database can hold."""
    if "\0" in text:
        raise InvalidSpecification(
            "The attribute “{name!r}” holds a NUL character.", name=name[:60]
        )
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise InvalidSpecification(
            "The attribute “{name!r}” is not valid text.", name=name[:60]
        ) from problem
    return str(text)


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_MARK}:
            return Macro(value[_MARK])
        return {key: _read(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return value
