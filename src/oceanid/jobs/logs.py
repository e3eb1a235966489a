"""A job's logs, read only when they are looked at and never more than their end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanid.services import paths
from oceanid.states import JobState, NodeState, TaskState
from oceanid.submit import SubmitDescription

if TYPE_CHECKING:
    from oceanid.models import Job, JobEvent

TAIL_BYTES = 1024 * 1024
EVENTS_SHOWN = 5_000
_WORDS = {
    (kind, state.value): state.word
    for kind, states in (("state", JobState), ("task", TaskState), ("node", NodeState))
    for state in states
}


class JobLogs(Mapping[str, Any]):
    """The logs as Tethys apps know them, a mapping that reads a file when it is asked for it.

    ``log`` holds what happened to the job, line by line. Of a job with one process ``output``
    and ``error`` stand beside it; of an array they are in a mapping for each process, by its
    number; of a workflow ``workflow`` has the log and each node's name leads to its own.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __getitem__(self, key: str) -> Any:
        if self._is_workflow:
            if key == "workflow":
                return {"log": event_log(self._job)}
            node = self._job.node_set.filter(name=key).first()
            if node is None:
                raise KeyError(key)
            return _of_spec(self._job, node.spec)
        if key == "log":
            return event_log(self._job)
        logs = _of_spec(self._job, self._job.spec)
        return logs[key]

    def __iter__(self) -> Iterator[str]:
        if self._is_workflow:
            yield "workflow"
            yield from self._job.node_set.order_by("id").values_list("name", flat=True).iterator()
            return
        yield "log"
        yield from _of_spec(self._job, self._job.spec)

    def __len__(self) -> int:
        if self._is_workflow:
            return 1 + self._job.node_set.count()
        return 1 + len(_of_spec(self._job, self._job.spec))

    def __repr__(self) -> str:
        return f"<logs of job {self._job.pk}>"

    @property
    def _is_workflow(self) -> bool:
        return hasattr(self._job, "describe_node")


class _Streams(Mapping[str, str]):
    """One process's ``output`` and ``error``."""

    _KEYS = ("output", "error")

    def __init__(self, description: SubmitDescription, directory: Path, job_id: int, index: int):
        self._description = description
        self._directory = directory
        self._job_id = job_id
        self._index = index

    def __getitem__(self, key: str) -> str:
        if key not in self._KEYS:
            raise KeyError(key)
        task = self._description.task(self._index, job_id=self._job_id)
        path = task.stdout if key == "output" else task.stderr
        return read_tail(path, within=self._directory)

    def __iter__(self) -> Iterator[str]:
        return iter(self._KEYS)

    def __len__(self) -> int:
        return len(self._KEYS)


class _Processes(Mapping[str, Mapping[str, str]]):
    """The streams of an array's processes, by their number."""

    def __init__(self, description: SubmitDescription, directory: Path, job_id: int) -> None:
        self._description = description
        self._directory = directory
        self._job_id = job_id

    def __getitem__(self, key: str) -> Mapping[str, str]:
        if not (key.isdecimal() and key.isascii() and int(key) < len(self)):
            raise KeyError(key)
        return _Streams(self._description, self._directory, self._job_id, int(key))

    def __iter__(self) -> Iterator[str]:
        return (str(index) for index in range(len(self)))

    def __len__(self) -> int:
        return self._description.count


def event_log(job: Job) -> str:
    """What happened to the job, a line an event; the latest 5,000."""
    latest = list(job.events.order_by("-id")[: EVENTS_SHOWN + 1])
    lines = [f"{event.at:%Y-%m-%d %H:%M:%S} {_told(event)}" for event in latest[:EVENTS_SHOWN]]
    if len(latest) > EVENTS_SHOWN:
        lines.append(f"[earlier events are left out; the latest {EVENTS_SHOWN:,} follow]")
    return "\n".join(reversed(lines))


def _told(event: JobEvent) -> str:
    words = [_WORDS.get((event.kind, code), code) for code in (event.before, event.after)]
    change = " → ".join(word for word in words if word)
    return ": ".join(part for part in (event.kind, change, event.message) if part)


def read_tail(path: str, *, within: Path, limit: int = TAIL_BYTES) -> str:
    """The end of a file that a job may have made, or "" when there is none.

    Links are not followed below ``within``, for the job may have put them there; what is no
    plain file is not read.

    Args:
        path: The file, absolute.
        within: The job's own directory.
        limit: Bytes to read at most; when there is more, a first line tells so.
    """
    if not path:
        return ""
    try:
        descriptor = _open(Path(path), within)
    except OSError:
        return ""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, "rb") as file:
        left_out = max(0, found.st_size - limit)
        file.seek(left_out)
        text = file.read(limit).decode("utf-8", "replace")
    if left_out:
        return f"[the first {left_out:,} bytes are left out]\n{text}"
    return text


def _open(path: Path, within: Path) -> int:
    """Open a file without following any link below a directory."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        parts = path.relative_to(within).parts
    except ValueError:
        return os.open(path, flags)
    if not parts or ".." in parts:
        raise FileNotFoundError(path)
    folder = os.open(within, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(
                part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
            )
            os.close(folder)
            folder = below
        return os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)


def _of_spec(job: Job, spec: dict[str, Any]) -> Mapping[str, Any]:
    if not spec:
        return {}
    directory = paths.job_dir(job)
    description = SubmitDescription.from_json(spec)
    if description.count == 1:
        return _Streams(description, directory, job.pk, 0)
    return _Processes(description, directory, job.pk)
