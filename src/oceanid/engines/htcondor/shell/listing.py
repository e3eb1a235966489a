"""Looks at files through a shell: kinds, sizes and hashes of many in one command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from oceanid.engines.htcondor.shell.sh import Script, lines, sh
from oceanid.errors import EngineError

if TYPE_CHECKING:
    from oceanid.engines.htcondor.shell.base import Shell

_AT_ONCE: Final = 200
_MOST_LISTING: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing below a directory.

    Args:
        path: Relative to the directory; bytes that are not UTF-8 stand as surrogate escapes.
        kind: ``file``, ``directory``, ``link`` or ``other``.
        size: A file's size in bytes.
        sha256: A file's hash in hex; "" when it could not be read.
    """

    path: str
    kind: str
    size: int = 0
    sha256: str = ""


# Names may hold anything, so they travel between NULs; sizes and hashes follow in the same order.
FUNCTIONS: Final = sh("""\
sums() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}
sizes() { stat -c %s -- "$@" 2>/dev/null || stat -f %z -- "$@"; }
tell() {
  printf '%s\\0' "$@"; printf '\\0'
  sizes "$@"; printf '\\0'
  if hashes=$(sums -- "$@" 2>/dev/null); then printf '%s\\n' "$hashes"; else
    for file; do sums <"$file" 2>/dev/null || echo '?'; done
  fi
  printf '\\0'
}
""")

_ENTRIES: Final = """\
cd -- @root@ 2>/dev/null || exit 0
find . -type f -exec /bin/sh -c @tell@ sh '{}' +
printf '\\0'
find . ! -type f ! -type d ! -type l -exec printf '%s\\0' '{}' +
printf '\\0'
find . -type l -exec printf '%s\\0' '{}' +
printf '\\0'
find . -type d -exec printf '%s\\0' '{}' +
printf '\\0'
"""


async def entries(shell: Shell, root: str) -> tuple[Entry, ...]:
    """Everything below a directory; links are told, not followed."""
    told = await shell.run(
        sh(_ENTRIES, root=root, tell=f'{FUNCTIONS.text}tell "$@"'),
        timeout_s=None,
        max_output=_MOST_LISTING,
        is_long=True,
    )
    reader = _Reader(told.checked(f"Looking into {root}"))
    if reader.is_over:
        return ()
    found = list(_files(reader))
    for kind in ("other", "link", "directory"):
        found += [Entry(_plain(name), kind) for name in reader.names()]
    return tuple(sorted((each for each in found if each.path != "."), key=lambda each: each.path))


async def plain_files(shell: Shell, root: str, names: Sequence[str]) -> dict[str, Entry]:
    """Those of the names below ``root`` that are plain files (and not links)."""
    parts = [FUNCTIONS, sh("cd -- @root@ 2>/dev/null || exit 0", root=root)]
    for start in range(0, len(names), _AT_ONCE):
        parts.append(Script("set --"))
        parts += [
            sh(
                'if [ -f @name@ ] && [ ! -L @name@ ]; then set -- "$@" @name@; fi',
                name=f"./{name}",
            )
            for name in names[start : start + _AT_ONCE]
        ]
        parts.append(Script('[ "$#" = 0 ] || tell "$@"'))
    parts.append(Script("printf '\\0'"))
    told = await shell.run(
        sh("exec /bin/sh"),
        stdin=lines(parts).encode() + b"\n",
        timeout_s=None,
        max_output=_MOST_LISTING,
        is_long=True,
    )
    reader = _Reader(told.checked(f"Looking into {root}"))
    return {} if reader.is_over else {each.path: each for each in _files(reader)}


def checked_name(name: str) -> str:
    """A name below a directory.

    Raises:
        EngineError: It leads out of the directory, is empty, or has a newline.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\n" in name or "\0" in name:
        raise EngineError(
            "“{name}” is not a name below a directory.",
            hint="A relative path without “..” and without line breaks is needed.",
            code="bad-name",
            name=name,
        )
    return str(PurePosixPath(name))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._fields = data.split(b"\0")
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._fields) - 1

    def field(self) -> bytes:
        if self.is_over:
            raise EngineError("A look at files ended too early.", code="bad-answer")
        self._at += 1
        return self._fields[self._at - 1]

    def names(self) -> list[str]:
        found = []
        while name := self.field():
            found.append(name.decode("utf-8", "surrogateescape"))
        return found


def _files(reader: _Reader) -> Iterator[Entry]:
    while names := reader.names():
        sizes = reader.field().split()
        hashes = reader.field().splitlines()
        if not len(names) == len(sizes) == len(hashes):
            raise EngineError(
                "Files changed while they were looked at.", code="files-changed", transient=True
            )
        for name, size, told in zip(names, sizes, hashes, strict=True):
            # A name with a backslash is told with one before the hash (GNU coreutils, cksum).
            digest = told.lstrip(b"\\")[:64].decode("ascii", "replace")
            yield Entry(_plain(name), "file", int(size), "" if digest.startswith("?") else digest)


def _plain(name: str) -> str:
    return name.removeprefix("./")
