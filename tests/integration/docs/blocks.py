"""Reads what a page of the documentation tells its reader to do.

Each fenced block stands under a comment, which no reader sees, that says what becomes of it:

    <!-- file: path -->        it is the whole of this file
    <!-- add: path -->         it goes to the end of this file
    <!-- run -->               a shell runs it; directory and exported variables stay
    <!-- start -->             a shell starts it, and it goes on until the page is over
    <!-- python -->            `manage.py shell` runs it; names stay from block to block
    <!-- python, raises X -->  the same, and it must raise X
    <!-- output -->            what the block above it printed; … stands for anything
    <!-- not run: reason -->   it can't be run by a test, or another test does
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TAG = re.compile(
    r"<!-- (?P<kind>file|add|run|start|python|output|not run)"
    r"(?:: (?P<about>.+?)|, raises (?P<raises>\w+))? -->\n\Z"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Args:
        page: Where it stands, as path:line.
        kind: What becomes of it; "" when nothing says so.
        about: The file, or the reason.
        raises: The exception that it must raise, or "".
        language: What stands behind the fence.
        text: What is in it.
    """

    page: str
    kind: str
    about: str
    raises: str
    language: str
    text: str


def pages() -> list[Path]:
    """Every page that a reader reads."""
    single = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "examples/hymod/README.md"]
    return [*(ROOT / name for name in single), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    for fence in _FENCE.finditer(text):
        tag = _TAG.search(text[: fence.start()])
        line = text.count("\n", 0, fence.start()) + 1
        said = tag.groupdict("") if tag else {"kind": "", "about": "", "raises": ""}
        yield Block(
            f"{page.relative_to(ROOT)}:{line}",
            said["kind"],
            said["about"],
            said["raises"],
            fence[1],
            fence[2],
        )
