"""The states that jobs, tasks, nodes and batches can be in, and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class JobState(StrEnum):
    """What a job is doing; the three-letter codes and the words are those of Tethys."""

    PENDING = "PEN"
    SUBMITTED = "SUB"
    RUNNING = "RUN"
    VARIOUS = "VAR"
    PAUSED = "PAS"
    HELD = "HLD"
    RESULTS_READY = "RES"
    VARIOUS_COMPLETE = "VCP"
    COMPLETE = "COM"
    ERROR = "ERR"
    ABORTED = "ABT"
    OTHER = "OTH"

    @property
    def word(self) -> str:
        """The status as a person and an app read it, for example ``Results-Ready``."""
        return JOB_WORDS[self]

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to the job without a person or an app."""
        return self in JOB_FINAL

    @classmethod
    def of_word(cls, word: str) -> JobState | None:
        """The state of a Tethys status word, or None when the word is a custom status."""
        return _JOB_BY_WORD.get(word)


JOB_WORDS: Final = MappingProxyType(
    {
        JobState.PENDING: "Pending",
        JobState.SUBMITTED: "Submitted",
        JobState.RUNNING: "Running",
        JobState.VARIOUS: "Various",
        JobState.PAUSED: "Paused",
        JobState.HELD: "Held",
        JobState.RESULTS_READY: "Results-Ready",
        JobState.VARIOUS_COMPLETE: "Various-Complete",
        JobState.COMPLETE: "Complete",
        JobState.ERROR: "Error",
        JobState.ABORTED: "Aborted",
        JobState.OTHER: "Other",
    }
)
_JOB_BY_WORD: Final = MappingProxyType(
    {word: state for state, word in JOB_WORDS.items() if state is not JobState.OTHER}
)

JOB_FINAL: Final = frozenset(
    {JobState.COMPLETE, JobState.VARIOUS_COMPLETE, JobState.ERROR, JobState.ABORTED}
)
JOB_ACTIVE: Final = frozenset(
    {
        JobState.SUBMITTED,
        JobState.RUNNING,
        JobState.VARIOUS,
        JobState.PAUSED,
        JobState.HELD,
        JobState.RESULTS_READY,
    }
)

_ALIVE: Final = frozenset(
    {
        JobState.SUBMITTED,
        JobState.RUNNING,
        JobState.VARIOUS,
        JobState.PAUSED,
        JobState.HELD,
        JobState.RESULTS_READY,
        JobState.COMPLETE,
        JobState.VARIOUS_COMPLETE,
        JobState.ERROR,
        JobState.ABORTED,
        JobState.OTHER,
    }
)
JOB_MOVES: Final = MappingProxyType(
    {
        JobState.PENDING: frozenset({JobState.SUBMITTED, JobState.ABORTED, JobState.OTHER}),
        JobState.SUBMITTED: _ALIVE,
        JobState.RUNNING: _ALIVE,
        JobState.VARIOUS: _ALIVE,
        JobState.PAUSED: _ALIVE,
        JobState.HELD: _ALIVE,
        JobState.OTHER: _ALIVE,
        JobState.RESULTS_READY: frozenset(
            {JobState.COMPLETE, JobState.VARIOUS_COMPLETE, JobState.ERROR, JobState.SUBMITTED}
        ),
        # A finished job moves only by resubmission.
        JobState.COMPLETE: frozenset({JobState.SUBMITTED}),
        JobState.VARIOUS_COMPLETE: frozenset({JobState.SUBMITTED}),
        JobState.ERROR: frozenset({JobState.SUBMITTED}),
        JobState.ABORTED: frozenset({JobState.SUBMITTED}),
    }
)
"""Where a job may go from each state by what the supervisor observes or a person wants.

BASIC jobs, whose status belongs to their app, are free to move between any two states.
"""


