"""The app's pages, and what its button does."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.utils.html import format_html

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'"
)
PAGE = """{% load oceanid_jobs %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plain</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Plain</h1>{% jobs_table "plain" "all" %}
<h2>Failed</h2>{% jobs_table "plain" "failed" %}</main></body></html>"""


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Both tables in a frame of the app's own."""
    page = HttpResponse(Template(PAGE).render(RequestContext(request)))
    page["Content-Security-Policy"] = POLICY
    return page


@login_required
def details(request: HttpRequest, job_id: int) -> HttpResponse:
    """What fills a dialog."""
    return HttpResponse(format_html("<h2>Details of {}</h2><script>alert(1)</script>", job_id))


def note(job: Any) -> str:
    """Write something to the job."""
    job.extended_properties["site"] = "noted"
    job.save()
    return f"Noted {job.name}."
