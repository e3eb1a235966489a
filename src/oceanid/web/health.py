"""Whether the process and the house are well: for load balancers, and for Prometheus."""

from __future__ import annotations

import hmac
import threading
import time

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from oceanid import vitals
from oceanid.conf import current
from oceanid.web.metrics import exposition

CACHED_S = 5.0
_lock = threading.Lock()
_kept: tuple[float, str] = (-CACHED_S, "")


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process is up, that its database answers, and how old the heartbeat is."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "unwell", "database": "no answer"}, status=503)
    return JsonResponse({"status": "ok", "heartbeat_age_s": _heartbeat_age_s()})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether jobs can be taken and run: tables up to date, a supervisor alive."""
    try:
        lacking = len(vitals.missing_migrations())
        supervised = not lacking and vitals.is_supervised()
        heartbeat_age_s = None if lacking else _heartbeat_age_s()
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "no answer"}, status=503)
    ready = not lacking and supervised
    told = {
        "status": "ready" if ready else "unready",
        "missing_migrations": lacking,
        "supervisor": "beats" if supervised else "silent",
        "heartbeat_age_s": heartbeat_age_s,
    }
    return JsonResponse(told, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Give the figures in Prometheus's text format.

    For staff, and for who brings ``Authorization: Bearer`` with OCEANID's ``METRICS_TOKEN``;
    nobody else, this machine included, for a proxy makes everyone look local. At most one
    set of queries runs in five seconds.
    """
    if not _may_read(request):
        return HttpResponse("Not permitted.\n", status=403, content_type="text/plain")
    return HttpResponse(_figures(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _heartbeat_age_s() -> float | None:
    """Seconds since a supervisor's last sign of life; None before the first, or without tables."""
    try:
        age_s = vitals.beat_age_s()
    except DatabaseError:
        return None
    return None if age_s is None else round(age_s, 1)


def _may_read(request: HttpRequest) -> bool:
    token = current().metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode()):
        return True
    user = getattr(request, "user", None)
    return bool(user and user.is_active and user.is_staff)


def _figures() -> str:
    global _kept
    with _lock:
        if time.monotonic() - _kept[0] >= CACHED_S:
            text = exposition()
            _kept = (time.monotonic(), text)
        return _kept[1]
