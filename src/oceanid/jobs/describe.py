"""From a job's or a node's attributes to what is submitted: macros of the portal included."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from oceanid.jobs.stored import from_store
from oceanid.models import Job, WorkflowNode
from oceanid.services import paths
from oceanid.submit import SubmitDescription

PLAIN_STREAMS = {"output": "logs/stdout.$(Process)", "error": "logs/stderr.$(Process)"}


def of_job(job: Job, attributes: Mapping[str, Any], directory: str) -> SubmitDescription:
    """What a job runs.

    Args:
        job: The job.
        attributes: Its submit commands, as stored.
        directory: Its own directory, absolute.

    Raises:
        InvalidSpecification: Or a subclass: it can't be run, by name.
    """
    given = _within(from_store(attributes), job.remote_input_files)
    if job.priority and not any(name.lower() == "priority" for name in given):
        given["priority"] = job.priority
    return SubmitDescription.from_attributes(
        given,
        num_jobs=_for_each_item(job.spec, job.num_jobs),
        directory=directory,
        remote_input_files=job.remote_input_files,
        macros=_macros(job),
    )


def of_node(workflow: Job, node: WorkflowNode, directory: str) -> SubmitDescription:
    """What a node runs; ``$(JOB)`` is its name, and its variables are macros.

    Raises:
        InvalidSpecification: Or a subclass: it can't be run, by name.
    """
    files = [*workflow.remote_input_files, *node.remote_input_files]
    given = _within(from_store(node.attributes), files)
    written = {name.lower(): value for name, value in given.items()}
    for command, stream in (("output", "stdout"), ("error", "stderr")):
        # Nodes share the workflow's directory; each writes to files of its own.
        if written.get(command) in (None, PLAIN_STREAMS[command]):
            given = {name: value for name, value in given.items() if name.lower() != command}
            given[command] = f"logs/{_file_name(node)}.{stream}.$(Process)"
    variables = {str(name): str(value) for name, value in (node.variables or {}).items()}
    return SubmitDescription.from_attributes(
        given,
        num_jobs=_for_each_item(node.spec, node.num_jobs),
        directory=directory,
        remote_input_files=files,
        macros={**_macros(workflow), "JOB": node.name, **variables},
    )


def _for_each_item(spec: dict[str, Any], num_jobs: int) -> int:
    """How many processes were asked for each item: what was executed before counts them all."""
    return SubmitDescription.from_json(spec).items.steps if spec else num_jobs


def _macros(job: Job) -> dict[str, str]:
    return {
        "APP_WORKSPACE": str(paths.workspace(job.app)),
        "USER_WORKSPACE": str(paths.workspace(job.app, job.user_id)),
    }


def _file_name(node: WorkflowNode) -> str:
    """The node's name as a file's, told from others that look alike without their marks."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", node.name)[:100]
    return plain if plain == node.name else f"{plain}.{node.pk}"


def _within(attributes: dict[str, Any], remote_input_files: Collection[str]) -> dict[str, Any]:
    """Let ``../name`` mean a remote input file: Tethys apps write so, for there a job runs in a
    folder beside these files, and here they are in its own."""
    names = {PurePosixPath(each).name for each in remote_input_files}
    if not names:
        return attributes
    result = dict(attributes)
    for key, value in attributes.items():
        if key.lower() not in ("transfer_input_files", "executable"):
            continue
        if isinstance(value, str):
            result[key] = ", ".join(_own(part.strip(), names) for part in value.split(","))
        elif isinstance(value, list):
            result[key] = [_own(part, names) if type(part) is str else part for part in value]
    return result


def _own(name: str, names: Collection[str]) -> str:
    below = name.removeprefix("../")
    return below if below != name and below.rstrip("/") in names else name
