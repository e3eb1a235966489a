"""The template tag for what stands around every page."""

from __future__ import annotations

from django import template

from oceanid.web.shell import Shell

register = template.Library()


@register.simple_tag(takes_context=True)
def oceanid_shell(context: template.RequestContext) -> Shell:
    """The frame of the page that is being shown."""
    request = getattr(context, "request", None) or context.get("request")
    return Shell(request)
