"""What a person watches while a cluster changes: its steps, and the state that they come to."""

from __future__ import annotations

from typing import Any

from oceanid.states import ClusterState, ClusterWanted
from oceanid.supervisor.cluster_desk import Trouble

DONE, NOW, LATER, FAILED = "done", "now", "later", "failed"


def step(
    name: str, state: str, found: str = "", *, hint: str = "", done: int = 0, of: int = 0
) -> dict[str, Any]:
    """One step, as the database keeps it.

    Args:
        name: ``resolve``, ``preflight``, ``prepare``, ``master``, ``pool``, ``workers``, ``jobs``,
            ``machines`` or ``rest``.
        state: ``done``, ``now``, ``later`` or ``failed``.
        found: What was found, or is being done.
        hint: The cure of what failed.
        done: How many of them are done, where there are several.
        of: Of how many.
    """
    return {
        "name": name, "state": state, "found": found, "hint": hint, "done": done, "of": of,
    }  # fmt: skip


MAKING = ("resolve", "preflight", "prepare", "master", "pool", "workers")


def making(
    at: str, found: str = "", *, trouble: Trouble | None = None, done: int = 0, of: int = 0
) -> list[dict[str, Any]]:
    """The steps of a cluster that is made or changed, of which one is under way.

    Args:
        at: The step that is under way; "" when all are done.
        found: What it is doing.
        trouble: What is wrong with it.
        done: How many workers are there.
        of: How many are wanted.
    """
    found_at = MAKING.index(at) if at else len(MAKING)
    steps = []
    for place, name in enumerate(MAKING):
        said = hint = ""
        state = DONE if place < found_at else LATER
        if place == found_at:
            state = FAILED if trouble is not None and trouble.is_final else NOW
            said, hint = (trouble.message, trouble.hint) if trouble is not None else (found, "")
        counted = (done, of) if name == "workers" else (0, 0)
        steps.append(step(name, state, said, hint=hint, done=counted[0], of=counted[1]))
    return steps


def stuck(steps: list[dict[str, Any]], found: str, hint: str) -> list[dict[str, Any]]:
    """The same steps, of which the one that is under way tells why it does not go on."""
    return [
        {**each, "found": found, "hint": hint} if each["state"] == NOW else each for each in steps
    ]


def run_state(
    now: ClusterState,
    *,
    was_up: bool,
    is_ready: bool,
    is_settled: bool,
    trouble: Trouble | None,
) -> ClusterState:
    """The state of a cluster that shall run.

    Args:
        now: Its present state.
        was_up: Whether its master has ever answered.
        is_ready: Whether it answers now.
        is_settled: Whether all machines are there that are wanted, and no others.
        trouble: What is wrong.
    """
    if not was_up:
        is_stuck = trouble is not None and trouble.is_final
        return ClusterState.FAILED if is_stuck else ClusterState.CREATING
    if trouble is not None and (is_ready or trouble.is_final or now is not ClusterState.STARTING):
        is_starting = now in (ClusterState.STOPPED, ClusterState.STOPPING)
        return ClusterState.STARTING if is_starting else ClusterState.DEGRADED
    if is_settled:
        return ClusterState.RUNNING
    if now in (ClusterState.STOPPED, ClusterState.STOPPING, ClusterState.STARTING):
        return ClusterState.STARTING
    if now in (ClusterState.CREATING, ClusterState.PREPARED):
        return ClusterState.CREATING
    return ClusterState.RESIZING if is_ready else ClusterState.DEGRADED


def end_state(wanted: ClusterWanted, *, is_over: bool) -> ClusterState:
    """The state of a cluster that shall stop or be deleted."""
    if wanted is ClusterWanted.DELETE:
        return ClusterState.DELETING
    return ClusterState.STOPPED if is_over else ClusterState.STOPPING
