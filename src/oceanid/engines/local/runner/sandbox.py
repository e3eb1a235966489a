"""A task's own directory: files go in, outputs come back, links lead nowhere."""

from __future__ import annotations

import os
import stat

from . import files
from .files import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Item


class Sandbox:
    """The directory that one task runs in.

    Args:
        parent: The batch's directory of sandboxes.
        item: The task.
        owner: The user and group that it runs as, when not the runner's own.
        between: Called between pieces of long copies; may raise to break off.
        spare: The directory that an earlier task left as good as new, if any.
    """

    def __init__(
        self,
        parent: str,
        item: Item,
        *,
        owner: tuple[int, int] | None,
        between: Callable[[], None],
        spare: str = "",
    ) -> None:
        self.item = item
        self.parent = parent
        self.path = f"{parent}/{item.proc}"
        self.owner = owner
        self.notes: list[str] = []
        self._between = between
        self._spare = spare
        self._before: dict[str, tuple[int, int, int]] = {}
        self._executable = ""

    def make(self) -> str:
        """Make the directory, fill it, and tell what program is to be started in it.

        Raises:
            Refused: Something that the task needs is not there or may not be taken.
        """
        item = self.item
        self._make_directory()
        program = item.executable
        if item.transfer_executable:
            self._executable = os.path.basename(program)
            files.copy_in(
                program,
                self.path,
                self._executable,
                follow=self.owner is None,
                between=self._between,
            )
            os.chmod(f"{self.path}/{self._executable}", 0o700)
            # Another user can't see what lies above the sandbox, only its working directory.
            program = f"{self.path if self.owner is None else '.'}/{self._executable}"
        for source, target, contents_only in item.inputs:
            self._take(source, target, contents_only=contents_only)
        if item.transfer_executable or item.inputs:
            self._before = _look(self.path)
        if self.owner is not None:
            files.give_to(self.path, self.owner)
        return program

    def bring_back(self) -> None:
        """Copy the outputs to where they belong.

        Raises:
            Refused: A declared output is missing, or has a name that may not be.
        """
        if self.item.outputs is None:
            self._bring_changed()
        else:
            for source, target, contents_only in self.item.outputs:
                self._bring_declared(source, target, contents_only=contents_only)

    def note_between(self, between: Callable[[], None]) -> None:
        """Change what is called between pieces of long copies."""
        self._between = between

    def size(self) -> int:
        """The bytes that its files take on disk."""
        return files.tree_size(self.path)

    def clear(self) -> str:
        """Remove what is in it; the directory too, unless it can serve another task.

        Returns:
            The path of the directory that is left for another task, or nothing.
        """
        # Where many directories come and go, ext4 needs ever longer to make one: it passes over
        # the inodes that were freed in the last seconds.
        if self._is_as_new():
            return self.path
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return ""
        except OSError:
            files.remove_tree(self.parent, str(self.item.proc))
        return ""

    def _make_directory(self) -> None:
        if self._spare:
            try:
                os.rename(self._spare, self.path)
                return
            except OSError:
                files.remove_tree(self.parent, os.path.basename(self._spare))
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            files.remove_tree(self.parent, str(self.item.proc))
            os.mkdir(self.path, 0o700)

    def _is_as_new(self) -> bool:
        """Whether nothing tells this directory from one that was just made."""
        if self.owner is not None or not hasattr(os, "listxattr"):
            return False
        try:
            info = os.lstat(self.path)
            return (
                info.st_mode == stat.S_IFDIR | 0o700
                and (info.st_uid, info.st_gid) == (os.geteuid(), os.getegid())
                and not os.listdir(self.path)
                and not os.listxattr(self.path, follow_symlinks=False)
            )
        except OSError:
            return False

    def _take(self, source: str, target: str, *, contents_only: bool) -> None:
        follow = self.owner is None
        if os.path.isdir(source):
            files.copy_tree_in(
                source,
                self.path,
                "" if contents_only and target in ("", ".", "./") else target,
                follow=follow,
                between=self._between,
            )
        else:
            files.copy_in(source, self.path, target, follow=follow, between=self._between)

    def _bring_changed(self) -> None:
        for name, seen in _look(self.path).items():
            if name == self._executable or self._before.get(name) == seen:
                continue
            default = f"{self.item.initialdir}/{name}"
            try:
                self._bring_file(name, self._remapped(name, default))
            except Refused as why:
                if name in self.item.output_remaps:
                    raise
                self.notes.append(why.reason)

    def _bring_declared(self, source: str, target: str, *, contents_only: bool) -> None:
        name = source.rstrip("/")
        files.parts_of(name)
        if self.item.output_remaps:
            target = self._remapped(name, target)
        kind = files.kind_beneath(self.path, name)
        if kind == "file":
            self._bring_file(name, target)
        elif kind == "folder":
            base = target.rstrip("/")
            for below in files.walk_beneath(self.path, name, notes=self.notes):
                inside = below[len(name) + 1 :]
                self._bring_file(below, self._remapped(below, f"{base}/{inside}"))
        else:
            raise Refused("missing-output", *_missing(name, kind))

    def _bring_file(self, name: str, target: str) -> None:
        if target.endswith("/"):
            target += os.path.basename(name)
        descriptor = files.open_beneath(self.path, name)
        try:
            info = os.fstat(descriptor)
            if self.owner is not None and info.st_nlink > 1 and info.st_uid != self.owner[0]:
                raise Refused("bad-output", f"“{name}” is another user's file.", "")
            files.place(
                descriptor,
                target,
                initialdir=self.item.initialdir,
                mode=stat.S_IMODE(info.st_mode) & 0o755 | 0o600,
                between=self._between,
            )
        finally:
            os.close(descriptor)

    def _remapped(self, name: str, default: str) -> str:
        target = self.item.output_remaps.get(name)
        if target is None:
            return default
        return target if target.startswith("/") else f"{self.item.initialdir}/{target}"


def _missing(name: str, kind: str) -> tuple[str, str]:
    if kind == "outside":
        return (
            f"The output “{name}” is a link that leads out of the sandbox and was not followed.",
            "Let the job write the file itself.",
        )
    if kind == "special":
        return f"The output “{name}” is not a regular file.", "Let the job write a regular file."
    return (
        f"The job ended without writing its output “{name}”.",
        "Look into its stderr, or take the name off transfer_output_files.",
    )


def _look(path: str) -> dict[str, tuple[int, int, int]]:
    """The top folder's regular files and links, with what tells a change."""
    seen = {}
    with os.scandir(path) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode):
                seen[entry.name] = (info.st_mtime_ns, info.st_size, info.st_ino)
    return seen
