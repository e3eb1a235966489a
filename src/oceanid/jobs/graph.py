"""Whether a workflow's graph can be run: a cycle is found in time linear in its size."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

Node = TypeVar("Node")


def find_cycle(nodes: Iterable[Node], edges: Sequence[tuple[Node, Node]]) -> list[Node]:
    """One cycle, each node a parent of the next and the last of the first; [] when there is none.

    Args:
        nodes: Every node.
        edges: (parent, child) pairs.
    """
    waiting_on = dict.fromkeys(nodes, 0)
    children: defaultdict[Node, list[Node]] = defaultdict(list)
    for parent, child in edges:
        children[parent].append(child)
        waiting_on[child] += 1
    free = deque(node for node, count in waiting_on.items() if not count)
    while free:
        for child in children[free.popleft()]:
            waiting_on[child] -= 1
            if not waiting_on[child]:
                free.append(child)
    stuck = {node for node, count in waiting_on.items() if count}
    return _cycle_within(stuck, edges) if stuck else []


def _cycle_within(stuck: set[Node], edges: Sequence[tuple[Node, Node]]) -> list[Node]:
    """Walk from child to parent: each stuck node has a stuck parent, so the walk must meet
    itself, and what lies between the two meetings is a cycle."""
    parent_of = {child: parent for parent, child in edges if parent in stuck and child in stuck}
    seen: dict[Node, int] = {}
    path: list[Node] = []
    node = next(iter(parent_of))
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = parent_of[node]
    return path[seen[node] :][::-1]
