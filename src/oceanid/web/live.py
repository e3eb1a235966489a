"""Tells browsers what changed: one stream a browser, or cheap questions where none can be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from time import monotonic

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    JsonResponse,
    StreamingHttpResponse,
)
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from oceanid.services import notices, policy
from oceanid.web.hub import Audience, changes_since, hub, newest_event, without_connection
from oceanid.web.pages import page, secured
from oceanid.web.shell import can_stream

STREAM_LIFE_S = 55.0
BEAT_EVERY_S = 5.0
LOOK_AGAIN_EVERY_S = 6.0
"""How often a stream makes sure that its reader is still logged in, and may still see."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads a stream, as the session that opened it says."""

    session_key: str | None
    audience: Audience | None
    answer: HttpResponseBase | None = None


@require_safe
async def live(request: HttpRequest) -> HttpResponseBase:
    """A stream of server-sent events: ``jobs`` with the ids of jobs that changed, ``notices``
    when the reader was told something, ``beat``, ``resync`` when too much was missed, ``gone``
    when the reader may not listen any more.

    It lives for a minute at most; the browser comes back with ``Last-Event-ID``.
    """
    reader = await sync_to_async(without_connection)(_open, request)
    if reader.answer is not None or reader.audience is None:
        return secured(reader.answer or HttpResponse(status=401))
    given = request.headers.get("Last-Event-ID") or request.GET.get("since", "")
    last_id = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None
    response = StreamingHttpResponse(
        _events(reader.session_key, reader.audience, last_id), content_type="text/event-stream"
    )
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store"
    return secured(response)


@require_safe
@page
def changes(request: HttpRequest) -> HttpResponseBase:
    """The same for those who ask: the jobs that changed since an event, with an ETag."""
    newest = newest_event()
    unread = notices.unread(request.user)
    tag = f'"{newest}-{unread}-{request.user.pk}"'
    given = request.GET.get("since", "")
    since = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else newest
    if request.headers.get("If-None-Match") == tag and since >= newest:
        response: HttpResponseBase = HttpResponseNotModified()
    else:
        # Events may be committed out of order: look a little further back than asked.
        found = changes_since(max(0, since - 50), request.user, most=2000) if since < newest else []
        response = JsonResponse(
            {
                "last": newest,
                "jobs": sorted({change.job_id for change in found}),
                "resync": newest - since > 1900,
                "notices": unread,
            }
        )
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response


def audience_of(user: policy.Person) -> Audience:
    """Whose events a person may hear of."""
    everyone = policy.sees_all(user)
    groups = getattr(user, "groups", None)
    ids = () if everyone or groups is None else groups.values_list("pk", flat=True)
    return Audience(user.pk, frozenset(ids), everyone)


def _open(request: HttpRequest) -> _Reader:
    if not request.user.is_authenticated:
        return _Reader(None, None, HttpResponse(_("Log in first."), status=401))
    if not can_stream(request):
        text = _("Streams can't be held open here: ask for changes instead.")
        return _Reader(None, None, HttpResponse(text, status=501, content_type="text/plain"))
    return _Reader(request.session.session_key, audience_of(request.user))


def _still(session_key: str | None) -> Audience | None:
    """What the session's person may hear of now; None when it is nobody's any more."""
    request = HttpRequest()
    engine = import_module(settings.SESSION_ENGINE)
    request.session = engine.SessionStore(session_key)
    user = get_user(request)
    return audience_of(user) if user.is_authenticated and user.is_active else None


async def _events(
    session_key: str | None, audience: Audience, last_id: int | None
) -> AsyncIterator[bytes]:
    centre = hub()
    listener = await centre.join(audience, last_id)
    end = monotonic() + STREAM_LIFE_S
    beat = 0.0
    look = monotonic() + LOOK_AGAIN_EVERY_S
    try:
        yield b"retry: 1500\n\n"
        if listener.is_behind:
            yield _event("resync", "{}", listener.last_id)
        while (now := monotonic()) < end:
            if now >= look:
                look = now + LOOK_AGAIN_EVERY_S
                present = await asyncio.to_thread(without_connection, _still, session_key)
                if present is None:
                    yield _event("gone", "{}", listener.last_id)
                    return
                listener.audience = present
            if listener.bell.is_set():
                jobs, reached = listener.take()
                if listener.has_notices:
                    listener.has_notices = False
                    yield _event("notices", "{}", reached)
                if jobs:
                    yield _event("jobs", json.dumps(jobs), reached)
                    beat = now + BEAT_EVERY_S
            elif now >= beat:
                yield _event("beat", "{}", listener.last_id)
                beat = now + BEAT_EVERY_S
            try:
                wait = max(0.01, min(beat, look, end) - monotonic())
                await asyncio.wait_for(listener.bell.wait(), wait)
            except TimeoutError:
                continue
    finally:
        centre.leave(listener)


def _event(kind: str, data: str, last_id: int) -> bytes:
    return f"event: {kind}\nid: {last_id}\ndata: {data}\n\n".encode()
