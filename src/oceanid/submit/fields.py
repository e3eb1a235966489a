"""Expanded submit values as fields of a task: paths, transfers, remaps, resources."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Final

from oceanid.errors import InvalidSpecification
from oceanid.specs import Resources, Transfer
from oceanid.submit import values

MAX_WORD_BYTES: Final = 131_071
"""What Linux takes as one argument or variable (execve(2): MAX_ARG_STRLEN)."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REMAP = re.compile(r"((?:\\.|[^\\;=])*)=((?:\\.|[^\\;])*)(?:;|$)")
_UNIVERSES = frozenset(
    {"vanilla", "container", "docker", "local", "scheduler", "parallel", "grid", "java", "vm"}
)
REQUESTS: Final = ("request_cpus", "request_memory", "request_disk", "request_gpus")


def is_url(name: str) -> bool:
    """Whether a file's name is a URL, which a scheduler's plugins fetch."""
    return _URL.match(name) is not None


def names_of(text: str) -> list[str]:
    """Split a comma-separated list of files."""
    return [name for name in (part.strip() for part in text.strip('"').split(",")) if name]


def within(base: str, name: str, what: str) -> str:
    """An absolute path: ``name`` itself, or below ``base``.

    Raises:
        InvalidSpecification: A relative name climbs out of ``base``.
    """
    if name.startswith("/"):
        return posixpath.normpath("/" + name.lstrip("/"))
    return f"{base}/{inside(name, what)}"


def inside(name: str, what: str) -> str:
    """A relative name, normalised, that stays below the folder it is relative to.

    Raises:
        InvalidSpecification: It is absolute or has ``..`` in it.
    """
    if name.startswith("/") or ".." in name.split("/"):
        raise InvalidSpecification(
            "{what}: “{name}” is outside of the job's directory.",
            hint="Names are relative to the job's directory, without “..”.",
            what=what,
            name=name[:200],
        )
    return posixpath.normpath(name)


def executable(directory: str, text: str, *, may_lack: bool) -> str:
    """The path of a program; "" when there is none, and there may be none.

    Raises:
        InvalidSpecification: There is none, or it is a directory.
    """
    name = text.strip().strip('"')
    if not name and may_lack:
        return ""
    if not name or name.endswith("/"):
        raise InvalidSpecification(
            "The job has no executable." if not name else "“{name}” is a directory.",
            hint="Set “executable” to a program.",
            name=name,
        )
    return within(directory, name, "executable")


def refuse_getenv(text: str) -> None:
    """Refuse that a job inherits the environment of whoever submits it.

    Raises:
        InvalidSpecification: It is asked for.
    """
    if text.lower() not in ("", "false", "no", "0", "f", "n"):
        raise InvalidSpecification(
            "getenv is not available: a job inherits nothing of the portal's environment.",
            hint="Name the variables that it needs in “environment”.",
        )


def refuse_unknown_universe(text: str) -> None:
    """Refuse a universe that HTCondor does not have.

    Raises:
        InvalidSpecification: It is none of those.
    """
    if text.strip().lower() not in _UNIVERSES:
        raise InvalidSpecification(
            "The universe “{constant}” is not known.",
            hint="Choose one of {universes}.",
            constant=text,
            universes=", ".join(sorted(_UNIVERSES)),
        )


def transfers(mode: str) -> bool:
    """Whether files travel, by the value of ``should_transfer_files``; they do by default.

    Raises:
        InvalidSpecification: The value is none of those that HTCondor knows.
    """
    mode = mode.upper() or "YES"
    if mode not in ("YES", "NO", "IF_NEEDED"):
        raise InvalidSpecification(
            "should_transfer_files must be YES, NO or IF_NEEDED, not “{mode}”.", mode=mode[:40]
        )
    return mode != "NO"


def stream(base: str, name: str, what: str) -> str:
    """The path of stdin, stdout or stderr; "" for the null device."""
    name = _unquoted(name)
    return "" if name in ("", "/dev/null") else within(base, name, what)


