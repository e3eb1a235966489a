"""The files of one job: a directory as a page or a zip, a file as a preview or a download."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from oceanid.models import Job
from oceanid.services import paths
from oceanid.web import jobfiles, preview
from oceanid.web.bundle import Bundle
from oceanid.web.job import found
from oceanid.web.pages import is_fragment, page
from oceanid.web.rendering import render


@require_safe
@page
def job_file(request: HttpRequest, job_id: int, path: str = "") -> HttpResponseBase:
    """A directory of the job as a page, or with ``zip`` whole; a file of it as a download, or with
    ``view`` as a page that shows it, and with ``picture`` as the picture on that page."""
    job = found(request, job_id)
    base = paths.job_dir(job)
    try:
        folder = jobfiles.listed(base, path)
    except jobfiles.NotPlain:
        return _file(request, job, path)
    if folder.is_missing and (path or "zip" in request.GET):
        raise Http404
    if "zip" in request.GET:
        name = folder.path.rpartition("/")[2] or f"job-{job.pk}"
        response = jobfiles.streamed(request, Bundle(base, path), f"{name}.zip")
        response["Content-Type"] = "application/zip"
        return response
    context = {"job": job, "files": folder}
    if is_fragment(request):
        return render(request, "oceanid/parts/files.html", context)
    return render(request, "oceanid/files.html", context)


def _file(request: HttpRequest, job: Job, path: str) -> HttpResponseBase:
    base = paths.job_dir(job)
    try:
        if "picture" in request.GET:
            kind = preview.picture_of(base, path)
            if not kind:
                raise Http404
            return jobfiles.download(request, base, path, shown_as=kind)
        if "view" in request.GET:
            return _viewed(request, job, path)
    except (FileNotFoundError, jobfiles.NotPlain) as problem:
        raise Http404 from problem
    return jobfiles.download(request, base, path)


def _viewed(request: HttpRequest, job: Job, path: str) -> HttpResponse:
    parts = jobfiles.parts_of(path)
    context = {
        "job": job,
        "path": "/".join(parts),
        "name": parts[-1],
        "folder": jobfiles.Folder("/".join(parts[:-1]), ()),
        "preview": preview.of(paths.job_dir(job), path),
        "most_columns": preview.MOST_COLUMNS,
        "most_rows": preview.MOST_ROWS,
    }
    return render(request, "oceanid/file.html", context)
