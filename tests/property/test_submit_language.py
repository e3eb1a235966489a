"""Any text goes through the submit language unchanged, and no macro runs on for ever."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oceanid.errors import OceanidError
from oceanid.submit import (
    Macro,
    SubmitDescription,
    format_arguments,
    format_environment,
    parse_arguments,
    parse_environment,
)

TEXT = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=30)
HOSTILE = st.lists(
    st.sampled_from(
        [" ", "'", '"', "''", '""', "\\", ",", ";", "=", "\t", "$(x)", "$$(x)", "$(", ")", "ü", "a"]
    ),
    max_size=12,
).map("".join)
WORDS = st.one_of(TEXT, HOSTILE)
NAMES = WORDS.filter(lambda name: name and "=" not in name)
FRAGMENTS = (
    *("$", "(", ")", ":", ",", "$(", "$$(", "a", "b", "c", "A0", "Process", "1", "%", "*"),
    *("$INT(", "$CHOICE(", "$Fnx(", "$RANDOM_CHOICE(", "$SUBSTR(a,1)"),
    *("$(a)", "$(b)", "$(c:$(a))", "$(A$(Process))", "$(Item)"),
)
PIECES = st.lists(st.sampled_from(FRAGMENTS), max_size=10).map("".join)


@given(st.lists(WORDS, max_size=6))
def test_arguments_come_back_from_the_new_syntax(words: list[str]) -> None:
    assert parse_arguments(format_arguments(words)) == tuple(words)


@given(st.dictionaries(NAMES, WORDS, max_size=5))
def test_variables_come_back_from_the_new_syntax(variables: dict[str, str]) -> None:
    assert dict(parse_environment(format_environment(variables))) == variables


@given(st.text(max_size=60))
def test_splitting_any_text_gives_words_or_a_plain_refusal(text: str) -> None:
    for parse in (parse_arguments, parse_environment):
        try:
            assert isinstance(parse(text), tuple)
        except OceanidError as refused:
            assert refused.message


@given(st.lists(WORDS, max_size=6), st.dictionaries(NAMES, WORDS, max_size=4))
def test_lists_and_dicts_reach_the_task_unchanged(
    words: list[str], variables: dict[str, str]
) -> None:
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "arguments": words, "environment": variables},
        num_jobs=2,
        directory="/job",
    )
    task = SubmitDescription.from_json(json.loads(json.dumps(description.to_json()))).task(1)
    assert task.arguments == tuple(words)
    assert dict(task.environment) == variables


@given(st.lists(WORDS, max_size=6))
def test_a_rendered_list_means_the_same_when_it_is_read_as_text(words: list[str]) -> None:
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "arguments": words}, directory="/job"
    )
    lines = description.to_submit_file().split("\n")
    text = next(line for line in lines if line.startswith("arguments")).partition(" = ")[2]
    again = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "arguments": text}, directory="/job"
    )
    assert again.task(0).arguments == tuple(words)


@settings(deadline=2000)
@given(PIECES, PIECES, PIECES, PIECES)
def test_macros_end_in_text_or_in_a_plain_refusal(a: str, b: str, c: str, nested: str) -> None:
    attributes: dict[str, Any] = {
        "executable": "/bin/true",
        "a": a,
        "b": b,
        "c": c,
        "A0": nested,
        "environment": {"V": Macro("$(a:) $(b:) $(c:) $(A$(Process):)")},
        "itemdata": ["one", "$(a)"],
    }
    try:
        description = SubmitDescription.from_attributes(attributes, directory="/job")
    except OceanidError as refused:
        assert refused.message
        return
    first = [description.task(n, job_id=3) for n in range(description.count)]
    again = SubmitDescription.from_json(json.loads(json.dumps(description.to_json())))
    assert first == [again.task(n, job_id=3) for n in range(again.count)]


@given(st.text(max_size=40))
def test_any_queue_statement_gives_items_or_a_plain_refusal(text: str) -> None:
    try:
        description = SubmitDescription.from_attributes(
            {"executable": "/bin/true", "queue": text}, directory="/nowhere"
        )
    except OceanidError as refused:
        assert refused.message
    else:
        assert description.count >= 1


@given(
    st.dictionaries(st.text(max_size=20), st.one_of(WORDS, st.integers(), st.none()), max_size=4)
)
def test_any_attributes_are_a_description_or_plainly_refused(attributes: dict[str, Any]) -> None:
    try:
        description = SubmitDescription.from_attributes(
            {"executable": "/bin/true", **attributes}, directory="/job"
        )
    except OceanidError as refused:
        assert refused.message
    else:
        assert SubmitDescription.from_json(description.to_json()) == description
