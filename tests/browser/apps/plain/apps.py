"""What the app declares: two tables for one page."""

from __future__ import annotations

from django.apps import AppConfig

from oceanid.jobs import ComputeApp, CustomJobAction, JobsTable


class PlainConfig(ComputeApp, AppConfig):
    """Shows its jobs in a page that knows nothing of Oceanid."""

    name = "plain"

    def jobs_tables(self) -> dict[str, JobsTable]:
        """All jobs, and those that failed."""
        jobs = self.get_job_manager()
        note = CustomJobAction("Note it", "plain.views.note", show_overlay=True)
        details = CustomJobAction("Details", modal_url="plain:details")
        return {
            "all": jobs.jobs_table(
                column_fields=["name", ("Site", "extended_properties.site")],
                actions=["terminate", "resubmit", "|", "logs", details, "|", note, "delete"],
                refresh_interval=1000, row_count=3, enable_data_table=True, sort="-id",
            ),
            "failed": jobs.jobs_table(filters={"status": "Error"}, show_actions=False),
        }  # fmt: skip
