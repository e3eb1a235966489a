"""Finds in the project's files what must not be there: registries' addresses, secrets, long files.

Pins live without download addresses, so that the project installs from whatever index a machine
is set up with.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST = 420
# Written in pieces, so that this file passes its own check.
HOSTS = (
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "deb.deb" + "ian.org",
)
FORBIDDEN = (
    (re.compile("|".join(map(re.escape, HOSTS))), "names a package registry's host"),
    (
        re.compile(r"^\s*--(extra-)?index-url|^\s*--find-links|^\s*--trusted-host", re.M),
        "pins an index",
    ),
    (re.compile("BEGIN [A-Z ]*PRIVATE" + " KEY"), "holds a private key"),
)


def main() -> int:
    """Print every finding; 1 when there is any."""
    found = [finding for file in tracked() for finding in look(file)]
    print("\n".join(found) or "Nothing is in the tree that should not be there.")
    return int(bool(found))


def tracked() -> list[Path]:
    """The files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    files = [Path(name) for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and not file.is_symlink()]


def look(file: Path) -> Iterator[str]:
    """What is wrong with one file."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for pattern, what in FORBIDDEN:
        hit = pattern.search(text)
        if hit:
            yield f"{file}:{text.count(chr(10), 0, hit.start()) + 1} {what}"
    if file.suffix == ".py" and "src" in file.parts and "migrations" not in file.parts:
        lines = text.count("\n")
        if lines > LONGEST:
            yield f"{file} has {lines} lines; above {LONGEST} it wants to be two rooms"


if __name__ == "__main__":
    sys.exit(main())
