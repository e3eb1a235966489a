"""What macros stand for in each task, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from oceanid.errors import InvalidSpecification
from oceanid.submit import Macro, SubmitDescription


def argument(text: str, index: int = 0, job_id: int = 7, **more: Any) -> str:
    """What a whole value expands to for one task."""
    num_jobs = more.pop("num_jobs", 10)
    macros = more.pop("macros", {})
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "environment": {"V": Macro(text)}, **more},
        num_jobs=num_jobs,
        directory="/job",
        macros=macros,
    )
    return dict(description.task(index, job_id=job_id).environment)["V"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(Process) $(ProcId) $(process) $(PROCESS)", "3 3 3 3"),
        ("$(Cluster).$(ClusterId)", "7.7"),
        ("$(Step) $(Row) $(ItemIndex) [$(Item)]", "3 0 0 []"),
        ("$(missing:fallback) $(missing:)", "fallback "),
        ("$(missing:$(Process))", "3"),
        ("$(DOLLAR)(Process) $", "$(Process) $"),
        ("costs $5 and $ $(date +%s) $(", "costs $5 and $ $(date +%s) $("),
        ("$(executable)", "/bin/true"),
        ("$INT(Process,%04d) $REAL(Process)", "0003 3"),
        ("$CHOICE(Process,a,b,c,d)", "d"),
        ("$CHOICE(1,$(x:a),b)", "b"),
    ],
)
def test_macros_stand_for_what_the_manual_says(text: str, expected: str) -> None:
    assert argument(text, 3, num_jobs=4) == expected


def test_own_macros_refer_to_each_other() -> None:
    more = {"n": "$(Process) * 2 + 1", "base": "run", "name": "$(base)_$INT(n,%03d)"}
    assert argument("$(name)", 4, **more) == "run_009"


def test_whole_numbers_divide_to_whole_ones() -> None:
    assert argument("$INT(n) $REAL(r,%.2f)", n="7 / 2", r="7.0 / 2") == "3 3.50"


def test_names_can_be_nested() -> None:
    more = {"A0": "zero", "A1": "one"}
    assert [argument("$(A$(Process))", n, num_jobs=2, **more) for n in (0, 1)] == ["zero", "one"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("p", "/data/in/"),
        ("d", "in/"),
        ("db", "in"),
        ("n", "rain.csv"),
        ("x", ".gz"),
        ("xb", "gz"),
        ("nx", "rain.csv.gz"),
        ("pnx", "/data/in/rain.csv.gz"),
        ("nq", '"rain.csv"'),
        ("nqa", "'rain.csv'"),
        ("w", "\\data\\in\\rain.csv.gz"),
        ("", "/data/in/rain.csv.gz"),
    ],
)
def test_parts_of_file_names(options: str, expected: str) -> None:
    assert argument(f"$F{options}(f)", f="/data/in/rain.csv.gz") == expected


def test_file_names_are_made_absolute_in_the_jobs_directory() -> None:
    assert argument("$Ff(f) $DIRNAME(f) $BASENAME(f)", f="in/a.csv") == "/job/in/a.csv in/ a.csv"


def test_parts_of_text() -> None:
    cut = "$SUBSTR(t,1) $SUBSTR(t,1,2) $SUBSTR(t,-2) $SUBSTR(t,0,-1) $STRING(q,%6s)"
    assert argument(cut, t="abcd", q='"hi"') == "bcd bc cd abc     hi"


def test_choice_from_a_named_list() -> None:
    assert argument("$CHOICE(Process,colours)", 1, num_jobs=2, colours="red, green") == "green"


def test_random_values_are_the_same_for_the_same_job_and_task() -> None:
    text = "$RANDOM_CHOICE(a,b,c,d,e,f) $RANDOM_INTEGER(10,90,10)"
    first = [argument(text, n) for n in range(10)]
    assert first == [argument(text, n) for n in range(10)]
    assert first != [argument(text, n, job_id=8) for n in range(10)]
    assert len(set(first)) > 1
    assert all(int(each.split()[1]) in range(10, 91, 10) for each in first)


def test_portal_macros_are_taken_literally() -> None:
    assert argument("$(APP_WORKSPACE)/x", macros={"APP_WORKSPACE": "/w/$(Process)"}) == (
        "/w/$(Process)/x"
    )


def test_what_an_item_says_is_not_read_again() -> None:
    assert argument("$(Item)", itemdata=["$(Process)$ENV(HOME)"], num_jobs=1) == (
        "$(Process)$ENV(HOME)"
    )


@pytest.mark.parametrize(
    "more",
    [
        {"V": "$(V)"},
        {"V": "$(W)", "W": "$(V)"},
        {"V": "x$(W:1)", "W": "$INT(V)"},
        {"V": "$(X$(Process))", "X0": "$(X$(Process))"},
    ],
)
def test_a_macro_that_refers_to_itself_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(InvalidSpecification, match="refers to itself"):
        argument("$(V)", num_jobs=1, **more)


def test_macros_that_grow_beyond_measure_are_refused_quickly() -> None:
    more = {f"L{n}": f"$(L{n + 1})$(L{n + 1})" for n in range(35)} | {"L35": "$(Process)ha"}
    with pytest.raises(InvalidSpecification, match="grows beyond"):
        argument("$(L0)", **more)
    with pytest.raises(InvalidSpecification, match="grows beyond"):
        argument("$(long)" * 100_000, long="x" * 500_000)
    with pytest.raises(InvalidSpecification, match="grows beyond"):
        argument("$(long)" * 100_000, long="$(Process)" + "x" * 500_000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$(nowhere)", "nowhere"),
        ("$ENV(HOME)", "portal's environment"),
        ("$EVAL(1+1)", "EVAL"),
        ("$INT(x:)", "not a number"),
        ("$INT(Process,%s%s%s)", "not a format"),
        ("$INT(9**9**9)", "not a number"),
        ("$CHOICE(9,a,b)", "no item 9"),
        ("$RANDOM_INTEGER(9,1)", "empty"),
        ("$$(OpSys)", r"\$\$\(\)"),
        ("$(Node)", "Node"),
    ],
)
def test_what_can_not_be_replaced_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(InvalidSpecification, match=why):
        argument(text)


def test_lists_and_dicts_mean_exactly_their_values() -> None:
    hostile = ["$(Process)", "$$(OpSys)", "a 'b' \"c\"", "", "$ENV(HOME)", "; rm -rf", "ü"]
    description = SubmitDescription.from_attributes(
        {
            "executable": "/bin/true",
            "arguments": [*hostile, Macro("$(Process)")],
            "environment": {"A": "$(Process)", "B": Macro("$(Process)")},
        },
        num_jobs=3,
        directory="/job",
    )
    task = description.task(2)
    assert task.arguments == (*hostile, "2")
    assert dict(task.environment) == {"A": "$(Process)", "B": "2"}


def test_text_is_expanded_before_it_is_split() -> None:
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "arguments": "$(Item)", "itemdata": ["a b", "c"]},
        directory="/job",
    )
    assert [description.task(n).arguments for n in (0, 1)] == [("a", "b"), ("c",)]


@pytest.mark.parametrize("text", ["$(" * 100_000, "$(a" * 100_000 + ")" * 100_000, "$" * 500_000])
def test_hostile_texts_are_read_in_one_pass(text: str) -> None:
    try:
        assert argument(Macro(text)) == text.replace("$(DOLLAR)", "$")
    except InvalidSpecification as refused:
        assert "nested" in refused.message or "longer" in refused.message


@pytest.mark.parametrize("number", ["1e999", "9" * 5000, "1 / 0", "(" * 190, "-" * 190])
def test_numbers_beyond_measure_are_refused(number: str) -> None:
    with pytest.raises(InvalidSpecification, match="not a number"):
        argument("$INT(n)", n=number)
