"""HTCondor's old and new syntax of ``arguments`` and ``environment``, both ways.

The rules are those of the manual's page of condor_submit. Only blank, tab, carriage return and
newline separate; other white space is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from oceanid.errors import InvalidSpecification

_BLANKS = " \t\r\n"
# Its dollar sign becomes $(DOLLAR) and then a dollar sign, which must not make another of the rest.
_ESCAPES_ALIKE = re.compile(r"\$(?=\(DOLLAR)", re.IGNORECASE)
_NEEDS_QUOTES = re.compile(r"[ \t\r\n']")


def parse_arguments(text: str) -> tuple[str, ...]:
    """Split a value of ``arguments`` as condor_submit does on Unix.

    A value in double quotes is in the new syntax: single quotes join, doubled quotes stand for
    themselves. Any other is in the old one: blanks separate, single quotes are literal and a
    double quote is written ``\\"``.

    Raises:
        InvalidSpecification: Quotes are not balanced or not escaped.
    """
    text = text.strip(_BLANKS)
    if text.startswith('"'):
        return tuple(_split_new(_unwrap(text, "arguments"), "arguments"))
    plain = text.replace('\\"', "\0")
    if '"' in plain:
        raise InvalidSpecification(
            "The arguments have a double quote mark that is not escaped: {text}",
            hint='Write \\" for it, or put the whole value in double quotes (the new syntax), '
            "or give a Python list.",
            text=text[:80],
        )
    return tuple(word.replace("\0", '"') for word in _words(plain))


def format_arguments(arguments: Iterable[str], *, literally: bool = False) -> str:
    """Write arguments in the new syntax; :func:`parse_arguments` gives the same ones back.

    Args:
        arguments: The arguments.
        literally: Whether their dollar signs will be escaped as ``$(DOLLAR)`` afterwards.
    """
    return _wrap(_quoted(argument, literally) for argument in arguments)


def parse_environment(text: str) -> tuple[tuple[str, str], ...]:
    """Split a value of ``environment`` as condor_submit does on Unix; the last of a name counts.

    Raises:
        InvalidSpecification: Quotes are not balanced, or an entry is not ``name=value``.
    """
    text = text.strip(_BLANKS)
    if text.startswith('"'):
        entries = _split_new(_unwrap(text, "environment"), "environment")
    else:
        entries = [entry.lstrip(_BLANKS) for entry in text.split(";")]
        entries = [entry for entry in entries if entry]
    variables: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise InvalidSpecification(
                "The environment has an entry that is not name=value: {entry}",
                hint='Write entries as "one=1 two=2", or give a Python dict.',
                entry=entry[:80],
            )
        variables[name] = value
    return tuple(variables.items())


def format_environment(variables: Mapping[str, str], *, literally: bool = False) -> str:
    """Write variables in the new syntax; :func:`parse_environment` gives the same ones back.

    Args:
        variables: The values by their names.
        literally: Whether their dollar signs will be escaped as ``$(DOLLAR)`` afterwards.
    """
    return _wrap(_quoted(f"{name}={value}", literally) for name, value in variables.items())


def _words(text: str) -> list[str]:
    for blank in "\t\r\n":
        text = text.replace(blank, " ")
    return [word for word in text.split(" ") if word]


def _unwrap(text: str, what: str) -> str:
    """Take the outer double quotes off and undo the doubling of the inner ones."""
    inner = text[1:].replace('""', "\0")
    body, closing, rest = inner.partition('"')
    if not closing or rest:
        raise InvalidSpecification(
            "The double quotes of the {what} are not balanced: {text}",
            hint='Inside the outer double quotes each double quote mark is written "".',
            what=what,
            text=text[:80],
        )
    return body.replace("\0", '"')


def _split_new(text: str, what: str) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character in _BLANKS:
            if word is not None:
                words.append("".join(word))
                word = None
            position += 1
            continue
        if word is None:
            word = []
        if character != "'":
            word.append(character)
            position += 1
            continue
        position += 1
        while True:
            closing = text.find("'", position)
            if closing < 0:
                raise InvalidSpecification(
                    "The single quotes of the {what} are not balanced: {text}",
                    hint="Inside single quotes a single quote is written ''.",
                    what=what,
                    text=text[:80],
                )
            word.append(text[position:closing])
            position = closing + 1
            if text[position : position + 1] != "'":
                break
            word.append("'")
            position += 1
    if word is not None:
        words.append("".join(word))
    return words


def _quoted(word: str, literally: bool) -> str:
    pieces = _ESCAPES_ALIKE.split(word) if literally else [word]
    if word and len(pieces) == 1 and not _NEEDS_QUOTES.search(word):
        return word
    quoted = ("'" + each.replace("'", "''") + "'" if each else "" for each in pieces)
    return "$".join(quoted) or "''"


def _wrap(words: Iterable[str]) -> str:
    return '"' + " ".join(words).replace('"', '""') + '"'
