"""The end of a running task's output on another machine, as a supervisor reads it for pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from oceanid.engines.registry import engine_class
from oceanid.errors import EngineMissing
from oceanid.models import Job, Task
from oceanid.services import tails
from oceanid.specs import Capability
from oceanid.states import TaskState

_WRITING = {TaskState.RUNNING, TaskState.TRANSFERRING}


@dataclass(frozen=True, slots=True)
class End:
    """What is known of the end of an output.

    Args:
        data: The last bytes.
        offset: Where in the output they begin.
        size: How large it is.
        note: What is to be said of it.
    """

    data: bytes = b""
    offset: int = 0
    size: int = 0
    note: str = ""


def is_elsewhere(job: Job, task: Task) -> bool:
    """Whether a task's output is not on this machine yet."""
    if job.scheduler is None or TaskState(task.state) not in _WRITING:
        return False
    try:
        return not engine_class(job.scheduler.engine).output_is_here
    except EngineMissing:
        return False


def end_of(job: Job, task: Task, stream: str) -> End:
    """The end of it; asking again within some seconds keeps a supervisor reading."""
    assert job.scheduler is not None
    if Capability.TAIL not in engine_class(job.scheduler.engine).capabilities:
        return End(note=_("This scheduler shows no output before the task has ended."))
    wish = tails.want(job, task, stream)
    if wish is None:
        return End(note=_("So much output is looked at right now that this waits for its turn."))
    if wish.read_at is None:
        return End(note=_("Asking the scheduler for the output…"))
    note = _("Read from the machine on which the task runs, every few seconds.")
    if wish.error:
        note = _("The output can't be read right now: %(why)s") % {"why": wish.error}
    return End(bytes(wish.data), wish.offset, wish.size, note)
