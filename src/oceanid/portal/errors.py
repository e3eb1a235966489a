"""The portal's pages for what goes wrong; none of them asks the database or tells of the code."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from oceanid.web.pages import is_fragment


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what was sent can't be understood."""
    return _told(
        request,
        400,
        _("Not understood"),
        _("What your browser sent can't be understood."),
        _("Check the address; if you followed a link, tell an administrator."),
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: somebody may not do this."""
    return _told(
        request,
        403,
        _("Not permitted"),
        _("You may not see this page."),
        _("An administrator can give you the right."),
    )


def forgery(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form came without its token; ``reason`` is for the log, not for the page."""
    return _told(
        request,
        403,
        _("This form is too old"),
        _("It was not sent from a page of this portal, or you logged in or out since."),
        _("Go back, load the page anew and send it again; cookies must be allowed."),
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such page."""
    return _told(
        request,
        404,
        _("Not found"),
        _("There is no such page, or you may not see it."),
        _("It may have been deleted, or its address may be mistyped."),
    )


def failure(request: HttpRequest) -> HttpResponse:
    """500: something broke here."""
    return _told(
        request,
        500,
        _("This page failed"),
        _("Something went wrong on our side. It has been written to the log."),
        _("Try again; if it stays, tell an administrator."),
    )


def _told(request: HttpRequest, status: int, title: str, message: str, hint: str) -> HttpResponse:
    context = {"status": status, "title": title, "message": message, "hint": hint}
    name = "oceanid/parts/error.html" if is_fragment(request) else "oceanid_portal/error.html"
    return HttpResponse(render_to_string(name, context), status=status)
