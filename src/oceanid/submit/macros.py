"""Macros of the submit language: compiled once, expanded for each task.

``$(name)``, ``$(name:default)``, ``$(A$(Process))`` and the functions of the manual's page of
condor_submit ("Function Macros"). What a macro of an item or of the portal stands for is data
and is not read again; what a submit command or a macro of the app's own stands for is text of
the language. A ``$(…)`` that is not shaped like a macro stays as it is, as in HTCondor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from oceanid.errors import InvalidSpecification
from oceanid.submit.functions import FUNCTIONS, Call

MAX_EXPANSION: Final = 1_048_576
"""Characters that one value may grow to."""

_MAX_DEPTH: Final = 40
_MAX_NESTING: Final = 50
_PARENTHESIS = re.compile(r"[()]")
_FUNCTION = re.compile(r"\$([A-Z_]+|F[fpduwnxbqa]*)\(")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_UNFIT = re.compile(r"[^\w.+]")


class Macro(str):
    """A text in a list of arguments or a dict of variables whose macros are to be replaced.

    Elsewhere in such a list or dict every text means exactly itself.
    """

    __slots__ = ()


@dataclass(slots=True)
class Scope:
    """What the macros of one task stand for.

    Args:
        process: The task's index, ``$(Process)``.
        step: Its number within its item, ``$(Step)``.
        item_index: Its item's number, ``$(ItemIndex)`` and ``$(Row)``.
        row: Its item's values, in the order of their names.
        job_id: ``$(Cluster)``.
    """

    process: int
    step: int
    item_index: int
    row: Sequence[str]
    job_id: str
    depth: int = 0
    known: dict[str, str] = field(default_factory=dict)


Piece = str | Callable[[Scope], str]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value.

    Args:
        pieces: Its parts: text, or what gives the text for a task.
        constant: The whole of it when it is the same for every task.
        has_match: Whether it holds a ``$$(…)``, which is replaced when a machine is matched.
    """

    pieces: tuple[Piece, ...]
    constant: str | None
    has_match: bool = False

    def expand(self, scope: Scope) -> str:
        """The value for one task."""
        if self.constant is not None:
            return self.constant
        return _joined([p if isinstance(p, str) else p(scope) for p in self.pieces])


