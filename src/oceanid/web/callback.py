"""The address that a running job calls to tell how far it is: POST only, signed, limited."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from oceanid.errors import (
    IllegalTransition,
    InvalidSpecification,
    LimitExceeded,
    NotPermitted,
    OceanidError,
)
from oceanid.jobs import callbacks

AT_ONCE = 20
A_SECOND = 5.0
_REMEMBERED = 10_000
_HTTP = {NotPermitted: 403, IllegalTransition: 409, InvalidSpecification: 400, LimitExceeded: 429}


class Meter:
    """Lets each job call some times at once and then at a steady rate; of this process only."""

    def __init__(self, *, at_once: int = AT_ONCE, a_second: float = A_SECOND) -> None:
        self._at_once = float(at_once)
        self._a_second = a_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def has_room(self, key: str) -> bool:
        """Whether one more call is within the rate; counts nothing."""
        now = time.monotonic()
        with self._lock:
            return self._present(key, now) >= 1

    def allows(self, key: str) -> bool:
        """Whether one more call is within the rate; counts it if so."""
        now = time.monotonic()
        with self._lock:
            left = self._present(key, now)
            self._left.pop(key, None)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            if len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
        return allowed

    def _present(self, key: str, now: float) -> float:
        left, at = self._left.get(key, (self._at_once, now))
        return min(self._at_once, left + (now - at) * self._a_second)


meter = Meter()


@csrf_exempt
@require_POST
def callback_view(request: HttpRequest, token: str) -> JsonResponse:
    """Take ``progress``, ``message`` and ``status`` as JSON or as form fields.

    Answers ``{"success": true}``, or the error's code, message and hint: 400 for what can't be
    used, 403 for an address that is not valid (any more), 409 for a status that is not the
    job's to say, 413 for a body past 16 KiB, 429 for too many calls.
    """
    try:
        job = callbacks.verify(token)
        if not meter.allows(str(job.uuid)):
            raise LimitExceeded(
                "The job calls too often.",
                hint="At most {a_second:g} calls a second, please.",
                a_second=A_SECOND,
            )
        payload = _payload(request)
        if payload is None:
            return _refusal(413, "too-large", "The body is too large.", "")
        callbacks.apply(job, payload)
    except OceanidError as problem:
        status = next((code for kind, code in _HTTP.items() if isinstance(problem, kind)), 400)
        response = _refusal(status, problem.slug, problem.message, problem.hint)
        if status == 429:
            response["Retry-After"] = "1"
        return response
    return JsonResponse({"success": True})


def _payload(request: HttpRequest) -> Mapping[str, Any] | None:
    """What was sent; None when it is too much to read."""
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        announced = 0
    if announced > callbacks.MOST_BYTES:
        return None
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {name: str(value) for name, value in request.POST.items()}
    body = request.read(callbacks.MOST_BYTES + 1)
    if len(body) > callbacks.MOST_BYTES:
        return None
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError) as problem:
        raise InvalidSpecification(
            "The body is not JSON.", hint='Send {"progress": 40, "message": "…"}.'
        ) from problem
    if not isinstance(sent, dict):
        raise InvalidSpecification("The body is no JSON object.")
    return sent


def _refusal(status: int, code: str, message: str, hint: str) -> JsonResponse:
    return JsonResponse(
        {"success": False, "code": code, "message": message, "hint": hint}, status=status
    )
