"""Puts what came back from the submit host where it belongs; follows no link on the way."""

from __future__ import annotations

import os
import posixpath
import shutil
import tarfile
from typing import IO, Final

from oceanid.engines.htcondor.manifest import Entry, Wanted
from oceanid.engines.local.runner.files import Refused, open_output, open_target
from oceanid.submit.fields import is_url

_CHUNK: Final = 1 << 20


class Places:
    """Where each file that HTCondor left in a task's output folder goes on this machine.

    HTCondor puts a declared output there under its last name, and the contents of a folder that
    was named with a trailing slash by themselves (manual, "Submitting Jobs: file transfer").
    ``exact`` has the targets of some of them, ``rest`` is the directory of all others.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._folder = wanted.folder
        self.rest = wanted.folder
        self.exact: dict[str, str] = {}
        landing: dict[str, str] = {}
        for each in wanted.outputs or ():
            source = posixpath.normpath(each.source)
            lands = source if wanted.keep_folders else posixpath.basename(source)
            if each.contents_only:
                self.rest = each.target if not wanted.keep_folders else self.rest
                landing[source] = source if wanted.keep_folders else ""
            else:
                self.exact[lands] = each.target
                landing[source] = lands
        for name, to in wanted.remaps:
            if not is_url(to):
                self.exact[_landed(posixpath.normpath(name), landing)] = to

    def target(self, name: str) -> str:
        """The absolute target of a file by its name in the output folder.

        Raises:
            Refused: The name leads out of the folder.
        """
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "" in parts:
            raise Refused("bad-output", f"“{name}” leads out of the job's directory.")
        for length in range(len(parts), 0, -1):
            head = "/".join(parts[:length])
            if head in self.exact:
                rest = parts[length:]
                to = self.exact[head]
                if not rest:
                    return to + parts[-1] if to.endswith("/") else to
                return "/".join([to.rstrip("/"), *rest])
        return f"{self.rest}/{name}"


def _landed(name: str, landing: dict[str, str]) -> str:
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        head = "/".join(parts[:length])
        if head in landing:
            return "/".join(part for part in (landing[head], *parts[length:]) if part)
    return name


def place_member(
    content: IO[bytes], info: tarfile.TarInfo, name: str, *, places: Places, folder: str
) -> None:
    """Put one output where it belongs, whole or not at all.

    Raises:
        Refused: Its name or target leads out of where it may be, or can't be written.
        OSError: This machine has no room for it now.
    """
    target = places.target(name)
    below, last = open_target(target, initialdir=folder)
    try:
        draft = f".{last[:180]}.{os.getpid()}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(draft, flags, 0o600, dir_fd=below)
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
                os.fchmod(file.fileno(), info.mode & 0o755 | 0o600)
            os.rename(draft, last, src_dir_fd=below, dst_dir_fd=below)
        except BaseException:
            _drop(draft, below)
            raise
    except IsADirectoryError as problem:
        raise Refused("bad-output", f"“{target}” is a directory.") from problem
    finally:
        os.close(below)


def place_stream(content: IO[bytes], target: str, *, entry: Entry) -> None:
    """Put a task's stdout or stderr where it belongs.

    Raises:
        Refused, OSError: As for :func:`place_member`.
    """
    wanted = entry.wanted
    descriptor = open_output(target, initialdir=wanted.folder, append=wanted.append)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)


def _drop(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