@dataclass(frozen=True, slots=True)
class References:
    """Which macros a text refers to, in lower case: by name, or by the beginning of one."""

    names: frozenset[str]
    prefixes: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether the text refers to this macro, or may once a nested one is replaced."""
        lower = name.lower()
        return lower in self.names or any(lower.startswith(prefix) for prefix in self.prefixes)


class MacroTable:
    """All that a macro of one description may stand for.

    Args:
        commands: The submit commands and the app's own macros: name to text.
        constants: The portal's macros: name to value, taken literally.
        item_names: The names of the items' values.
        directory: What ``$Ff()`` makes names absolute with.
    """

    def __init__(
        self,
        *,
        commands: Mapping[str, str],
        constants: Mapping[str, str],
        item_names: Sequence[str],
        directory: str,
    ) -> None:
        self.directory = directory
        self._commands = {name.lower(): text for name, text in commands.items()}
        self._constants = {name.lower(): text for name, text in constants.items()}
        self._items = {name.lower(): number for number, name in enumerate(item_names)}
        self._pieces: dict[str, Piece | None] = {}
        self._compiling: list[str] = []
        self._matches = 0
        self._matching: set[str] = set()

    def compile(self, text: str) -> Template:
        """Compile a value.

        Raises:
            InvalidSpecification: A macro is not defined, refers to itself, is used wrongly, or
                its text grows beyond measure.
        """
        if "$" not in text:
            return Template((text,), text)
        pieces: list[Piece] = []
        texts: list[str] = []
        matches = self._matches
        for node in _parse(text):
            self._matches += node == "$$("
            piece = node if isinstance(node, str) else self._piece(node)
            if isinstance(piece, str):
                texts.append(piece)
                continue
            if texts:
                pieces.append(_joined(texts))
                texts = []
            pieces.append(piece)
        has_match = self._matches > matches
        if not pieces:
            return Template((), _joined(texts), has_match)
        if texts:
            pieces.append(_joined(texts))
        return Template(tuple(pieces), None, has_match)

    def resolve(self, name: str) -> Piece | None:
        """What the macro of this name stands for, or None when there is none."""
        lower = name.lower()
        if lower in self._pieces:
            self._matches += lower in self._matching
            return self._pieces[lower]
        matches = self._matches
        piece = self._resolve(lower)
        if self._matches > matches:
            self._matching.add(lower)
        self._pieces[lower] = piece
        return piece

    def _resolve(self, name: str) -> Piece | None:
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        if name in self._items:
            number = self._items[name]
            return lambda scope: scope.row[number] if scope.row else ""
        if name == "item":
            return ""
        if name in self._constants:
            return self._constants[name]
        if name not in self._commands:
            return None
        if name in self._compiling or len(self._compiling) > _MAX_DEPTH:
            chain = " → ".join(f"$({step})" for step in [*self._compiling, name][-6:])
            raise InvalidSpecification(
                "A macro refers to itself: {chain}.", hint="Give it a name of its own.", chain=chain
            )
        self._compiling.append(name)
        try:
            template = self.compile(self._commands[name])
        finally:
            self._compiling.pop()
        if template.constant is not None:
            return template.constant

        def expand_once(scope: Scope) -> str:
            # Kept for the task, so that macros nested in each other stay linear.
            if name not in scope.known:
                scope.known[name] = _deeper(scope, name, template.expand)
            return scope.known[name]

        return expand_once

    def _piece(self, node: _Reference | Call) -> Piece:
        if isinstance(node, Call):
            return FUNCTIONS[node.name](self, node)
        name = self.compile(node.name)
        if name.constant is not None:
            return self._referred(name.constant, node.default)

        def look_up(scope: Scope) -> str:
            piece = self._referred(name.expand(scope), node.default)
            return piece if isinstance(piece, str) else _deeper(scope, node.name, piece)

        return look_up

    def _referred(self, name: str, default: str | None) -> Piece:
        piece = self.resolve(name)
        if piece is not None:
            return piece
        if default is None:
            raise InvalidSpecification(
                "The macro $({name}) is not defined.",
                hint="Define it, or write $({name}:) where nothing may stand for it.",
                name=name[:80],
            )
        template = self.compile(default)
        return template.constant if template.constant is not None else template.expand


def references(text: str) -> References:
    """The macros that a text refers to."""
    names: set[str] = set()
    prefixes: set[str] = set()
    todo = [text]
    while todo:
        text = todo.pop()
        if "$" not in text:
            continue
        for node in _parse(text):
            if isinstance(node, _Reference):
                head, dollar, _ = node.name.partition("$")
                if not dollar:
                    names.add(node.name.lower())
                elif head:
                    prefixes.add(head.lower())
                todo += [node.name] if dollar else []
                todo += [node.default] if node.default else []
            elif isinstance(node, Call):
                for argument in node.arguments:
                    if _NAME.fullmatch(argument):
                        names.add(argument.lower())
                    todo.append(argument)
    return References(frozenset(names), frozenset(prefixes))


@dataclass(frozen=True, slots=True)
class _Reference:
    name: str
    default: str | None


def _parse(text: str) -> list[str | _Reference | Call]:
    nodes: list[str | _Reference | Call] = []
    closings = _closings(text)
    calls = 0
    position = 0
    while True:
        dollar = text.find("$", position)
        if dollar < 0:
            break
        if dollar > position:
            nodes.append(text[position:dollar])
        position = dollar
        if text.startswith("$$", position):
            # $$(X) and $$([expression]) are for the scheduler; macros inside are ours.
            width = 3 if text.startswith("$$(", position) else 2
            nodes.append(text[position : position + width])
            position += width
            continue
        node: _Reference | Call | None = None
        end = 0
        if text.startswith("$(", position):
            end = closings.get(position + 1, 0)
            node = _reference(text[position + 2 : end]) if end else None
        elif match := _FUNCTION.match(text, position):
            end = closings.get(match.end() - 1, 0)
            kind = "F" if re.fullmatch("F[fpduwnxbqa]*", match[1]) else match[1]
            if end and kind in FUNCTIONS:
                body = text[match.end() : end]
                node = Call(
                    kind, match[1][1:] if kind == "F" else "", tuple(_split(body)), calls, body
                )
                calls += 1
        if node is None:
            nodes.append("$")
            position += 1
        else:
            nodes.append(node)
            position = end + 1
    if position < len(text):
        nodes.append(text[position:])
    return nodes


def _reference(body: str) -> _Reference | None:
    flat, depth, colon = [], 0, -1
    for position, character in enumerate(body):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == ":" and depth == 0:
            colon = position
            break
        if depth == 0 and character not in ")$":
            flat.append(character)
    name = (body if colon < 0 else body[:colon]).strip()
    if not name or _UNFIT.search("".join(flat).strip()) or ("$" in name and "$(" not in name):
        return None
    return _Reference(name, None if colon < 0 else body[colon + 1 :])


def _closings(text: str) -> dict[int, int]:
    """Where each opening parenthesis is closed; found in one pass, for texts can be hostile."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for match in _PARENTHESIS.finditer(text):
        if match[0] == "(":
            opened.append(match.start())
            if len(opened) > _MAX_NESTING:
                raise InvalidSpecification(
                    "Parentheses are nested more than {max_nesting} deep beside a “$”.",
                    hint="Give the value in a list or a dict, where it means exactly itself.",
                    max_nesting=_MAX_NESTING,
                )
        elif opened:
            closings[opened.pop()] = match.start()
    return closings


def _split(body: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(body):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(body[start:position].strip())
            start = position + 1
    parts.append(body[start:].strip())
    return parts


def _deeper(scope: Scope, name: str, piece: Callable[[Scope], str]) -> str:
    """Expand what a macro stands for; names made at this time can only be caught going round."""
    if scope.depth > _MAX_DEPTH:
        raise InvalidSpecification(
            "A macro refers to itself: $({name}).",
            hint="Give it a name of its own.",
            name=name[:80],
        )
    scope.depth += 1
    try:
        return piece(scope)
    finally:
        scope.depth -= 1


def _joined(texts: list[str]) -> str:
    # Measured before it is made: many macros that are long each would not fit into memory.
    if sum(map(len, texts)) > MAX_EXPANSION:
        raise InvalidSpecification(
            "A value grows beyond {max_expansion} characters when its macros are replaced.",
            hint="Pass a file instead.",
            max_expansion=MAX_EXPANSION,
        )
    return "".join(texts)


_BUILT_IN: Final[Mapping[str, Piece]] = {
    "process": lambda scope: str(scope.process),
    "procid": lambda scope: str(scope.process),
    "cluster": lambda scope: scope.job_id,
    "clusterid": lambda scope: scope.job_id,
    "jobid": lambda scope: f"{scope.job_id}.{scope.process}",
    "step": lambda scope: str(scope.step),
    "row": lambda scope: str(scope.item_index),
    "itemindex": lambda scope: str(scope.item_index),
    "dollar": "$",
}
BUILT_IN_NAMES: Final = frozenset(_BUILT_IN) | {"item", "node"}
"""Macros that are always there, in lower case; no command or item may take their names."""
