"""The addresses of the pages, to be included anywhere in a site."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import path

from oceanid.web import (
    actions,
    bulk,
    clone,
    export,
    files,
    health,
    job,
    jobs,
    live,
    node,
    notice_settings,
    notices,
    overview,
    saved,
    sharing,
    table,
)

app_name = "oceanid"
urlpatterns = [
    path("", overview.home, name="home"),
    path("live/", live.live, name="live"),
    path("live/changes/", live.changes, name="changes"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/rows/", jobs.job_rows, name="job-rows"),
    path("jobs/export/", export.export, name="job-export"),
    path("jobs/bulk/", bulk.new, name="bulk-new"),
    path("jobs/views/", saved.save, name="view-new"),
    path("jobs/views/<int:view_id>/", saved.change, name="view"),
    path("tables/", table.table, name="table"),
    path("tables/act/", table.act, name="table-act"),
    path("tables/logs/", table.logs, name="table-logs"),
    path("bulk/", bulk.recent, name="bulk-recent"),
    path("bulk/<uuid:uuid>/", bulk.bulk, name="bulk"),
    path("bulk/<uuid:uuid>/do/<slug:verb>/", bulk.act, name="bulk-act"),
    path("jobs/<int:job_id>/", job.job_page, name="job"),
    path("jobs/<int:job_id>/delete/", job.confirm_delete, name="job-delete"),
    path("jobs/<int:job_id>/clone/", clone.clone_page, name="job-clone"),
    path("jobs/<int:job_id>/do/<slug:verb>/", actions.act, name="job-action"),
    path("jobs/<int:job_id>/share/", sharing.share, name="job-share"),
    path(
        "jobs/<int:job_id>/unshare/<slug:kind>/<int:number>/",
        sharing.unshare,
        name="job-unshare",
    ),
    path("jobs/<int:job_id>/watch/", notice_settings.watch, name="job-watch"),
    path("jobs/<int:job_id>/files/", files.job_file, name="job-files"),
    path("jobs/<int:job_id>/files/<path:path>", files.job_file, name="job-file"),
    path("jobs/<int:job_id>/tasks/<int:index>/<slug:stream>/", job.task_output, name="task-output"),
    path("jobs/<int:job_id>/nodes/<int:node_id>/", node.node_page, name="node"),
    path(
        "jobs/<int:job_id>/nodes/<int:node_id>/tasks/<int:index>/<slug:stream>/",
        job.task_output,
        name="node-output",
    ),
    path("notifications/", notices.notice_list, name="notices"),
    path("notifications/bell/", notices.bell, name="notice-bell"),
    path("notifications/read/", notices.mark_read, name="notices-read"),
    path("notifications/settings/", notice_settings.settings_page, name="notice-settings"),
    path("notifications/webhooks/", notice_settings.add_webhook, name="webhooks"),
    path("notifications/webhooks/<int:pk>/", notice_settings.webhook_page, name="webhook"),
    path(
        "notifications/webhooks/<int:pk>/<slug:verb>/",
        notice_settings.webhook_action,
        name="webhook-action",
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

if find_spec("oceanid.web.callback") is not None:
    from oceanid.web.callback import callback_view

    urlpatterns.append(path("callback/<token>/", callback_view, name="callback"))
