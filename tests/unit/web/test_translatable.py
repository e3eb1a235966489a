"""Every text of a template that a person reads or hears can be translated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, Token, TokenType
from django.utils.translation.template import templatize

import oceanid

TEMPLATES = Path(oceanid.__file__).parent / "templates"
FILES = sorted(path for path in TEMPLATES.rglob("*") if path.is_file())
SPOKEN = {"alt", "title", "placeholder", "aria-label", "aria-description", "aria-roledescription"}
SILENT = {"script", "style", "code", "kbd", "samp"}
NAMES = {
    "Oceanid", "Tethys", "HTCondor", "DAGMan", "CSV", "JSON", "URL", "UUID", "ID", "HMAC", "SSH",
    "stdout", "stderr", "GPU", "CPU", "CPUs", "MiB", "GiB", "KiB", "min", "PRE", "POST", "Esc",
    "h", "s", "d", "ms", "AWS", "Azure", "Amazon",
}  # fmt: skip
"""Names, units and words of the field's own, which are the same in every language."""
WORD = re.compile(r"[^\W\d_]+")
EXAMPLE = re.compile(r"(https://)?[a-z]+(\.[a-z]+)+(/[a-z]*)*")
"""An address or a dotted name, as an example of what to write into a field."""
OF_A_TAG = ("block bodyclass", "block body_attributes")
"""Blocks that stand within a tag."""
HOLE = "\N{REPLACEMENT CHARACTER}"


class _Texts(HTMLParser):
    """Collects what is shown or spoken."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in SILENT
        for name, value in attrs:
            if name in SPOKEN or name.endswith(("-word", "-words")):
                self.found.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def bare(source: str) -> list[str]:
    """The texts of a template that no translation reaches."""
    parser = _Texts()
    parser.feed("".join(_untranslated(Lexer(source).tokenize())))
    parser.close()
    return [
        " ".join(text.replace(HOLE, "…").split())
        for text in parser.found
        if set(WORD.findall(text)) - NAMES and not EXAMPLE.fullmatch(text)
    ]


def _untranslated(tokens: list[Token]) -> Iterator[str]:
    """The template's own text; tags leave a hole, what is translated nothing."""
    inside = ""
    for token in tokens:
        word = token.contents.split(maxsplit=1)[0] if token.contents.strip() else ""
        if inside:
            inside = "" if token.token_type is TokenType.BLOCK and word == inside else inside
        elif token.token_type is TokenType.BLOCK and word in ("blocktranslate", "blocktrans"):
            inside = f"end{word}"
            yield HOLE
        elif token.token_type is TokenType.BLOCK and word == "comment":
            inside = "endcomment"
        elif token.token_type is TokenType.BLOCK and token.contents in OF_A_TAG:
            inside = "endblock"
        elif token.token_type is TokenType.TEXT:
            yield token.contents
        elif token.token_type is TokenType.VAR:
            yield HOLE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_text_of_a_template_is_bare(path: Path) -> None:
    assert bare(path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_can_be_searched_for_its_texts(path: Path) -> None:
    """``makemessages`` reads each template so, before it looks for texts."""
    assert isinstance(templatize(path.read_text(), origin=str(path)), str)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Stop it</p>", ["Stop it"]),
        ("<p>{% translate 'Stop it' %}</p>", []),
        ('<a title="Stop it">{{ name }}</a>', ["Stop it"]),
        ("{% blocktranslate %}Stop <b>it</b>{% endblocktranslate %}", []),
        ("{% if x %}{{ n }} jobs{% endif %}", ["… jobs"]),
        ("<code>condor_q</code><script>let stop = 1</script>", []),
        ("{# a note #}{% comment %}Another{% endcomment %}<p>12 MiB</p>", []),
        ('<p data-word="gone {{ n }}"></p>', ["gone …"]),
    ],
)
def test_what_counts_as_bare(source: str, found: list[str]) -> None:
    assert bare(source) == found
