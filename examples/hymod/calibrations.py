"""Starts a calibration: three steps, each a node of a workflow, run by the Job Manager."""

from __future__ import annotations

from django.contrib.auth.models import User

from hymod.apps import HymodConfig
from oceanid.jobs import CondorWorkflow
from oceanid.models import Scheduler

jobs = HymodConfig.get_job_manager()
MOST_SETS = 50_000


def start(
    user: User, *, sets: int, processes: int, seed: int, scheduler: Scheduler | None = None
) -> CondorWorkflow:
    """Ask for a calibration and return at once; the supervisor runs it.

    Args:
        user: Whose job it is.
        sets: How many parameter sets to try.
        processes: How many processes share them out.
        seed: The same seed draws the same sets.
        scheduler: Where it runs; None for the app's, or else the site's default.

    Raises:
        OceanidError: It can't be run, and why.
    """
    job: CondorWorkflow = jobs.create_job(
        f"HYMOD: {sets} parameter sets, seed {seed}",
        user,
        template_name="calibration",
        scheduler=scheduler or jobs.get_scheduler("primary"),
        extended_properties={"sets": sets, "processes": processes, "seed": seed},
    )
    job.add_node(
        "sample",
        attributes={
            "executable": "sample.py",
            "arguments": f"{sets} {seed}",
            "transfer_input_files": ["hymod_model.py"],
            "transfer_output_files": ["samples.csv"],
        },
    )
    job.add_node(
        "simulate",
        parents=["sample"],
        num_jobs=processes,
        attributes={
            "executable": "simulate.py",
            "arguments": f"$(Process) {processes}",
            "transfer_input_files": ["hymod_model.py", "hymod_input.csv", "samples.csv"],
            "transfer_output_files": ["scores-$(Process).csv"],
        },
    )
    scores = [f"scores-{process}.csv" for process in range(processes)]
    job.add_node(
        "rank",
        parents=["simulate"],
        attributes={
            "executable": "rank.py",
            "arguments": f"{processes}",
            "transfer_input_files": ["hymod_model.py", "hymod_input.csv", *scores],
            "transfer_output_files": ["best.json", "ranking.csv", "best_simulation.csv"],
        },
    )
    job.execute()
    return job


def refine(job: CondorWorkflow) -> str:
    """Start a calibration like this one with twice as many sets: a button of the table."""
    said = job.extended_properties
    more = start(
        job.user,
        sets=min(2 * said["sets"], MOST_SETS),
        processes=said["processes"],
        seed=said["seed"] + 1,
        scheduler=job.scheduler,
    )
    return f"Started as #{more.pk}."
