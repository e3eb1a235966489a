"""Which machines a smaller size, a stop or an end would take, as far as can be told now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from oceanid.models import Cluster, ClusterNode
from oceanid.states import MachineState, Role

MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Leaving:
    """The machines that would go; meanwhile a job may begin or end, and others go instead.

    Args:
        nodes: The first of them.
        count: How many.
        busy: How many of them run jobs.
        jobs: How many jobs run on them.
    """

    nodes: Sequence[ClusterNode] = ()
    count: int = 0
    busy: int = 0
    jobs: int = 0


def forecast(cluster: Cluster, verb: str, size: int) -> Leaving:
    """Which machines would go: one query; nothing is changed.

    Args:
        cluster: The cluster.
        verb: ``resize``, ``stop`` or ``delete``; of others no machine goes.
        size: For ``resize``, the size that would be wanted.
    """
    if verb not in ("resize", "stop", "delete"):
        return Leaving()
    rows = ClusterNode.objects.filter(cluster=cluster, gone_at=None, ended_at=None)
    found = sorted(rows.defer("console"), key=_first_to_go)
    workers = [node for node in found if node.role == Role.WORKER]
    going = found
    if verb == "resize":
        going = workers[: max(0, len(workers) - (size - 1))]
    return Leaving(
        nodes=going[:MOST_SHOWN],
        count=len(going),
        busy=sum(node.jobs_running > 0 for node in going),
        jobs=sum(node.jobs_running for node in going),
    )


def _first_to_go(node: ClusterNode) -> tuple[bool, bool, bool, int, int]:
    """Those that don't work first, then those that leave already, then the least busy; of these
    the youngest."""
    works = node.state == MachineState.RUNNING and node.joined_at is not None
    return (
        node.role == Role.MASTER,
        works,
        node.leaving_at is None,
        node.jobs_running,
        -node.pk,
    )
