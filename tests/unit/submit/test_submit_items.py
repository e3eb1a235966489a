"""What tasks are queued for: itemdata and queue statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oceanid.errors import LimitExceeded, MissingFile, OceanidError
from oceanid.submit import Macro, SubmitDescription


def seen(directory: Path | str = "/job", num_jobs: int = 1, **attributes: Any) -> list[str]:
    """What ``show`` expands to in each task."""
    show = attributes.pop("show", "$(Process):$(Step):$(ItemIndex):$(Item)")
    copied = attributes.pop("copied", ())
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "environment": {"V": Macro(show)}, **attributes},
        num_jobs=num_jobs,
        directory=str(directory),
        remote_input_files=copied,
    )
    return [dict(description.task(n).environment)["V"] for n in range(description.count)]


XY = "$(x)|$(y)"


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("queue", ["0:0:0:"]),
        ("queue 2", ["0:0:0:", "1:1:0:"]),
        ("2", ["0:0:0:", "1:1:0:"]),
        ("queue in (a b,c)", ["0:0:0:a", "1:0:1:b", "2:0:2:c"]),
        ("queue 2 in (a b)", ["0:0:0:a", "1:1:0:a", "2:0:1:b", "3:1:1:b"]),
        ("queue in (\n a\n b\n)", ["0:0:0:a", "1:0:1:b"]),
        ("queue in [1:] (a b c)", ["0:0:0:b", "1:0:1:c"]),
        ("queue in [-1] (a b c)", ["0:0:0:c"]),
        ("queue from (\n one thing\n # no\n\n other\n)", ["0:0:0:one thing", "1:0:1:other"]),
    ],
)
def test_queue_statements(queue: str, expected: list[str]) -> None:
    assert seen(queue=queue) == expected


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("queue x, y from (\n1, 2\n3 4 5\n6\n)", ["1|2", "3|4 5", "6|"]),
        ("queue x y from (\n1 , 2, 3\n)", ["1|2, 3"]),
        ("Queue x,y FROM (\n,2\n)", ["|2"]),
    ],
)
def test_rows_are_split_and_the_last_name_takes_the_rest(queue: str, expected: list[str]) -> None:
    assert seen(show=XY, queue=queue) == expected


def test_files_are_matched_in_the_jobs_directory_and_among_those_to_come(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.csv").mkdir()
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "z.csv").touch()
    found = seen(tmp_path, queue="queue 1 f matching *.csv", show="$(f)", copied=[f"{other}/z.csv"])
    assert found == ["a.csv", "b.csv", "z.csv"]
    assert seen(tmp_path, queue="queue f matching dirs *.csv", show="$(f)") == ["d.csv"]
    assert seen(tmp_path, queue="queue matching any *.csv", show="$(Item)") == [
        "a.csv",
        "b.csv",
        "d.csv",
    ]


def test_a_list_is_read_from_the_jobs_directory(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("1, 2\n3, 4\n")
    assert seen(tmp_path, queue="queue x, y from list.txt", show=XY) == ["1|2", "3|4"]
    with pytest.raises(MissingFile, match="other"):
        seen(tmp_path, queue="queue x, y from other.txt", show=XY)


@pytest.mark.parametrize(
    "queue",
    [
        "queue matching /etc/*",
        "queue matching ../*",
        "queue from /etc/passwd",
        "queue from ../list",
        "queue x from ls |",
        "queue in ()",
        "queue in (a",
        "queue 0",
        "queue -1",
        "queue a b",
        "queue nonsense (1)",
        "queue x, x from (1 2)",
        "queue Process in (1 2)",
    ],
)
def test_bad_queue_statements_are_refused(queue: str, tmp_path: Path) -> None:
    with pytest.raises(OceanidError):
        seen(tmp_path, queue=queue)


def test_python_values_are_items() -> None:
    assert seen(itemdata=["a b", 2, Path("/c")], show="$(Item)") == ["a b", "2", "/c"]
    assert seen(itemdata=[("a", 1), ("b", 2)], show="$(Item)-$(Item1)") == ["a-1", "b-2"]
    assert seen(itemdata=[("a", 1)], item_names="x, y", show=XY) == ["a|1"]
    assert seen(itemdata=[{"x": 1, "y": "b"}, {"y": "d", "x": 2}], show=XY) == ["1|b", "2|d"]
    assert len(seen(itemdata=["a", "b"], num_jobs=3)) == 6


@pytest.mark.parametrize(
    "more",
    [
        {"itemdata": []},
        {"itemdata": "abc"},
        {"itemdata": {"a": 1}},
        {"itemdata": 5},
        {"itemdata": [{"a": 1}, {"b": 1}]},
        {"itemdata": [("a", 1), ("b",)]},
        {"itemdata": ["a\nb"]},
        {"itemdata": [object()]},
        {"itemdata": [("a", 1)], "item_names": ["x"]},
        {"itemdata": [{"Process": 1}]},
        {"itemdata": [{"": 1}]},
        {"itemdata": ["a"], "queue": "2"},
    ],
)
def test_bad_items_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(OceanidError):
        seen(**more)


def test_an_item_may_give_a_command_its_value_as_in_htcondor() -> None:
    description = SubmitDescription.from_attributes(
        {"executable": "/bin/true", "queue": "queue arguments from (\n1 2\n3\n)"},
        directory="/job",
    )
    assert [description.task(n).arguments for n in (0, 1)] == [("1", "2"), ("3",)]


def test_a_million_tasks_cost_nothing_to_describe() -> None:
    attributes = {"executable": "/bin/true", "arguments": "$(Process)"}
    description = SubmitDescription.from_attributes(
        attributes, num_jobs=1_000_000, directory="/job"
    )
    assert description.task(999_999).arguments == ("999999",)
    assert len(str(description.to_json())) < 1000
    with pytest.raises(LimitExceeded):
        SubmitDescription.from_attributes(attributes, num_jobs=10**9, directory="/job")
