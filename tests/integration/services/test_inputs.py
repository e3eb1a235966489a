"""Input files arrive whole, and through no link that a job left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanid.services import inputs


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A job's directory, with a precious file and folder outside of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept.csv").write_text("precious")
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of inputs."""
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "kept.csv").write_text("new")
    (data / "deep" / "kept.csv").write_text("new")
    return data


def test_files_and_folders_arrive_and_what_is_there_is_kept(place: Path, source: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "made.csv").write_text("by the first attempt")
    for _ in range(2):
        inputs.bring([str(source), str(source / "kept.csv")], place)
    assert (place / "kept.csv").read_text() == "new"
    assert (place / "data" / "deep" / "kept.csv").read_text() == "new"
    assert (place / "data" / "made.csv").read_text() == "by the first attempt"
    assert sorted(each.name for each in place.iterdir()) == ["data", "kept.csv"]


@pytest.mark.parametrize("link", ["kept.csv", inputs.PART, "data", "data/deep", "data/kept.csv"])
def test_a_link_in_the_way_is_replaced_and_not_followed(
    place: Path, source: Path, tmp_path: Path, link: str
) -> None:
    (place / link).parent.mkdir(exist_ok=True)
    outside = tmp_path / "outside"
    (place / link).symlink_to(outside if link in ("data", "data/deep") else outside / "kept.csv")
    inputs.bring([str(source), str(source / "kept.csv")], place)
    assert (outside / "kept.csv").read_text() == "precious"
    assert [each.name for each in outside.iterdir()] == ["kept.csv"]
    assert not (place / link).is_symlink()
    assert (place / "data" / "deep" / "kept.csv").read_text() == "new"


def test_a_nodes_folder_that_is_a_link_is_made_anew(
    place: Path, source: Path, tmp_path: Path
) -> None:
    (place / "node").symlink_to(tmp_path / "outside")
    inputs.bring([str(source / "kept.csv")], place, folder="node/run")
    assert (place / "node" / "run" / "kept.csv").read_text() == "new"
    assert [each.name for each in (tmp_path / "outside").iterdir()] == ["kept.csv"]


def test_a_link_among_the_files_stands_for_what_it_leads_to(place: Path, source: Path) -> None:
    (source.parent / "latest.csv").symlink_to(source / "kept.csv")
    inputs.bring([str(source.parent / "latest.csv")], place)
    assert (place / "latest.csv").read_text() == "new"
    assert not (place / "latest.csv").is_symlink()


def test_a_file_that_lies_there_already_stays(place: Path) -> None:
    (place / "in.csv").write_text("own")
    inputs.bring([str(place / "in.csv")], place)
    assert (place / "in.csv").read_text() == "own"


def test_a_folder_that_holds_the_job_itself_is_refused(place: Path) -> None:
    with pytest.raises(OSError, match="holds the job's own directory"):
        inputs.bring([str(place.parent)], place)
    assert not list(place.iterdir())


def test_a_missing_file_is_told(place: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        inputs.bring([str(tmp_path / "gone.csv")], place)
