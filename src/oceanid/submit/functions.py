"""The function macros of the submit language: ``$INT()``, ``$CHOICE()``, ``$F()`` and others."""

from __future__ import annotations

import ast
import operator
import posixpath
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oceanid.errors import InvalidSpecification

if TYPE_CHECKING:
    from oceanid.submit.macros import MacroTable, Piece, Scope


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a function macro.

    Args:
        name: The function, for example ``INT``.
        options: The letters of ``$F``.
        arguments: What stands between its parentheses, split at commas.
        number: How many came before it in the same value; seeds the random ones.
        body: What stands between its parentheses, whole.
    """

    name: str
    options: str
    arguments: tuple[str, ...]
    number: int
    body: str

    def wrong(self, why: str) -> InvalidSpecification:
        """The error that says how this use is wrong."""
        shown = f"${self.name}{self.options}({self.body[:80]})"
        return InvalidSpecification("{shown} can't be replaced: {why}.", shown=shown, why=why)


def _value(table: MacroTable, call: Call, argument: str) -> Callable[[Scope], str]:
    """The value of an argument: that of the macro it names, or the text itself."""
    template = table.compile(argument)

    def value(scope: Scope) -> str:
        text = template.expand(scope)
        piece = table.resolve(text.strip())
        if piece is None:
            return text
        return piece if isinstance(piece, str) else piece(scope)

    return value


def _int(table: MacroTable, call: Call) -> Piece:
    value, layout = _value(table, call, call.arguments[0]), _layout(call, "%d", "dioxX")
    return lambda scope: layout % int(_calculate(call, value(scope)))


def _real(table: MacroTable, call: Call) -> Piece:
    value, layout = _value(table, call, call.arguments[0]), _layout(call, "%.16g", "eEfFgG")
    return lambda scope: layout % float(_calculate(call, value(scope)))


def _string(table: MacroTable, call: Call) -> Piece:
    value, layout = _value(table, call, call.arguments[0]), _layout(call, "%s", "s")

    def string(scope: Scope) -> str:
        text = value(scope).strip()
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1].replace('\\"', '"')
        return layout % text

    return string


def _substr(table: MacroTable, call: Call) -> Piece:
    if len(call.arguments) not in (2, 3):
        raise call.wrong("it takes a name, a start and perhaps a length")
    value, *bounds = (_value(table, call, argument) for argument in call.arguments)

    def part(scope: Scope) -> str:
        text = value(scope)
        numbers = [int(_calculate(call, bound(scope))) for bound in bounds]
        text = text[numbers[0] :] if numbers[0] > -len(text) else text
        return text[: numbers[1]] if len(numbers) > 1 else text

    return part


def _choice(table: MacroTable, call: Call) -> Piece:
    if len(call.arguments) < 2:
        raise call.wrong("it takes an index and a list")
    index = _value(table, call, call.arguments[0])
    choices = _list(table, call, call.arguments[1:])

    def choose(scope: Scope) -> str:
        items, number = choices(scope), int(_calculate(call, index(scope)))
        if not 0 <= number < len(items):
            raise call.wrong(f"there is no item {number} among {len(items)}")
        return items[number]

    return choose


def _random_choice(table: MacroTable, call: Call) -> Piece:
    choices = _list(table, call, call.arguments)

    def choose(scope: Scope) -> str:
        items = choices(scope)
        if not items:
            raise call.wrong("the list is empty")
        return _generator(scope, call).choice(items)

    return choose


def _random_integer(table: MacroTable, call: Call) -> Piece:
    if len(call.arguments) not in (2, 3):
        raise call.wrong("it takes a least and a greatest number and perhaps a step")
    values = [_value(table, call, argument) for argument in call.arguments]

    def draw(scope: Scope) -> str:
        least, most, *rest = (int(_calculate(call, value(scope))) for value in values)
        step = rest[0] if rest else 1
        if most < least or step < 1:
            raise call.wrong("the range is empty")
        return str(_generator(scope, call).randrange(least, most + 1, step))

    return draw


def _file_name(table: MacroTable, call: Call) -> Piece:
    if call.name == "DIRNAME":
        options = "p"
    elif call.name == "BASENAME":
        options = "nx"
    else:
        options = call.options
    value = _value(table, call, call.body.strip())

    def parts(scope: Scope) -> str:
        text = value(scope).strip().strip("\"'")
        if "f" in options:
            text = posixpath.normpath(posixpath.join(table.directory, text))
        wanted = set(options) & set("pdnx")
        if wanted:
            folder, slash, name = text.replace("\\", "/").rpartition("/")
            stem, extension = posixpath.splitext(name)
            last = folder.rpartition("/")[2]
            text = folder + slash if "p" in options else ""
            if "d" in options and "p" not in options:
                text += last + ("" if "b" in options else slash)
            text += stem if "n" in options else ""
            text += (extension[1:] if "b" in options else extension) if "x" in options else ""
        if "u" in options:
            text = text.replace("\\", "/")
        if "w" in options:
            text = text.replace("/", "\\")
        if "q" in options:
            mark = "'" if "a" in options else '"'
            text = f"{mark}{text}{mark}"
        return text

    return parts


def _environment(table: MacroTable, call: Call) -> Piece:
    raise InvalidSpecification(
        "$ENV({body}) is not available: the portal's environment is not the job's.",
        hint="Write the value itself, or give it as a macro of the template.",
        body=call.body[:80],
    )


def _evaluate(table: MacroTable, call: Call) -> Piece:
    raise InvalidSpecification(
        "$EVAL({body}) is not available: ClassAd expressions are the scheduler's.",
        hint="Compute the value in the app, or use $INT() or $REAL().",
        body=call.body[:80],
    )


FUNCTIONS: Final[Mapping[str, Callable[[MacroTable, Call], Piece]]] = {
    "INT": _int,
    "REAL": _real,
    "STRING": _string,
    "SUBSTR": _substr,
    "CHOICE": _choice,
    "RANDOM_CHOICE": _random_choice,
    "RANDOM_INTEGER": _random_integer,
    "F": _file_name,
    "DIRNAME": _file_name,
    "BASENAME": _file_name,
    "ENV": _environment,
    "EVAL": _evaluate,
}
"""The functions by name; each compiles a use of itself."""


def _list(
    table: MacroTable, call: Call, arguments: tuple[str, ...]
) -> Callable[[Scope], list[str]]:
    """A list given by its macro's name or by its items."""
    templates = [table.compile(argument) for argument in arguments]
    by_name = _value(table, call, arguments[0])

    def items(scope: Scope) -> list[str]:
        if len(templates) > 1:
            return [template.expand(scope) for template in templates]
        return [item.strip() for item in by_name(scope).split(",") if item.strip()]

    return items


