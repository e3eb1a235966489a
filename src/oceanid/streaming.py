"""Streams a text that is read piece by piece, alike under WSGI and ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

Piece = Callable[[], str]


def streamed(
    request: HttpRequest, piece: Piece, *, content_type: str, filename: str
) -> StreamingHttpResponse:
    """An attachment whose pieces are read while it is sent, one at a time.

    Args:
        request: What is answered.
        piece: Gives the next piece; "" when there is none any more.
        content_type: The answer's type.
        filename: What the file is called: plain letters, digits, dots and dashes.
    """
    pieces = _later(piece) if isinstance(request, ASGIRequest) else _now(piece)
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _now(piece: Piece) -> Iterator[bytes]:
    while text := piece():
        yield text.encode("utf-8", "replace")


async def _later(piece: Piece) -> AsyncIterator[bytes]:
    # In the request's own thread, whose connection is given back when the answer ends.
    while text := await sync_to_async(piece)():
        yield text.encode("utf-8", "replace")
