"""Tables as CSV that are sent while they are read."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def harmless(value: Any) -> str:
    """A cell that no spreadsheet runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(DANGEROUS) else text


def csv_response(
    request: HttpRequest,
    *,
    name: str,
    header: Sequence[str],
    chunks: Iterable[Sequence[Sequence[Any]]],
) -> StreamingHttpResponse:
    """An answer that is never whole in memory.

    Args:
        request: The request.
        name: The file's name, in ASCII.
        header: The names of the columns.
        chunks: The rows, some at a time; each chunk is one visit to the database.
    """
    pieces = _pieces(header, chunks)
    body = _later(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


class _Line:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _pieces(header: Sequence[str], chunks: Iterable[Sequence[Sequence[Any]]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(header)
    for rows in chunks:
        yield "".join(writer.writerow([harmless(cell) for cell in row]) for row in rows)


async def _later(pieces: Iterator[str]) -> AsyncIterator[str]:
    read = sync_to_async(lambda: next(pieces, None))
    while (piece := await read()) is not None:
        yield piece
