"""Looks whether the files that a description names are there, before it is submitted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from oceanid.errors import MissingFile
from oceanid.submit.fields import is_url
from oceanid.submit.plan import Plan

_SAMPLE: Final = 50


@dataclass(frozen=True, slots=True)
class Needed:
    """A file of this machine that tasks need.

    Args:
        path: Where it is.
        is_program: Whether it is what runs, and not an input.
        travels: Whether it is brought to where the task runs.
    """

    path: str
    is_program: bool
    travels: bool = True


def needed(plan: Plan, *, count: int) -> tuple[Needed, ...]:
    """The files that the tasks need; of many that differ, those of a sample."""
    varies = not all(
        plan.fixed(field)
        for field in ("executable", "transfer_executable", "inputs", "stdin")
        if field != "inputs" or plan.fixed("transfer_files")
    )
    found: dict[str, Needed] = {}
    for index in _sample(count) if varies else (0,):
        task = plan.task(plan.scope(index, "0"), {})
        if task.executable:
            found.setdefault(
                task.executable, Needed(task.executable, True, task.transfer_executable)
            )
        for source in [*(each.source for each in task.inputs), task.stdin]:
            if source and not is_url(source):
                found.setdefault(source, Needed(source, False))
    return tuple(found.values())


def check(
    wanted: Iterable[Needed],
    *,
    moved_from: str,
    directory: str,
    copied: Sequence[str],
    local: bool,
    may_be_made: bool,
) -> None:
    """See :meth:`oceanid.submit.SubmitDescription.check_files`.

    Args:
        wanted: What the tasks need.
        moved_from: The directory that this was said of; what is in it is meant in ``directory``.
        directory: The job's directory.
        copied: What will be copied into it.
        local: Whether the tasks run on this machine.
        may_be_made: Whether what is missing in the directory may still be made.
    """
    for name in copied:
        if name.startswith("/") and _mode(name) is None:
            raise _missing("remote_input_files", name)
    present = {PurePosixPath(name).name: name for name in copied}
    for each in wanted:
        name = each.path
        belongs = name.startswith(moved_from + "/")
        if belongs:
            name = directory + name[len(moved_from) :]
        if each.is_program and not (local or each.travels or belongs):
            continue
        if may_be_made and belongs and _mode(name) is None:
            continue
        path = _found(name, directory, present) if belongs else name
        if each.is_program:
            _check_executable(path, name, local=local)
        else:
            _check_input(path, name)


def _sample(count: int) -> Iterable[int]:
    if count <= _SAMPLE:
        return range(count)
    return sorted({count * step // _SAMPLE for step in range(_SAMPLE)} | {count - 1})


def _found(path: str, directory: str, present: dict[str, str]) -> str:
    """The path to look at: the source of a file that will be copied into the directory."""
    if _mode(path) is not None:
        return path
    head, _, rest = path[len(directory) + 1 :].partition("/")
    if head not in present:
        return path
    source = present[head].rstrip("/")
    return f"{source}/{rest}" if rest else source


def _check_executable(path: str, name: str, *, local: bool) -> None:
    mode = _mode(path)
    if mode is None:
        raise MissingFile(
            "The executable “{name}” is not there.",
            hint="Copy it into the job's directory, for example with remote_input_files.",
            name=name[:500],
        )
    if stat.S_ISDIR(mode):
        raise MissingFile(
            "The executable “{name}” is a directory.",
            hint="Name the program inside of it.",
            name=name,
        )
    if not stat.S_ISREG(mode):
        raise MissingFile("The executable “{name}” is not a file.", name=name)
    if local and not os.access(path, os.X_OK):
        raise MissingFile(
            "The executable “{name}” is not executable.",
            hint="Run chmod +x {path}.",
            name=name,
            path=path,
        )


def _check_input(path: str, name: str) -> None:
    if _mode(path) is None:
        raise _missing("transfer_input_files or input", name)
    if not os.access(path, os.R_OK):
        raise MissingFile(
            "The input “{name}” can't be read.", hint="Change its permissions.", name=name
        )


def _missing(what: str, name: str) -> MissingFile:
    return MissingFile(
        "The file “{name}” is not there.",
        hint="{what} names it; correct the name or make it.",
        name=name[:500],
        what=what,
    )


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - a Path costs more than the look itself
    except (OSError, ValueError):
        # Too long a name, a loop of links, no right to look: the task could not use it either.
        return None