class TaskState(StrEnum):
    """What one process of a job is doing."""

    QUEUED = "QUE"
    SUBMITTED = "SUB"
    RUNNING = "RUN"
    PAUSED = "PAS"
    HELD = "HLD"
    TRANSFERRING = "TRA"
    COMPLETE = "COM"
    ERROR = "ERR"
    ABORTED = "ABT"

    @property
    def is_final(self) -> bool:
        """Whether the process has ended and its outcome is known."""
        return self in TASK_FINAL

    @property
    def word(self) -> str:
        """The state as a person reads it."""
        return self.name.capitalize()


TASK_FINAL: Final = frozenset({TaskState.COMPLETE, TaskState.ERROR, TaskState.ABORTED})
_AT_ENGINE: Final = frozenset(
    {
        TaskState.SUBMITTED,
        TaskState.RUNNING,
        TaskState.PAUSED,
        TaskState.HELD,
        TaskState.TRANSFERRING,
    }
)
TASK_MOVES: Final = MappingProxyType(
    {
        TaskState.QUEUED: frozenset({TaskState.SUBMITTED, TaskState.PAUSED, TaskState.ABORTED}),
        TaskState.SUBMITTED: _AT_ENGINE | TASK_FINAL | {TaskState.QUEUED},
        TaskState.RUNNING: _AT_ENGINE | TASK_FINAL | {TaskState.QUEUED},
        TaskState.PAUSED: _AT_ENGINE | TASK_FINAL | {TaskState.QUEUED},
        TaskState.HELD: _AT_ENGINE | TASK_FINAL | {TaskState.QUEUED},
        TaskState.TRANSFERRING: _AT_ENGINE | TASK_FINAL | {TaskState.QUEUED},
        TaskState.COMPLETE: frozenset[TaskState](),
        TaskState.ERROR: frozenset[TaskState](),
        TaskState.ABORTED: frozenset[TaskState](),
    }
)
"""Where a task may go; → QUEUED when its batch is proved never submitted, when the engine
hands it back unstarted, or when its process failed and ``max_retries`` gives it another try:
ERROR is for the failure after which there is no other."""


class NodeState(StrEnum):
    """What a workflow's node is doing; the words are DAGMan's."""

    WAITING = "WAI"
    READY = "RDY"
    PRERUN = "PRE"
    RUNNING = "RUN"
    POSTRUN = "PST"
    DONE = "DON"
    FAILED = "FAI"
    FUTILE = "FUT"
    ABORTED = "ABT"

    @property
    def is_final(self) -> bool:
        """Whether the node will not change in this attempt any more."""
        return self in NODE_FINAL

    @property
    def word(self) -> str:
        """The state as a person reads it."""
        return self.name.capitalize()


NODE_FINAL: Final = frozenset(
    {NodeState.DONE, NodeState.FAILED, NodeState.FUTILE, NodeState.ABORTED}
)
_NODE_ENDS: Final = frozenset({NodeState.DONE, NodeState.FAILED, NodeState.ABORTED})
NODE_MOVES: Final = MappingProxyType(
    {
        NodeState.WAITING: frozenset({NodeState.READY, NodeState.FUTILE, NodeState.ABORTED}),
        NodeState.READY: frozenset({NodeState.PRERUN, NodeState.RUNNING, NodeState.POSTRUN})
        | _NODE_ENDS,
        NodeState.PRERUN: frozenset({NodeState.RUNNING, NodeState.POSTRUN, NodeState.READY})
        | _NODE_ENDS,
        NodeState.RUNNING: frozenset({NodeState.POSTRUN, NodeState.READY}) | _NODE_ENDS,
        NodeState.POSTRUN: frozenset({NodeState.READY}) | _NODE_ENDS,
        NodeState.DONE: frozenset[NodeState](),
        NodeState.FAILED: frozenset({NodeState.WAITING, NodeState.READY}),
        NodeState.FUTILE: frozenset({NodeState.WAITING, NodeState.READY}),
        NodeState.ABORTED: frozenset({NodeState.WAITING, NodeState.READY}),
    }
)
"""Where a node may go; → READY from a running state is a retry, from a final one a rescue."""


class BatchState(StrEnum):
    """Where one submission to an engine stands."""

    PREPARED = "PRE"
    SENT = "SNT"
    DEAD = "DED"
    CLOSED = "CLO"


