"""Copies input files into a job's directory, through no link that a job may have left there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath

PART = ".oceanid-input.part"


def bring(files: Sequence[str], directory: Path, *, folder: str = "") -> None:
    """Copy files and directories into a job's directory, each file whole or not at all.

    What lies there under the same name is replaced, a directory is added to. A link that an
    earlier attempt left in the way is removed, never followed. Idempotent.

    Args:
        files: Absolute paths on this machine; a link among them stands for what it leads to.
        directory: The job's own directory, which is there.
        folder: A folder in it, relative.

    Raises:
        OSError: A file can't be read or written.
    """
    place = directory
    for part in PurePath(folder).parts:
        place = _folder(place / part)
    for name in files:
        source, target = Path(name).resolve(), place / Path(name).name
        if place.resolve().is_relative_to(source):
            raise OSError(f"{source} holds the job's own directory, so it can't be copied there.")
        if not _is_same(source, target):
            _bring(source, target)


def _bring(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        _folder(target)
        for each in source.iterdir():
            _bring(each, target / each.name)
        return
    part = target.with_name(PART)
    part.unlink(missing_ok=True)
    shutil.copy2(source, part, follow_symlinks=False)
    part.replace(target)


def _folder(place: Path) -> Path:
    """A real directory of this name."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        place.unlink()
    place.mkdir(exist_ok=True, mode=0o700)
    return place


def _is_same(source: Path, target: Path) -> bool:
    return target.exists() and not target.is_symlink() and target.samefile(source)
