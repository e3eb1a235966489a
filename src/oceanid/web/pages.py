"""What every page has: a person who logged in, a strict policy, and a designed way to fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from oceanid.errors import NotFound, NotPermitted, OceanidError
from oceanid.services import audit
from oceanid.web.rendering import render

logger = logging.getLogger("oceanid.web")

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
CSP_OF_STRANGERS = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""For what came out of a job: nothing in it runs, loads or is framed."""

MOST_ADDRESS = 4000
"""Longer addresses are not gone back to after the login: a redirect could not carry them."""

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def page(view: View) -> View:
    """Make a view a page of ours.

    Whoever has not logged in goes to the login page (a fragment or a stream gets 401 instead).
    The answer carries our Content-Security-Policy and is not kept by caches. What goes wrong is
    shown by a page of ours, never by a stack trace.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return secured(_login(request))
        try:
            with audit.coming_from("page"):
                response = view(request, *args, **kwargs)
        except (Http404, NotFound) as problem:
            response = failed(request, 404, problem)
        except (PermissionDenied, NotPermitted) as problem:
            response = failed(request, 403, problem)
        except OceanidError as problem:
            response = failed(request, 409, problem)
        except Exception as problem:
            if settings.DEBUG and settings.DEBUG_PROPAGATE_EXCEPTIONS:
                raise
            logger.exception("A page failed", extra={"action": "page-failed"})
            response = failed(request, 500, problem)
        return secured(response)

    return guarded  # type: ignore[return-value]


def secured(response: HttpResponseBase) -> HttpResponseBase:
    """Give an answer the headers of our pages, unless it has stricter ones of its own."""
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cache-Control", "private, no-store")
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response


def failed(request: HttpRequest, status: int, problem: Exception) -> HttpResponse:
    """The page, or the fragment, that tells what went wrong and what to do about it."""
    title, message, hint = _told(status, problem)
    context = {"status": status, "title": title, "message": message, "hint": hint}
    template = "oceanid/parts/error.html" if is_fragment(request) else "oceanid/error.html"
    return render(request, template, context, status=status)


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page; read from the header, so no middleware is needed."""
    return request.headers.get("HX-Request") == "true" and (
        request.headers.get("HX-History-Restore-Request") != "true"
    )


def _login(request: HttpRequest) -> HttpResponse:
    login = resolve_url(settings.LOGIN_URL)
    if is_fragment(request):
        response = HttpResponse(status=401)
        response["HX-Refresh"] = "true"
        return response
    if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get(
        "Accept", "text/html"
    ).replace("*/*", "text/html"):
        return HttpResponse(_("Log in first."), status=401, content_type="text/plain")
    wanted = request.get_full_path()
    return redirect_to_login(wanted, login) if len(wanted) <= MOST_ADDRESS else redirect(login)


def _told(status: int, problem: Exception) -> tuple[str, str, str]:
    if isinstance(problem, OceanidError):
        title = {403: _("Not yours to do"), 404: _("Not found")}.get(
            status, _("That can't be done")
        )
        return title, problem.message, problem.hint
    if status == 404:
        hint = _("It may have been deleted, or its address may be mistyped.")
        return _("Not found"), _("There is no such page, or you may not see it."), hint
    if status == 403:
        message = str(problem) or _("You may not see this page.")
        return _("Not permitted"), message, _("An administrator can give you the right.")
    message = _("Something went wrong on our side. It has been written to the log.")
    return _("This page failed"), message, _("Try again; if it stays, tell an administrator.")