class Wanted(StrEnum):
    """What a person or an app wants of a job; the supervisor makes it so."""

    DRAFT = "DRA"
    RUN = "RUN"
    PAUSE = "PAU"
    STOP = "STO"
    DELETE = "DEL"


class Role(StrEnum):
    """What a cluster's machine is there for."""

    MASTER = "MAS"
    WORKER = "WOR"


class MachineState(StrEnum):
    """What a cloud says of a machine, in one vocabulary for all clouds."""

    PENDING = "PEN"
    RUNNING = "RUN"
    STOPPING = "STG"
    STOPPED = "STO"
    ENDING = "END"
    FAILED = "FAI"
    GONE = "GON"

    @property
    def is_alive(self) -> bool:
        """Whether it works, or is about to."""
        return self in (MachineState.PENDING, MachineState.RUNNING)

    @property
    def is_paid(self) -> bool:
        """Whether the machine itself costs by the hour (a stopped one costs only its disk)."""
        return self in (MachineState.PENDING, MachineState.RUNNING, MachineState.STOPPING)


class ClusterWanted(StrEnum):
    """What a person wants of a cluster; the supervisor makes it so."""

    PREPARED = "PRE"
    RUN = "RUN"
    STOP = "STO"
    DELETE = "DEL"


class ClusterState(StrEnum):
    """What a cluster is doing, as its supervisor last saw it."""

    PREPARED = "PRE"
    CREATING = "CRE"
    RUNNING = "RUN"
    RESIZING = "RSZ"
    DEGRADED = "DEG"
    STOPPING = "STG"
    STOPPED = "STO"
    STARTING = "STA"
    DELETING = "DEL"
    FAILED = "FAI"


_MOVING: Final = frozenset(
    {
        ClusterState.RUNNING,
        ClusterState.RESIZING,
        ClusterState.DEGRADED,
        ClusterState.FAILED,
        ClusterState.STARTING,
        ClusterState.STOPPING,
        ClusterState.STOPPED,
        ClusterState.DELETING,
    }
)
_STILL: Final = frozenset(
    {
        ClusterState.CREATING,
        ClusterState.FAILED,
        ClusterState.STOPPED,
        ClusterState.DELETING,
    }
)
CLUSTER_MOVES: Final = MappingProxyType(
    {
        ClusterState.PREPARED: _STILL,
        ClusterState.CREATING: _MOVING - {ClusterState.STARTING},
        ClusterState.FAILED: (_MOVING | {ClusterState.CREATING}) - {ClusterState.FAILED},
        ClusterState.STOPPED: (_STILL | {ClusterState.STARTING, ClusterState.STOPPING})
        - {ClusterState.STOPPED},
        # What is being deleted is never anything else again.
        ClusterState.DELETING: frozenset[ClusterState](),
    }
    | {
        state: _MOVING - {state}
        for state in (
            ClusterState.RUNNING,
            ClusterState.RESIZING,
            ClusterState.DEGRADED,
            ClusterState.STOPPING,
            ClusterState.STARTING,
        )
    }
)
"""Where a cluster may go from each state, by what its supervisor finds."""


class Health(StrEnum):
    """How a scheduler answers; never says anything about a job."""

    UNKNOWN = "UNK"
    OK = "OK"
    DEGRADED = "DEG"
    UNREACHABLE = "DOWN"


def job_can_move(before: JobState, after: JobState) -> bool:
    """Whether the transition table lets a job go from one state to another."""
    return after in JOB_MOVES[before]


def task_can_move(before: TaskState, after: TaskState) -> bool:
    """Whether the transition table lets a task go from one state to another."""
    return after in TASK_MOVES[before]


def node_can_move(before: NodeState, after: NodeState) -> bool:
    """Whether the transition table lets a node go from one state to another."""
    return after in NODE_MOVES[before]


def cluster_can_move(before: ClusterState, after: ClusterState) -> bool:
    """Whether the transition table lets a cluster go from one state to another."""
    return after in CLUSTER_MOVES[before]
