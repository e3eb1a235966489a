"""The manual's examples of arguments and environment, and what it forbids."""

from __future__ import annotations

import pytest

from oceanid.errors import InvalidSpecification
from oceanid.submit import (
    format_arguments,
    format_environment,
    parse_arguments,
    parse_environment,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("one two  three", ("one", "two", "three")),
        (r"one \"two\" 'three'", ("one", '"two"', "'three'")),
        ("'two words' 1", ("'two", "words'", "1")),
        (r"a\b \\", ("a\\b", "\\\\")),
        ("a\tb", ("a", "b")),
        ("a\u00a0b", ("a\u00a0b",)),
        ('"3 simple arguments"', ("3", "simple", "arguments")),
        ("\"one 'two with spaces' 3\"", ("one", "two with spaces", "3")),
        (
            "\"one \"\"two\"\" 'spacey ''quoted'' argument'\"",
            ("one", '"two"', "spacey 'quoted' argument"),
        ),
        ('""', ()),
        ("\"''\"", ("",)),
        ("\"a'b c'd\"", ("ab cd",)),
        (r'"c:\dir \n"', (r"c:\dir", r"\n")),
    ],
)
def test_arguments_are_split_as_the_manual_says(text: str, expected: tuple[str, ...]) -> None:
    assert parse_arguments(text) == expected


@pytest.mark.parametrize("text", ['a "b" c', '"open', '"a" b', '"it\'s"', '"a""'])
def test_unbalanced_arguments_are_refused(text: str) -> None:
    with pytest.raises(InvalidSpecification):
        parse_arguments(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("one=1;two=2", {"one": "1", "two": "2"}),
        (
            "one=1;two=2;three=\"quotes have no 'special' meaning\"",
            {"one": "1", "two": "2", "three": "\"quotes have no 'special' meaning\""},
        ),
        (" a= b ; c=d;", {"a": " b ", "c": "d"}),
        (
            "\"one=1 two=\"\"2\"\" three='spacey ''quoted'' value'\"",
            {"one": "1", "two": '"2"', "three": "spacey 'quoted' value"},
        ),
        ("\"'a=b c' d=\"", {"a": "b c", "d": ""}),
        ("a=1;a=2", {"a": "2"}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_environment_is_split_as_the_manual_says(text: str, expected: dict[str, str]) -> None:
    assert dict(parse_environment(text)) == expected


@pytest.mark.parametrize("text", ["a", "=b", '"a"', '"=b"', '"a=\'"'])
def test_environment_without_a_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecification):
        parse_environment(text)


def test_formats_are_the_new_syntax() -> None:
    assert format_arguments(["a", "b c", "it's", "", '"']) == "\"a 'b c' 'it''s' '' \"\"\""
    assert format_environment({"A": "1", "B": "x y"}) == "\"A=1 'B=x y'\""


@pytest.mark.parametrize("word", ["$(DOLLAR)", "a $(DOLLAR)'$$(DollarDollar)", "$$(DOLLARDOLLAR)"])
def test_what_looks_like_an_escape_is_broken_by_quotes_and_read_back_as_it_was(word: str) -> None:
    written = format_arguments([word, "b"], literally=True)
    assert "$(DOLLAR" not in written.upper()
    assert parse_arguments(written) == (word, "b")
    assert parse_environment(format_environment({"A": word}, literally=True)) == (("A", word),)
