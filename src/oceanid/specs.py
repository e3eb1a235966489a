"""What passes between the house and its engines: frozen values, without Django."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from oceanid.dags import Dag, NodeObservation
from oceanid.errors import EngineError
from oceanid.states import Health, TaskState


class Capability(StrEnum):
    """What an engine may or may not be able to do; refused by this name when it can't."""

    PAUSE = "pause"
    GPUS = "gpus"
    CONTAINERS = "containers"
    REQUIREMENTS = "requirements"
    DAG = "dag"
    QUEUE = "queue"
    TAIL = "tail"
    CUSTOM_ATTRIBUTES = "custom-attributes"
    WALL_TIME = "wall-time"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one task asks of a machine.

    Args:
        cpus: Processors, at least 1.
        memory_mib: Memory in MiB, or None to take no limit and count as nothing.
        disk_mib: Scratch space in MiB, or None for no limit.
        gpus: Graphics processors.
        wall_time_s: Seconds that it may run, pauses left out, or None for no limit.
    """

    cpus: int = 1
    memory_mib: int | None = None
    disk_mib: int | None = None
    gpus: int = 0
    wall_time_s: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of what a task has written.

    Args:
        data: The bytes.
        offset: Where in the stream they begin.
        size: How large the stream is by now.
    """

    data: bytes = b""
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file or directory on its way in or out of a task's sandbox.

    Args:
        source: In: an absolute path on this machine. Out: a path relative to the sandbox.
        target: In: a path relative to the sandbox. Out: an absolute path on this machine.
        contents_only: A directory was named with a trailing slash: its entries travel,
            not the directory itself (HTCondor manual, "Submitting Jobs: file transfer").
    """

    source: str
    target: str
    contents_only: bool = False


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One process, with every macro replaced: all that an engine needs to run it.

    Args:
        executable: An absolute path; on this machine when ``transfer_executable``.
        arguments: What the program gets after its own name; free of NUL and newline.
        environment: The whole environment that the job asked for; nothing is inherited.
        initialdir: The job's directory on this machine, absolute; relative outputs land here.
        transfer_executable: Whether the executable travels into the sandbox.
        transfer_files: Whether the task runs in a sandbox of its own; otherwise it runs
            in ``initialdir`` itself (``should_transfer_files = NO``).
        inputs: What is copied into the sandbox before the start.
        outputs: What is copied back at the end; None for every new or changed file in the
            sandbox's top folder.
        output_remaps: ``transfer_output_remaps``: sandbox name to absolute target.
        stdin, stdout, stderr: Absolute paths, or "" for the null device.
        stdout_append: Whether stdout and stderr are appended to instead of replaced.
        resources: What it asks of the machine.
        success_exit_code: The exit code that means success.
        kill_signal: The name of the signal that asks it to stop, for example ``SIGTERM``.
        kill_timeout_s: Seconds between that signal and SIGKILL.
        priority: Larger goes first among the jobs of one user.
        passthrough: Submit commands that only a full scheduler understands, as written
            (``requirements``, ``rank``, ``+Attributes`` …).
        capabilities: What an engine must be able to do to run this.
    """

    executable: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    initialdir: str = "/"
    transfer_executable: bool = True
    transfer_files: bool = True
    inputs: tuple[Transfer, ...] = ()
    outputs: tuple[Transfer, ...] | None = None
    output_remaps: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    stdout_append: bool = False
    resources: Resources = field(default_factory=Resources)
    success_exit_code: int = 0
    kill_signal: str = "SIGTERM"
    kill_timeout_s: int = 10
    priority: int = 0
    passthrough: tuple[tuple[str, str], ...] = ()
    capabilities: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One task of a batch.

    Args:
        proc: Its number within the batch, counted from 0; what observations call it by.
        key: ``<job uuid>.<attempt>.<role and index>``, unique for ever; the task finds it in its
            environment as ``OCEANID_KEY``.
        spec: What to run.
    """

    proc: int
    key: str
    spec: TaskSpec


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """One submission: the unit that is fenced, so that it happens once or never.

    Args:
        batch: Its identity, committed to the database before it is submitted.
        items: Its tasks, in the order in which they should start.
        resources: What every one of its tasks asks for at the most.
        label: What a person may read in the scheduler's own tools.
        dag: The workflow that its tasks are of, for an engine that runs it as a whole; a task's
            last word is then told when its node is over.
    """

    batch: UUID
    items: tuple[BatchItem, ...]
    resources: Resources
    label: str = ""
    dag: Dag | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """What an engine calls a batch that it has taken; opaque to everyone else.

    Args:
        batch: The batch's identity.
        data: A JSON object that lets the engine find the batch again.
    """

    batch: UUID
    data: Mapping[str, Any]


class Found(StrEnum):
    """What the look for a batch with an unknown fate came to."""

    SUBMITTED = "submitted"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The fate of a batch whose handle was not saved.

    Args:
        found: SUBMITTED (with its handle), NEVER (and now fenced: it can't happen any more),
            or UNKNOWN (the engine can't tell now; ask again later).
        handle: The batch's handle when it was submitted.
        refusal: Why the scheduler refused it, where that is why it was never submitted and the
            engine remembers it.
    """

    found: Found
    handle: Handle | None = None
    refusal: EngineError | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task has used so far or in all.

    Args:
        cpu_s: Processor time in seconds, its children's included.
        peak_memory_mib: The most memory it held at once, in MiB.
        disk_mib: Scratch space in MiB.
    """

    cpu_s: float | None = None
    peak_memory_mib: float | None = None
    disk_mib: float | None = None


IDLE: Final = "idle-"
"""What the reason codes of tasks begin with that wait at their engine; such a reason goes away
when the task moves."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What an engine saw of one task.

    Args:
        batch: The batch that the task is in.
        proc: The task's number within it.
        state: The state it is in; QUEUED means that it was handed back unstarted.
        at: When it came into this state, by the engine's clock, in UTC.
        exit_code: Its exit code when it ended by itself.
        exit_signal: The number of the signal that ended it.
        reason_code: A stable slug when something is to be told (``memory-limit`` …).
        reason: The same in plain words.
        hint: What to do about it.
        host: The machine that it runs or ran on.
        usage: What it used.
        moves: Whether it came into this state. False only tells more (a reason, a usage) of a
            task that is in this state, and nothing of one that is in another by now.
    """

    batch: UUID
    proc: int
    state: TaskState
    at: datetime
    exit_code: int | None = None
    exit_signal: int | None = None
    reason_code: str = ""
    reason: str = ""
    hint: str = ""
    host: str = ""
    usage: Usage | None = None
    moves: bool = True


@dataclass(frozen=True, slots=True)
class ObservationBatch:
    """Observations and the cursor that goes with them; both are committed or neither.

    Args:
        observations: In the order in which they happened.
        cursor: A JSON object from which ``watch`` resumes behind these observations.
        nodes: What was seen of nodes, in the order in which it happened.
    """

    observations: tuple[Observation, ...]
    cursor: Mapping[str, Any]
    nodes: tuple[NodeObservation, ...] = ()


class Verb(StrEnum):
    """What can be asked of a task at an engine."""

    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Command:
    """A request about tasks of one batch; idempotent, a request and not a promise.

    Args:
        verb: What is asked.
        handle: The batch's handle.
        procs: The tasks' numbers, or None for every task of the batch.
    """

    verb: Verb
    handle: Handle
    procs: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an engine without a queue of its own can run at once.

    Args:
        cpus: Processors in all.
        memory_mib: Memory in MiB in all.
        max_batch: The most tasks that are worth handing over in one batch.
        gpus: Graphics processors in all.
    """

    cpus: int
    memory_mib: int
    max_batch: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scheduler's check.

    Args:
        name: What was looked at.
        ok: Whether it is as it should be.
        found: What was found, in plain words.
        hint: The cure when it is not ok.
    """

    name: str
    ok: bool
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A host key that a machine showed and that was not accepted.

    Args:
        host: The machine.
        key: The key in OpenSSH's format.
        fingerprint: Its fingerprint, as ``ssh-keygen -l`` prints it.
        option: The option of the record that it belongs into once a person has accepted it.
        is_changed: Whether another key was accepted before; then this one can't be accepted
            until that one is removed.
    """

    host: str
    key: str
    fingerprint: str
    option: str = "host_key"
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a look at a scheduler came to.

    Args:
        health: The sum of it.
        steps: Each thing that was looked at, in order.
        capacity: For an engine without a queue: what it can run at once.
        offered_key: A host key that a person must look at.
    """

    health: Health
    steps: tuple[Step, ...]
    capacity: Capacity | None = None
    offered_key: OfferedKey | None = None

    @property
    def message(self) -> str:
        """The first thing that is not as it should be, or the last that was found."""
        for step in self.steps:
            if not step.ok:
                return f"{step.found} {step.hint}".rstrip()
        return self.steps[-1].found if self.steps else ""


@dataclass(frozen=True, slots=True)
class SchedulerSpec:
    """What an engine needs to know of its scheduler record.

    Args:
        uuid: The record's identity.
        name: What administrators call it.
        config: The engine's own options.
        secrets: Decrypted secrets; never logged, never in ``repr``.
        spool: An absolute directory of this machine that is the engine's own.
    """

    uuid: UUID
    name: str
    spool: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
