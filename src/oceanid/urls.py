"""The addresses of the pages, to be included anywhere in a site."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import path

from oceanid.web import jobs, live

app_name = "oceanid"
urlpatterns = [
    path("", jobs.home, name="home"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/rows/", jobs.job_rows, name="job-rows"),
    path("jobs/<int:job_id>/", jobs.job_rows, name="job"),
    path("live/", live.live, name="live"),
    path("live/changes/", live.changes, name="changes"),
]

if find_spec("oceanid.web.callback") is not None:
    from oceanid.web.callback import callback_view

    urlpatterns.append(path("callback/<token>/", callback_view, name="callback"))
