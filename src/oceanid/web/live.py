"""Tells browsers what changed: one stream a browser, or cheap questions where none can be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from random import uniform
from time import monotonic

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
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

from oceanid.services import hearing, notices
from oceanid.web.attendance import Audience, audience_of
from oceanid.web.happened import changes_since, without_connection
from oceanid.web.hub import CHECK_EVERY_S, LATE_EVENTS, Told, hub
from oceanid.web.pages import page, secured
from oceanid.web.shell import can_stream

STREAM_LIFE_S = 300.0
BEAT_EVERY_S = 5.0


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

    It lives for five minutes at most; the browser comes back with ``Last-Event-ID``.
    """
    known = await hub().sure(request.session.session_key) if can_stream(request) else None
    if known is not None:
        reader = _Reader(request.session.session_key, known)
    else:
        reader = await sync_to_async(without_connection)(_open, request)
    if reader.answer is not None or reader.audience is None:
        return secured(reader.answer or HttpResponse(status=401))
    last_id = _number(request.headers.get("Last-Event-ID") or request.GET.get("since", ""))
    response = StreamingHttpResponse(
        _events(reader.session_key, reader.audience, last_id), content_type="text/event-stream"
    )
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store"
    return secured(response)


@require_safe
async def changes(request: HttpRequest) -> HttpResponseBase:
    """The same for those who ask: the jobs that changed since an event, with an ETag.

    Where the hub lives they are answered from what it knows; else from the database.
    """
    if not isinstance(request, ASGIRequest):
        return await sync_to_async(_changes)(request)
    key = request.session.session_key
    centre = hub()
    audience = await centre.sure(key)
    if audience is None and key:
        audience = await sync_to_async(without_connection)(_audience, request)
    if audience is None or not key:
        return await sync_to_async(without_connection)(_changes, request)
    since = _number(request.GET.get("since", ""))
    told = await centre.ask(audience, since, session_key=key)
    tag = f'"{told.last}-{told.notices}-{audience.user_id}"'
    if request.headers.get("If-None-Match") == tag and (since is None or since >= told.last):
        return secured(_tagged(HttpResponseNotModified(), tag))
    return secured(_tagged(JsonResponse(asdict(told)), tag))


@page
def _changes(request: HttpRequest) -> HttpResponseBase:
    """What changed, from the database."""
    newest = hearing.newest()
    unread = notices.unread(request.user)
    tag = f'"{newest}-{unread}-{request.user.pk}"'
    said = _number(request.GET.get("since", ""))
    since = newest if said is None else said
    if request.headers.get("If-None-Match") == tag and since >= newest:
        return _tagged(HttpResponseNotModified(), tag)
    found = []
    if since < newest:
        found = changes_since(max(0, since - LATE_EVENTS), request.user, most=2000)
    jobs = sorted({change.job_id for change in found})
    told = Told(newest, jobs, newest - since > 1900, unread)
    return _tagged(JsonResponse(asdict(told)), tag)


def _tagged(response: HttpResponse, tag: str) -> HttpResponse:
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response


def _number(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None


def _audience(request: HttpRequest) -> Audience | None:
    return audience_of(request.user) if request.user.is_authenticated else None


def _open(request: HttpRequest) -> _Reader:
    if not request.user.is_authenticated:
        return _Reader(None, None, HttpResponse(_("Log in first."), status=401))
    if not can_stream(request):
        text = _("Streams can't be held open here: ask for changes instead.")
        return _Reader(None, None, HttpResponse(text, status=501, content_type="text/plain"))
    return _Reader(request.session.session_key, audience_of(request.user))


async def _events(
    session_key: str | None, audience: Audience, last_id: int | None
) -> AsyncIterator[bytes]:
    centre = hub()
    listener = await centre.join(audience, last_id, session_key=session_key)
    # Not all at once come back that came at once; who has no session can't be looked up.
    life = STREAM_LIFE_S if session_key else CHECK_EVERY_S
    end = monotonic() + life * uniform(0.8, 1.0)  # noqa: S311 - no secret
    beat = 0.0
    try:
        yield b"retry: 1500\n\n"
        if listener.is_behind:
            yield _event("resync", "{}", listener.last_id)
        while (now := monotonic()) < end:
            if listener.is_gone:
                yield _event("gone", "{}", listener.last_id)
                return
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
                wait = max(0.01, min(beat, end) - monotonic())
                await asyncio.wait_for(listener.bell.wait(), wait)
            except TimeoutError:
                continue
    finally:
        centre.leave(listener)


def _event(kind: str, data: str, last_id: int) -> bytes:
    return f"event: {kind}\nid: {last_id}\ndata: {data}\n\n".encode()
