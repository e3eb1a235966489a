"""Descriptions that say the same are checked once, and still mean their own directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanid.errors import InvalidSpecification, MissingFile
from oceanid.submit import Macro, SubmitDescription


def described(directory: Path, **attributes: object) -> SubmitDescription:
    return SubmitDescription.from_attributes(attributes, directory=str(directory))


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


def test_each_looks_for_files_in_its_own_directory(tmp_path: Path) -> None:
    said = {"executable": "run.sh", "transfer_input_files": ["in.csv"]}
    for name in ("first", "second"):
        program(tmp_path / name / "run.sh")
    (tmp_path / "first/in.csv").touch()
    first, second = (described(tmp_path / name, **said) for name in ("first", "second"))
    first.check_files(local=True)
    with pytest.raises(MissingFile, match=r"second/in\.csv"):
        second.check_files(local=True)
    (tmp_path / "second/in.csv").touch()
    second.check_files(local=True)
    assert second.task(0).executable == str(tmp_path / "second/run.sh")
    (tmp_path / "first/run.sh").unlink()
    second.check_files(local=True)
    with pytest.raises(MissingFile, match=r"first/run\.sh"):
        first.check_files(local=True)


def test_a_path_into_another_ones_directory_stays_what_it_says(tmp_path: Path) -> None:
    theirs = program(tmp_path / "first/run.sh")
    first = described(tmp_path / "first", executable=str(theirs))
    second = described(tmp_path / "second", executable=str(theirs))
    for each in (first, second):
        each.check_files(local=True)
        assert each.task(0).executable == str(theirs)
    theirs.unlink()
    with pytest.raises(MissingFile, match=r"first/run\.sh"):
        second.check_files(local=True)


def test_text_and_macro_of_the_same_letters_are_not_the_same(tmp_path: Path) -> None:
    plain = described(tmp_path / "a", executable="/bin/echo", arguments=["$(Process)"])
    macro = described(tmp_path / "b", executable="/bin/echo", arguments=[Macro("$(Process)")])
    assert plain.task(0).arguments == ("$(Process)",)
    assert macro.task(0).arguments == ("0",)
    again = described(tmp_path / "c", executable="/bin/echo", arguments=["$(Process)"])
    assert again.task(0).arguments == ("$(Process)",)


def test_what_follows_from_the_words_is_the_same_in_each(tmp_path: Path) -> None:
    said = {
        "executable": "/bin/true",
        "request_memory": "2 GB",
        "max_retries": 3,
        "request_gpus": 1,
    }
    first, second = (described(tmp_path / name, **said) for name in "ab")
    for told in ("resources", "max_retries", "count"):
        assert getattr(first, told) == getattr(second, told)
    assert first.required_capabilities() == second.required_capabilities() != frozenset()
    assert first.capability_reasons() == second.capability_reasons()
    assert second.to_json() == {**first.to_json(), "directory": str(tmp_path / "b")}
    assert second.task(0).stdout.startswith(str(tmp_path / "b"))


def test_what_is_wrong_is_refused_each_time(tmp_path: Path) -> None:
    for name in "abab":
        with pytest.raises(InvalidSpecification, match="request_memory"):
            described(tmp_path / name, executable="/bin/true", request_memory="plenty")
