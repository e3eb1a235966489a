"""Copies and opens files where a hostile job may have laid links, pipes and odd names."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 8 << 20
_DEEPEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Refused(Exception):
    """The task can't go on: a code, the reason in plain words and what to do about it."""

    def __init__(self, code: str, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint


def parts_of(name: str) -> list[str]:
    """The steps of a relative name; absolute names and ``..`` are refused."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Refused(
            "bad-name",
            f"The name “{name}” leads out of the job's directory.",
            "Use names relative to it, without “..”.",
        )
    return parts


def open_folder(root: str, parts: list[str], *, make: bool = False) -> int:
    """A descriptor of a folder below ``root``, reached through no link."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            try:
                there = os.open(part, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if not make:
                    raise
                try:
                    os.mkdir(part, 0o700, dir_fd=here)
                except FileExistsError:  # another task of the job was faster
                    pass
                there = os.open(part, _FOLDER, dir_fd=here)
        except OSError as problem:
            if problem.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Refused(
                    "bad-name",
                    f"“{'/'.join(parts)}” leads through “{part}”, which is a link or no directory.",
                    "Links are never followed there.",
                ) from problem
            raise
        finally:
            os.close(here)
        here = there
    return here


def open_target(path: str, *, initialdir: str) -> tuple[int, str]:
    """A descriptor of the folder that a target lies in, made when needed, and its last name."""
    inside = initialdir.rstrip("/") + "/"
    if path.startswith(inside):
        parts = parts_of(path[len(inside) :])
        if parts:
            return open_folder(initialdir, parts[:-1], make=True), parts[-1]
    parts = parts_of(path[1:])
    if not path.startswith("/") or not parts:
        raise Refused("bad-name", f"“{path}” is no absolute name of a file.")
    root, below = "/" + "/".join(parts[:-1]), [parts[-1]]
    while not os.path.isdir(root):
        root, _, last = root.rpartition("/")
        root = root or "/"
        below.insert(0, last)
    return open_folder(root, below[:-1], make=True), parts[-1]


def open_output(path: str, *, initialdir: str, append: bool) -> int:
    """Open a stdout or stderr file for writing at its end; no link, pipe or device is opened."""
    folder, name = open_target(path, initialdir=initialdir)
    try:
        flags = (
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    except OSError as problem:
        raise Refused(
            "not-started",
            f"The file “{path}” can't be written: {os.strerror(problem.errno or 0)}.",
            "It must be a regular file, or not there yet.",
        ) from problem
    finally:
        os.close(folder)
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        os.close(descriptor)
        raise Refused("not-started", f"The file “{path}” is not a regular file.")
    if info.st_size and not append:
        os.ftruncate(descriptor, 0)
    os.set_blocking(descriptor, True)
    return descriptor


def copy_in(
    source: str, root: str, target: str, *, follow: bool, between: Callable[[], None]
) -> None:
    """Copy one file of this machine to a relative name below ``root``."""
    parts = parts_of(target)
    if not parts:
        raise Refused("missing-input", f"“{source}” is no directory.")
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(source, flags)
    except OSError as problem:
        raise Refused(
            "not-started",
            f"The file “{source}” can't be read: {os.strerror(problem.errno or 0)}.",
            "It must be there when the job starts.",
        ) from problem
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise Refused("not-started", f"“{source}” is {what}.", "A regular file is needed.")
        folder = open_folder(root, parts[:-1], make=True)
        try:
            write_whole(descriptor, folder, parts[-1], mode=mode & 0o700 | 0o600, between=between)
        finally:
            os.close(folder)
    finally:
        os.close(descriptor)


def copy_tree_in(
    source: str,
    root: str,
    target: str,
    *,
    follow: bool,
    between: Callable[[], None],
    depth: int = 0,
) -> None:
    """Copy a directory of this machine to a relative name below ``root``."""
    if depth > _DEEPEST:
        raise Refused(
            "not-started", f"“{source}” is nested too deeply.", "Is there a link to itself?"
        )
    os.close(open_folder(root, parts_of(target), make=True))
    with os.scandir(source) as entries:
        for entry in entries:
            below = f"{target}/{entry.name}" if target else entry.name
            if entry.is_symlink() and not follow:
                continue
            if entry.is_dir():
                copy_tree_in(
                    entry.path, root, below, follow=follow, between=between, depth=depth + 1
                )
            elif entry.is_file():
                copy_in(entry.path, root, below, follow=follow, between=between)


def kind_beneath(root: str, name: str) -> str:
    """What a name in a sandbox is: file, folder, special, outside (a link out) or missing."""
    resolved = _resolve(root, name)
    if resolved is None:
        return "outside"
    try:
        mode = os.lstat(f"{os.path.realpath(root)}/{resolved}").st_mode
    except OSError:
        return "missing"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "special"


def open_beneath(root: str, name: str) -> int:
    """Open a regular file of a sandbox for reading; links are followed inside it only."""
    resolved = _resolve(root, name)
    if resolved is None:
        raise Refused(
            "bad-output", f"“{name}” is a link that leads out of the sandbox and was not followed."
        )
    parts = parts_of(resolved)
    try:
        folder = open_folder(root, parts[:-1])
        try:
            descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise Refused(
            "bad-output", f"“{name}” can't be read: {os.strerror(problem.errno or 0)}."
        ) from problem
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("bad-output", f"“{name}” is not a regular file.")
    return descriptor


def walk_beneath(root: str, name: str, *, notes: list[str]) -> Iterator[str]:
    """Every file below a sandbox's folder, by its name in the sandbox; odd ones are noted."""
    ahead = [name]
    while ahead:
        here = ahead.pop()
        with os.scandir(f"{root}/{here}") as entries:
            for entry in entries:
                below = f"{here}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(below)
                elif kind_beneath(root, below) == "file":
                    yield below
                else:
                    notes.append(f"“{below}” is a link or a special file and was not brought back.")


def place(
    descriptor: int, target: str, *, initialdir: str, mode: int, between: Callable[[], None]
) -> None:
    """Copy an open file to an absolute target; it appears there whole or not at all."""
    folder, name = open_target(target, initialdir=initialdir)
    try:
        draft = f".{name[:180]}.{os.getpid()}.part"
        try:
            write_whole(descriptor, folder, draft, mode=mode, between=between)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as problem:
            try:
                os.unlink(draft, dir_fd=folder)
            except FileNotFoundError:
                pass
            code = "disk-full" if problem.errno in (errno.ENOSPC, errno.EDQUOT) else "bad-output"
            raise Refused(
                code, f"“{target}” can't be written: {os.strerror(problem.errno or 0)}."
            ) from problem
    finally:
        os.close(folder)


def write_whole(
    source: int, folder: int, name: str, *, mode: int, between: Callable[[], None]
) -> None:
    """Copy an open file into a folder under a name; what was there under it is replaced."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        target = os.open(name, flags, 0o600, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        target = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        copied = _in_kernel(source, target, between)
        if copied is None:
            while piece := os.read(source, 1 << 20):
                view = memoryview(piece)
                while view:
                    view = view[os.write(target, view) :]
                between()
        os.fchmod(target, mode)
    finally:
        os.close(target)


def remove_tree(parent: str, name: str) -> None:
    """Remove a folder with all below it, whatever modes its owner left; follows no link."""
    try:
        folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(folder, name)
    finally:
        os.close(folder)


def tree_size(path: str) -> int:
    """The bytes on disk of everything below a folder; follows no link."""
    total = 0
    ahead = [path]
    while ahead:
        try:
            with os.scandir(ahead.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
        except OSError:  # a running job moves things; the next look counts them
            continue
    return total


def give_to(path: str, owner: tuple[int, int]) -> None:
    """Make a user the owner of a folder and of all below it."""
    os.chown(path, *owner, follow_symlinks=False)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                give_to(entry.path, owner)
            else:
                os.chown(entry.path, *owner, follow_symlinks=False)


def _remove(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):  # EPERM is what macOS says of a directory
        pass
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        os.fchmod(folder, 0o700)
        for below in os.listdir(folder):
            _remove(folder, below)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def _resolve(root: str, name: str) -> str | None:
    """The name in the sandbox that a name leads to, or None when it leads out."""
    top = os.path.realpath(root)
    whole = os.path.realpath(f"{top}/{'/'.join(parts_of(name))}")
    return whole[len(top) + 1 :] if whole.startswith(top + "/") else None


def _in_kernel(source: int, target: int, between: Callable[[], None]) -> int | None:
    if not hasattr(os, "copy_file_range") or os.fstat(source).st_size < 65536:
        return None
    copied = 0
    try:
        while piece := os.copy_file_range(source, target, _CHUNK):
            copied += piece
            between()
    except OSError as problem:
        if copied or problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return None
    return copied or None
