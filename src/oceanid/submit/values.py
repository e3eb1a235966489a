"""Submit values as Python values: truth, whole numbers, sizes, signals, expressions."""

from __future__ import annotations

import math
import re
import signal

from oceanid.errors import InvalidSpecification

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*([A-Za-z]*)")
_OPERATORS = re.compile(r"[()*/?<>=&|.\[]|[\w\s][+-]")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_KIB = {
    letter + tail: 1024.0**power
    for power, letter in enumerate(("k", "m", "g", "t", "p"))
    for tail in ("", "b", "ib")
}


def truth(name: str, text: str) -> bool:
    """Read a Boolean: true, false, yes, no, 1, 0 and their first letters."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidSpecification(
        "{name} must be True or False, not “{text}”.", name=name, text=text[:80]
    )


def whole(name: str, text: str, *, least: int | None = None, most: int | None = None) -> int:
    """Read a whole number within bounds."""
    try:
        number = int(text.strip(), 10)
    except ValueError:
        raise InvalidSpecification(
            "{name} must be a whole number, not “{text}”.", name=name, text=text[:80]
        ) from None
    if least is not None and number < least:
        raise InvalidSpecification(
            "{name} must be at least {least}, not {number}.", name=name, least=least, number=number
        )
    if most is not None and number > most:
        raise InvalidSpecification(
            "{name} must be at most {most}, not {number}.", name=name, most=most, number=number
        )
    return number


def size_mib(name: str, text: str, *, bare_unit: str) -> int:
    """Read a size with a unit (K, M, G, T, P, each with or without B) as MiB, rounded up.

    Args:
        name: The submit command, for the message.
        text: The value.
        bare_unit: What a bare number counts: "m" for ``request_memory``, "k" for
            ``request_disk`` (manual, condor_submit).
    """
    match = _NUMBER.fullmatch(text.strip())
    factor = _KIB.get((match[2] or bare_unit).lower()) if match else None
    if match is None or factor is None:
        raise InvalidSpecification(
            "{name} must be a size, not “{text}”.",
            hint="Write it as 512M, 2 GB or 1.5GB.",
            name=name,
            text=text[:80],
        )
    number = float(match[1])
    mib = math.ceil(number * factor / 1024) if 0 <= number <= 2**60 else -1
    if not 0 <= mib <= 2**40:
        raise InvalidSpecification(
            "{name} must be a size that a machine can have, not {text}.", name=name, text=text[:80]
        )
    return mib


def signal_name(name: str, text: str) -> str:
    """Read a signal's number or name, with or without SIG, as its name."""
    word = text.strip().upper()
    try:
        if word.isdecimal():
            return signal.Signals(int(word)).name
        return signal.Signals[word if word.startswith("SIG") else f"SIG{word}"].name
    except (KeyError, ValueError):
        raise InvalidSpecification(
            "{name} must be a signal, not “{text}”.",
            hint="For example SIGTERM or 15.",
            name=name,
            text=text[:80],
        ) from None


def is_expression(text: str) -> bool:
    """Whether a value must be evaluated by a scheduler: no number, but with operators."""
    return _NUMBER.fullmatch(text.strip()) is None and _OPERATORS.search(text) is not None
