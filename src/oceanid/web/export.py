"""The jobs of an address as a file, streamed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from oceanid.services.asked import Asked
from oceanid.services.export import TYPES, Export
from oceanid.streaming import streamed
from oceanid.web.pages import page


@require_safe
@page
def export(request: HttpRequest) -> HttpResponseBase:
    """Every job that matches, in the format that is asked for."""
    kind = request.GET.get("format", "csv")
    if kind not in TYPES:
        raise Http404
    source = Export(Asked.read(request.GET.dict()), request.user, kind)
    filename = f"jobs-{timezone.localtime():%Y-%m-%d}.{kind}"
    return streamed(request, source.piece, content_type=TYPES[kind], filename=filename)
