"""Looks whether the files that a description names are there, before it is submitted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from oceanid.errors import MissingFile
from oceanid.submit.fields import is_url
from oceanid.submit.plan import Plan

_SAMPLE: Final = 50


def check(
    plan: Plan,
    *,
    count: int,
    directory: str,
    copied: Sequence[str],
    local: bool,
    may_be_made: bool,
) -> None:
    """See :meth:`oceanid.submit.SubmitDescription.check_files`."""
    for name in copied:
        if name.startswith("/") and _mode(name) is None:
            raise _missing("remote_input_files", name)
    present = {PurePosixPath(name).name: name for name in copied}
    varies = not all(
        plan.fixed(field)
        for field in ("executable", "transfer_executable", "inputs", "stdin")
        if field != "inputs" or plan.fixed("transfer_files")
    )
    seen: set[str] = set()
    for index in _sample(count) if varies else (0,):
        task = plan.task(plan.scope(index, "0"), {})
        belongs = task.executable.startswith(directory + "/")
        if task.executable and task.executable not in seen:
            seen.add(task.executable)
            path = _found(task.executable, directory, present)
            is_awaited = may_be_made and belongs and _mode(path) is None
            if (local or task.transfer_executable or belongs) and not is_awaited:
                _check_executable(path, task.executable, local=local)
        for source in [*(each.source for each in task.inputs), task.stdin]:
            if not source or source in seen or is_url(source):
                continue
            seen.add(source)
            path = _found(source, directory, present)
            if not (may_be_made and source.startswith(directory + "/") and _mode(path) is None):
                _check_input(path, source)


def _sample(count: int) -> Iterable[int]:
    if count <= _SAMPLE:
        return range(count)
    return sorted({count * step // _SAMPLE for step in range(_SAMPLE)} | {count - 1})


def _found(path: str, directory: str, present: dict[str, str]) -> str:
    """The path to look at: the source of a file that will be copied into the directory."""
    if _mode(path) is not None or not path.startswith(directory + "/"):
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
            f"The executable “{name[:500]}” is not there.",
            hint="Copy it into the job's directory, for example with remote_input_files.",
        )
    if stat.S_ISDIR(mode):
        raise MissingFile(
            f"The executable “{name}” is a directory.", hint="Name the program inside of it."
        )
    if not stat.S_ISREG(mode):
        raise MissingFile(f"The executable “{name}” is not a file.")
    if local and not os.access(path, os.X_OK):
        raise MissingFile(
            f"The executable “{name}” is not executable.", hint=f"Run chmod +x {path}."
        )


def _check_input(path: str, name: str) -> None:
    if _mode(path) is None:
        raise _missing("transfer_input_files or input", name)
    if not os.access(path, os.R_OK):
        raise MissingFile(f"The input “{name}” can't be read.", hint="Change its permissions.")


def _missing(what: str, name: str) -> MissingFile:
    return MissingFile(
        f"The file “{name[:500]}” is not there.",
        hint=f"{what} names it; correct the name or make it.",
    )


def _mode(path: str) -> int | None:
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        # Too long a name, a loop of links, no right to look: the task could not use it either.
        return None
