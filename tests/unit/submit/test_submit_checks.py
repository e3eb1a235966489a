"""Whether the files that a description names are there is looked at before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oceanid.errors import MissingFile
from oceanid.submit import SubmitDescription


def check(
    directory: Path, *, local: bool = True, copied: tuple[str, ...] = (), **more: Any
) -> None:
    SubmitDescription.from_attributes(
        {"executable": "/bin/true", **more},
        directory=str(directory),
        remote_input_files=copied,
    ).check_files(local=local)


def test_files_that_are_there_pass(tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    (tmp_path / "folder").mkdir()
    check(tmp_path, transfer_input_files="in.csv, folder/, https://host.invalid/x", input="in.csv")


def test_files_that_will_be_copied_count_as_there(tmp_path: Path) -> None:
    job, source = tmp_path / "job", tmp_path / "source"
    (source / "data").mkdir(parents=True)
    (source / "data" / "x.csv").touch()
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    check(
        job,
        executable="run.sh",
        transfer_input_files="data/x.csv, data",
        copied=(f"{source}/run.sh", f"{source}/data"),
    )
    (source / "run.sh").chmod(0o644)
    with pytest.raises(MissingFile, match="not executable"):
        check(job, executable="run.sh", copied=(f"{source}/run.sh",))
    check(job, executable="run.sh", copied=(f"{source}/run.sh",), local=False)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"executable": "/nowhere/x"}, "/nowhere/x.* is not there"),
        ({"executable": "missing.sh"}, r"missing\.sh.* is not there"),
        ({"executable": "x" * 10_000}, "is not there"),
        ({"executable": "/tmp"}, "is a directory"),
        ({"executable": "/etc/passwd"}, "is not executable"),
        ({"executable": "/dev/null"}, "is not a file"),
        ({"transfer_input_files": "in.csv"}, r"in\.csv.* is not there"),
        ({"input": "in.csv"}, r"in\.csv.* is not there"),
        ({"executable": "$(Item)", "itemdata": ["/bin/true", "/nowhere"]}, "/nowhere"),
        ({"transfer_input_files": ["$(Item)"], "itemdata": ["/bin/true", "n.csv"]}, "n.csv"),
    ],
)
def test_missing_files_are_told_by_name(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    with pytest.raises(MissingFile, match=why):
        check(tmp_path, **more)


def test_absolute_programs_are_not_looked_for_when_they_run_elsewhere(tmp_path: Path) -> None:
    check(tmp_path, local=False, executable="/nowhere/x")
    with pytest.raises(MissingFile):
        check(tmp_path, local=False, executable="/nowhere/x", transfer_executable=True)


def test_missing_remote_input_files_are_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="/nowhere/in"):
        check(tmp_path, copied=("/nowhere/in",))
