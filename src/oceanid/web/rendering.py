"""Renders our templates: a number in them is written as a browser reads it, in every language."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, loader
from django.utils.safestring import SafeString


def render(
    request: HttpRequest,
    name: str,
    context: dict[str, Any] | None = None,
    status: int | None = None,
) -> HttpResponse:
    """As Django's own, but no number gets the language's separators by itself.

    Most numbers in a page are keys, places and sizes that no person reads: ``job-row-12.406`` is
    nobody's. Those for people are written by a filter.
    """
    return HttpResponse(rendered(request, name, context), status=status)


def rendered(request: HttpRequest, name: str, context: dict[str, Any] | None = None) -> SafeString:
    """The same as a text."""
    template: Any = loader.get_template(name)
    made = RequestContext(request, use_l10n=False)
    made.push(context or {})  # what is given stands above what the site's processors say
    text: SafeString = template.template.render(made)
    return text
