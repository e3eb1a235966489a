"""Collects every text that a person reads into a language's catalogue, and compiles it.

Languages as arguments, as in ``de pt_BR``. GNU gettext does the work; what it does not see by
itself, the messages of errors and the words of states, is shown to it in a file that stands in
the package for that moment.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "oceanid"
SHOWN = PACKAGE / "_messages.py"
PARTS = ("message", "hint")
NOT_VALUES = {*PARTS, "code", "transient"}
FORMS = {"Form": (1, 2)}
"""What else holds texts of errors: a call, and which of its arguments."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one call tells.

    Args:
        place: File and line.
        texts: Its texts, as they are looked up.
        values: The names of what is put into them; None when they are not known here.
        odd: Parts that no catalogue can hold.
    """

    place: str
    texts: Sequence[str]
    values: frozenset[str] | None
    odd: Sequence[str]

    def fields(self) -> set[str]:
        """The names that the texts ask for."""
        parsed = [part for text in self.texts for part in string.Formatter().parse(text)]
        return {re.split(r"[.\[]", name)[0] for _said, name, _spec, _how in parsed if name}


def main(languages: Sequence[str]) -> int:
    """Write and compile the catalogues; the exit code of the program."""
    if not languages or not all(
        re.fullmatch(r"[a-z]{2,3}(_[A-Za-z]+)?", each) for each in languages
    ):
        print("Say which languages: make messages LANGUAGES='de pt_BR'", file=sys.stderr)
        return 2
    if shutil.which("msgfmt") is None:
        print("GNU gettext is needed: apt install gettext", file=sys.stderr)
        return 1
    django = [sys.executable, "-m", "django"]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    chosen = [word for each in languages for word in ("--locale", each)]
    (PACKAGE / "locale").mkdir(exist_ok=True)
    try:
        SHOWN.write_text("\n".join(_shown()), encoding="utf-8")
        made = [*django, "makemessages", *chosen, "--add-location=file", "--no-wrap"]
        subprocess.run(made, cwd=PACKAGE, env=env, check=True)
    finally:
        SHOWN.unlink(missing_ok=True)
    subprocess.run([*django, "compilemessages", *chosen], cwd=PACKAGE, env=env, check=True)
    for each in languages:
        print(f"src/oceanid/locale/{each}/LC_MESSAGES/django.po")
    return 0


def _shown() -> Iterator[str]:
    yield "from django.utils.translation import gettext_noop"
    known: set[str] = set()
    for each in (*told(), Told("the states", tuple(states()), None, ())):
        for text in each.texts:
            if text and text not in known:
                known.add(text)
                yield f"# Translators: {each.place}"
                yield f"gettext_noop({text!r})"


def told() -> Iterator[Told]:
    """What every error says that is raised anywhere in the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    errors = _errors(trees.values())
    for file, tree in trees.items():
        constants = _constants(tree)
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = _name(call.func)
            place = f"{file.relative_to(ROOT)}:{call.lineno}"
            if name in errors or _is_super_of(tree, call, errors):
                yield _told(call, place, constants)
            elif name in FORMS:
                given = [call.args[place] for place in FORMS[name] if place < len(call.args)]
                texts = [text for each in given for text in _texts(each, constants)[0]]
                yield Told(place, tuple(texts), None, ())


def states() -> Iterator[str]:
    """The words of jobs', tasks' and nodes' states."""
    from oceanid.states import JOB_WORDS, NodeState, TaskState

    yield from JOB_WORDS.values()
    yield from (state.word for kind in (TaskState, NodeState) for state in kind)


def _told(call: ast.Call, place: str, constants: dict[str, ast.expr]) -> Told:
    given = [*call.args[:1], *(each.value for each in call.keywords if each.arg in PARTS)]
    found = [_texts(each, constants) for each in given]
    names = {each.arg for each in call.keywords}
    values = None if None in names else frozenset(n for n in names if n and n not in NOT_VALUES)
    return Told(
        place,
        tuple(text for texts, _odd in found for text in texts),
        values,
        tuple(odd for _texts_, odd in found if odd),
    )


def _texts(given: ast.expr, constants: dict[str, ast.expr]) -> tuple[list[str], str]:
    """The texts that an expression may be, and the expression when a part can't be known."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return ([given.value] if given.value else []), ""
    if isinstance(given, ast.IfExp):
        (some, odd), (others, also) = _texts(given.body, constants), _texts(given.orelse, constants)
        return some + others, odd or also
    if isinstance(given, ast.BoolOp):
        found = [_texts(each, constants) for each in given.values]
        return [text for texts, _odd in found for text in texts], next(
            (odd for _text, odd in found if odd), ""
        )
    if isinstance(given, ast.Name) and given.id in constants:
        return _texts(constants[given.id], {})
    built = any(isinstance(each, ast.JoinedStr) for each in ast.walk(given))
    return [], ast.unparse(given) if built else ""


def _errors(trees: Iterable[ast.Module]) -> set[str]:
    classes = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.ClassDef)]
    found = {"OceanidError"}
    while True:
        more = {c.name for c in classes if any(_name(base) in found for base in c.bases)} - found
        if not more:
            return found
        found |= more


def _is_super_of(tree: ast.Module, call: ast.Call, errors: set[str]) -> bool:
    if ast.unparse(call.func) != "super().__init__":
        return False
    return any(
        call in ast.walk(each)
        for each in ast.walk(tree)
        if isinstance(each, ast.ClassDef) and each.name in errors - {"OceanidError"}
    )


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for each in tree.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            found[each.targets[0].id] = each.value
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value:
            found[each.target.id] = each.value
    return found


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