def _generator(scope: Scope, call: Call) -> random.Random:
    # The same task draws the same value in every attempt and every process that looks at it.
    return random.Random(f"{scope.job_id}.{scope.process}.{call.number}.{call.body}")  # noqa: S311


def _layout(call: Call, default: str, letters: str) -> str:
    if len(call.arguments) < 2:
        return default
    layout = call.body.partition(",")[2].strip()
    if not re.fullmatch(rf"[^%]*%[-+ 0#]*\d{{0,3}}(?:\.\d{{0,3}})?[{letters}][^%]*", layout):
        raise call.wrong(f"“{layout}” is not a format for it")
    return layout


_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: int(a / b) if isinstance(a, int) and isinstance(b, int) else a / b,
    ast.Mod: lambda a, b: a - b * int(a / b),
}


def _calculate(call: Call, text: str) -> float:
    """Evaluate numbers with + - * / % as a ClassAd would: whole numbers divide to whole ones."""

    def walk(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            if abs(node.value) < 2**63:  # type: ignore[arg-type]
                return node.value  # type: ignore[return-value]
            raise ValueError
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return -walk(node.operand) if isinstance(node.op, ast.USub) else walk(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            number = _ARITHMETIC[type(node.op)](walk(node.left), walk(node.right))
            if abs(number) < 2**63:
                return number
        raise ValueError

    text = text.strip()
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    try:
        if len(text) > 200:
            raise ValueError
        return walk(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, MemoryError):
        raise call.wrong(f"“{text[:80]}” is not a number") from None
