"""The jobs of an address as a file, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from oceanid.services.asked import Asked
from oceanid.services.export import TYPES, Export
from oceanid.web.pages import page


@require_safe
@page
def export(request: HttpRequest) -> HttpResponseBase:
    """Every job that matches, in the format that is asked for."""
    return exported(request, Asked.read(request.GET.dict()))


def exported(request: HttpRequest, asked: Asked) -> StreamingHttpResponse:
    """The answer that streams all jobs that a person may see and that match.

    Raises:
        Http404: There is no such format.
        PermissionDenied: Everyone's jobs are not this person's to see.
    """
    kind = request.GET.get("format", "csv")
    if kind not in TYPES:
        raise Http404
    source = Export(asked, request.user, kind)
    pieces = _later(source) if isinstance(request, ASGIRequest) else _now(source)
    response = StreamingHttpResponse(pieces, content_type=TYPES[kind])
    day = timezone.localtime().strftime("%Y-%m-%d")
    response["Content-Disposition"] = f'attachment; filename="jobs-{day}.{kind}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _now(source: Export) -> Iterator[bytes]:
    while text := source.piece():
        yield text.encode("utf-8", "replace")


async def _later(source: Export) -> AsyncIterator[bytes]:
    # In the request's own thread, whose connection is given back when the answer ends.
    while text := await sync_to_async(source.piece)():
        yield text.encode("utf-8", "replace")
