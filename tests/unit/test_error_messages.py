"""What errors say: whole sentences that a catalogue can hold, told in the reader's language."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tools import messages

from oceanid.errors import NotFound, OceanidError, translate_with

GERMAN = {
    "There is no file “{name}” in {place}.": "In {place} gibt es keine Datei „{name}“.",
    "Look for it.": "Suche danach.",
    "Broken {name}.": "Kaputt {nmae}.",
    "": "Project-Id-Version: 1",
}


@pytest.fixture
def german() -> Iterator[None]:
    from django.utils.translation import gettext

    translate_with(lambda text: GERMAN.get(text, text))
    yield
    translate_with(gettext)


def test_message_and_hint_are_told_in_the_language_that_is_active_when_they_are_read(
    german: None,
) -> None:
    problem = NotFound(
        "There is no file “{name}” in {place}.", hint="Look for it.", name="a{b}", place=Path("/x")
    )
    assert problem.message == "In /x gibt es keine Datei „a{b}“."
    assert str(problem) == "In /x gibt es keine Datei „a{b}“. Suche danach."
    assert problem.args == ("There is no file “a{b}” in /x.",)
    translate_with(None)
    assert str(problem) == "There is no file “a{b}” in /x. Look for it."


def test_a_translation_that_names_what_is_not_there_is_not_used(german: None) -> None:
    assert str(OceanidError("Broken {name}.", name="pipe")) == "Broken pipe."


def test_no_hint_stays_no_hint_in_every_language(german: None) -> None:
    assert OceanidError("Look for it.").hint == ""


@pytest.mark.parametrize("text", ["{", "{}", "{name}", "{0.__class__}", "100 %s {x!r:9}"])
def test_what_a_foreign_system_said_is_told_as_it_is(text: str) -> None:
    assert str(OceanidError(text)) == text
    assert str(OceanidError("It said: {said}", said=text)) == f"It said: {text}"


def test_values_are_formatted_as_what_they_are() -> None:
    told = OceanidError(
        "{day:%d.%m.%Y}, {share:.1%}, {cost:.2f}, {count:,}", day=datetime(2026, 11, 26, 9, 5),
        share=0.25, cost=Decimal("1.005"), count=12345,
    )  # fmt: skip
    assert str(told) == "26.11.2026, 25.0%, 1.00, 12,345"


def test_an_error_travels_between_processes_whole() -> None:
    problem = NotFound("No “{name}” among {all!r}.", hint="Name one.", name="é", all=[1, "b"])
    for copied in (copy.copy(problem), pickle.loads(pickle.dumps(problem))):
        assert str(copied) == str(problem) == "No “é” among [1, 'b']. Name one."
        assert (copied.slug, copied.transient) == ("not-found", False)


def test_every_error_in_the_package_says_what_a_catalogue_can_hold() -> None:
    told = list(messages.told())
    assert len(told) > 300
    assert [each for each in told if each.odd] == []
    wrong = [each for each in told if each.texts and each.values and each.fields() != each.values]
    assert wrong == []
