"""What the app declares: one job template, and the scheduler that it would like to have."""

from __future__ import annotations

from pathlib import Path

from django.apps import AppConfig

from oceanid.jobs import (
    ComputeApp,
    CondorWorkflowTemplate,
    CustomJobAction,
    JobsTable,
    SchedulerSetting,
)

HERE = Path(__file__).parent
FILES = [
    HERE / "calibration" / "hymod_model.py",
    HERE / "calibration" / "sample.py",
    HERE / "calibration" / "simulate.py",
    HERE / "calibration" / "rank.py",
    HERE / "data" / "hymod_input.csv",
]
"""What travels to the machine that runs a calibration; it needs a ``python3`` and no more."""


class HymodConfig(ComputeApp, AppConfig):
    """Calibrates HYMOD on five years of daily observations."""

    name = "hymod"
    verbose_name = "HYMOD calibration"
    description = "Finds the parameters of a rainfall–runoff model by running it many times."

    def job_templates(self) -> list[CondorWorkflowTemplate]:
        """A calibration; `hymod.calibrations` adds its three nodes."""
        return [
            CondorWorkflowTemplate(
                name="calibration",
                parameters={
                    "remote_input_files": [str(file) for file in FILES],
                    "process_results_function": "hymod.results.keep_best",
                },
            )
        ]

    def jobs_tables(self) -> dict[str, JobsTable]:
        """The person's calibrations, with what can be done about each."""
        best = ("Efficiency", "result.nse")
        return {
            "calibrations": self.get_job_manager().jobs_table(
                column_fields=["name", best, "creation_time", "run_time"],
                actions=[
                    "monitor", "results", "logs", "|", "resubmit", "terminate", "delete", "|",
                    CustomJobAction(
                        "Calibrate further",
                        "hymod.calibrations.refine",
                        confirmation_message="Start another one with twice as many sets?",
                        show_overlay=True,
                    ),
                ],
                monitor_url="hymod:calibration",
                results_url="hymod:calibration",
                show_detailed_status=True,
                enable_data_table=True,
                sort="-creation_time",
                empty="None yet: start one above.",
            )
        }  # fmt: skip

    def scheduler_settings(self) -> list[SchedulerSetting]:
        """Where calibrations run when nobody chooses; an administrator assigns it."""
        return [SchedulerSetting(name="primary", description="Runs calibrations.")]
