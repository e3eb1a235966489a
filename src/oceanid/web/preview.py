"""What a file of a job looks like, as far as it can be told without running anything of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from oceanid.web import jobfiles
from oceanid.web.tail import readable

MOST_TEXT: Final = 256 * 1024
MOST_PICTURE: Final = 32 * 1024 * 1024
MOST_ROWS: Final = 200
MOST_COLUMNS: Final = 50
MOST_CELL: Final = 300
_SEPARATORS: Final = {".csv": ",;\t|", ".tsv": "\t"}
_PICTURES: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown of a file.

    Args:
        kind: ``text``, ``table``, ``picture``, ``empty`` or ``other``.
        size: The whole file's, in bytes.
        is_cut: Whether there is more of it than is shown.
        text: Of a text.
        head, rows: Of a table.
        columns: How many columns a table has in all.
    """

    kind: str
    size: int
    is_cut: bool = False
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    columns: int = 0


def of(base: Path, path: str) -> Preview:
    """Look into a file; by what is in it, not by what it says that it is.

    Raises:
        FileNotFoundError: There is no such file.
        NotPlain: The path leads through a link, or to a directory.
    """
    raw, size = jobfiles.read(base, path, offset=0, limit=MOST_TEXT)
    if not size:
        return Preview("empty", 0)
    if picture_type(raw):
        return Preview("picture" if size <= MOST_PICTURE else "other", size)
    if not _is_text(raw):
        return Preview("other", size)
    is_cut = size > len(raw)
    separators = _SEPARATORS.get(Path(path).suffix.lower())
    table = _table(raw, size, separators) if separators else None
    return table or Preview("text", size, is_cut, text=readable(_whole(raw) if is_cut else raw))


def picture_type(raw: bytes) -> str:
    """The type of a picture that browsers show and can't run, by its first bytes; else ""."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES.items() if raw.startswith(magic)), "")


def picture_of(base: Path, path: str) -> str:
    """A file's type if it is a picture that may be shown, else "".

    Raises:
        FileNotFoundError: There is no such file.
        NotPlain: The path leads through a link, or to a directory.
    """
    raw, size = jobfiles.read(base, path, offset=0, limit=16)
    return picture_type(raw) if size <= MOST_PICTURE else ""


def _is_text(raw: bytes) -> bool:
    """UTF-8 with a strange byte or two is text; what has NULs, or many of them, is not."""
    if b"\0" in raw[:8192]:
        return False
    shown = raw[:8192].decode("utf-8", "replace")
    return shown.count("\ufffd") <= 1 + len(shown) // 20


def _whole(raw: bytes) -> bytes:
    """As far as whole lines go."""
    return raw[: raw.rfind(b"\n") + 1] or raw


def _table(raw: bytes, size: int, separators: str) -> Preview | None:
    is_cut = size > len(raw)
    text = readable(_whole(raw) if is_cut else raw).removeprefix("\ufeff")
    first = text.partition("\n")[0]
    separator = max(separators, key=first.count)
    rows: list[tuple[str, ...]] = []
    columns = 0
    try:
        for row in csv.reader(StringIO(text), delimiter=separator):
            if len(rows) > MOST_ROWS:
                is_cut = True
                break
            if row:
                columns = max(columns, len(row))
                rows.append(tuple(cell[:MOST_CELL] for cell in row[:MOST_COLUMNS]))
    except csv.Error:
        return None
    if not rows or columns < 2:
        return None
    width = min(columns, MOST_COLUMNS)
    even = [row + ("",) * (width - len(row)) for row in rows]
    return Preview("table", size, is_cut, head=even[0], rows=tuple(even[1:]), columns=columns)