def input_transfer(base: str, name: str, *, keep_folders: bool) -> Transfer:
    """One entry of ``transfer_input_files``.

    A trailing slash means the folder's contents; folders of a relative name are kept in the
    sandbox with ``preserve_relative_paths`` (manual, condor_submit).
    """
    if is_url(name):
        return Transfer(name, posixpath.basename(name.rstrip("/")) or "download")
    source = within(base, name, "transfer_input_files")
    if name.endswith("/"):
        relative = keep_folders and not name.startswith("/")
        return Transfer(source, posixpath.normpath(name) if relative else ".", True)
    if keep_folders and not name.startswith("/"):
        return Transfer(source, posixpath.normpath(name))
    return Transfer(source, posixpath.basename(source))


def output_transfer(base: str, name: str, *, keep_folders: bool) -> Transfer:
    """One entry of ``transfer_output_files``; it comes back beside the inputs."""
    source = inside(name, "transfer_output_files")
    if name.endswith("/"):
        return Transfer(source, f"{base}/{source}" if keep_folders else base, True)
    return Transfer(source, f"{base}/{source if keep_folders else posixpath.basename(source)}")


def parse_remaps(text: str) -> list[tuple[str, str]]:
    """Split ``transfer_output_remaps``: ``name = new ; name = new``, ``\\`` escapes ; and =."""
    text = _unquoted(text.strip()).strip()
    remaps: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        if not text[position:].strip(" ;"):
            break
        match = _REMAP.match(text, position)
        if match is None:
            raise InvalidSpecification(
                "transfer_output_remaps can't be read: {text}",
                hint='Write it as "name = new name; other = folder/other".',
                text=text[:80],
            )
        name, new = (re.sub(r"\\(.)", r"\1", part.strip()) for part in match.groups())
        remaps.append((name, new))
        position = match.end()
    return remaps


def remap(base: str, name: str, new: str) -> tuple[str, str]:
    """One remap as sandbox name and absolute target (or URL)."""
    name = inside(name, "transfer_output_remaps")
    if is_url(new):
        return name, new
    target = within(base, new, "transfer_output_remaps")
    return name, target + "/" if new.endswith("/") else target


def resources(texts: Mapping[str, str]) -> Resources:
    """What a task asks for; a request that is an expression counts as not made."""

    def given(name: str) -> str | None:
        text = texts.get(name, "").strip()
        return None if not text or values.is_expression(text) else text

    cpus, memory, disk, gpus = (given(name) for name in REQUESTS)
    seconds = texts.get("allowed_execute_duration", "").strip()
    return Resources(
        cpus=values.whole("request_cpus", cpus, least=1, most=1_000_000) if cpus else 1,
        memory_mib=values.size_mib("request_memory", memory, bare_unit="m") if memory else None,
        disk_mib=values.size_mib("request_disk", disk, bare_unit="k") if disk else None,
        gpus=values.whole("request_gpus", gpus, least=0, most=100_000) if gpus else 0,
        wall_time_s=values.whole("allowed_execute_duration", seconds, least=1, most=10**9)
        if seconds
        else None,
    )


def most(asked: Iterable[Resources]) -> Resources:
    """The least resources that are enough for each of these."""

    def greatest(numbers: Iterable[int | None]) -> int | None:
        return max((number for number in numbers if number is not None), default=None)

    every = tuple(set(asked))
    unlimited = any(each.wall_time_s is None for each in every)
    return Resources(
        cpus=max((each.cpus for each in every), default=1),
        memory_mib=greatest(each.memory_mib for each in every),
        disk_mib=greatest(each.disk_mib for each in every),
        gpus=max((each.gpus for each in every), default=0),
        wall_time_s=None if unlimited else greatest(each.wall_time_s for each in every),
    )


def checked_words(words: tuple[str, ...], what: str) -> tuple[str, ...]:
    """Arguments or variables that a process can be given.

    Raises:
        InvalidSpecification: One is longer than Linux takes.
    """
    for word in words:
        if len(word) * 4 > MAX_WORD_BYTES and len(word.encode()) > MAX_WORD_BYTES:
            raise InvalidSpecification(
                "{what}: a value is longer than {max_word_bytes} bytes: {word}…",
                hint="Pass a file instead.",
                what=what,
                max_word_bytes=MAX_WORD_BYTES,
                word=word[:40],
            )
    return words


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text
