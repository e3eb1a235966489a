"""What app developers import: the Job Manager, the job types, templates and callbacks.

Names are loaded when they are first asked for, so that ``from oceanid.jobs import ComputeApp``
works in an app's ``apps.py``, before Django has loaded any model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oceanid.jobs.apps import ComputeApp, SchedulerSetting
    from oceanid.jobs.manager import JobManager
    from oceanid.jobs.nodes import CondorWorkflowJobNode, CondorWorkflowNode
    from oceanid.jobs.table import JobsTable
    from oceanid.jobs.table_actions import CustomJobAction
    from oceanid.jobs.templates import (
        BasicJobTemplate,
        CondorJobDescription,
        CondorJobTemplate,
        CondorWorkflowJobTemplate,
        CondorWorkflowTemplate,
        JobTemplate,
        PythonJobTemplate,
    )
    from oceanid.jobs.types import (
        BasicJob,
        CondorJob,
        CondorWorkflow,
        PythonJob,
        register_job_type,
    )
    from oceanid.models import Job
    from oceanid.models import Job as TethysJob
    from oceanid.submit import Macro

__all__ = [
    "BasicJob",
    "BasicJobTemplate",
    "ComputeApp",
    "CondorJob",
    "CondorJobDescription",
    "CondorJobTemplate",
    "CondorWorkflow",
    "CondorWorkflowJobNode",
    "CondorWorkflowJobTemplate",
    "CondorWorkflowNode",
    "CondorWorkflowTemplate",
    "CustomJobAction",
    "Job",
    "JobManager",
    "JobTemplate",
    "JobsTable",
    "Macro",
    "PythonJob",
    "PythonJobTemplate",
    "SchedulerSetting",
    "TethysJob",
    "register_job_type",
]

_ROOMS = {
    "oceanid.jobs.apps": ("ComputeApp", "SchedulerSetting"),
    "oceanid.jobs.manager": ("JobManager",),
    "oceanid.jobs.nodes": ("CondorWorkflowJobNode", "CondorWorkflowNode"),
    "oceanid.jobs.table": ("JobsTable",),
    "oceanid.jobs.table_actions": ("CustomJobAction",),
    "oceanid.jobs.templates": (
        "BasicJobTemplate",
        "CondorJobDescription",
        "CondorJobTemplate",
        "CondorWorkflowJobTemplate",
        "CondorWorkflowTemplate",
        "JobTemplate",
        "PythonJobTemplate",
    ),
    "oceanid.jobs.types": (
        "BasicJob",
        "CondorJob",
        "CondorWorkflow",
        "PythonJob",
        "register_job_type",
    ),
    "oceanid.models": ("Job",),
    "oceanid.submit": ("Macro",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "TethysJob":
        name = "Job"
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(room), name)


def __dir__() -> list[str]:
    return sorted(__all__)
