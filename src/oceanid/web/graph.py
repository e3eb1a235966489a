"""Lays a workflow out in layers, parents left of children, in time linear in nodes and edges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from oceanid.states import NodeState

MOST_NODES = 300
COLUMN = 232
ROW = 62
BOX_WIDTH = 180
BOX_HEIGHT = 44
MARGIN = 12
SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Vertex:
    """What is drawn as one box: a node, or many alike.

    Args:
        id: The node's id, or the first one's.
        name: What it is called.
        state: A node state's code.
        detail: What stands below the name.
        group: What nodes have in common that may be drawn as one: their category.
        count: How many nodes it stands for.
        tally: How many of them are in each state.
        seconds: How long it took, or has taken so far; None when it has not begun.
    """

    id: int
    name: str
    state: str
    detail: str = ""
    group: str = ""
    count: int = 1
    tally: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A vertex with its place."""

    vertex: Vertex
    x: float
    y: float
    is_critical: bool = False

    @property
    def shares(self) -> list[tuple[float, float, str]]:
        """Where each state's share of a box for many begins, how wide it is, and the state."""
        total, begin, found = max(1, self.vertex.count), 0.0, []
        for state, count in self.vertex.tally.items():
            width = BOX_WIDTH * count / total
            found.append((round(self.x + begin, 1), round(width, 1), state))
            begin += width
        return found


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as an SVG path."""

    path: str
    is_done: bool
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The chain of nodes that takes the longest, and so decides when the workflow ends.

    Args:
        nodes: From the first to the last.
        seconds: How long they took, and those that have not ended are expected to take.
        is_known: Whether all of them have ended.
    """

    nodes: tuple[Vertex, ...]
    seconds: float
    is_known: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that the template draws."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    is_grouped: bool
    nodes: int
    critical: CriticalPath | None = None


def drawn(vertices: Sequence[Vertex], edges: Iterable[tuple[int, int]]) -> Drawing:
    """Draw a workflow; above MOST_NODES nodes, those of one layer and category as one box.

    Args:
        vertices: Its nodes.
        edges: Pairs (parent, child) of their ids; what is not in ``vertices`` is left out.
    """
    known = {vertex.id: vertex for vertex in vertices}
    pairs = [(a, b) for a, b in edges if a in known and b in known and a != b]
    layer = _layers(known, pairs)
    critical = _critical(known, pairs, layer)
    chain = [each.id for each in critical.nodes] if critical else []
    is_grouped = len(vertices) > MOST_NODES
    if is_grouped:
        known, pairs, layer, home = _grouped(known, pairs, layer)
        chain = [home[each] for each in chain]
    members, links = set(chain), set(pairwise(chain))
    columns = _ordered(known, pairs, layer)
    tallest = max((len(column) for column in columns), default=0)
    boxes = {}
    for number, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * ROW / 2
        for position, each in enumerate(column):
            boxes[each] = Box(
                known[each], MARGIN + number * COLUMN, top + position * ROW, each in members
            )
    return Drawing(
        width=int(2 * MARGIN + max(0, len(columns) - 1) * COLUMN + BOX_WIDTH),
        height=int(2 * MARGIN + max(0, tallest - 1) * ROW + BOX_HEIGHT),
        boxes=tuple(boxes.values()),
        # What is critical is drawn last, over the others.
        lines=tuple(
            _line(boxes[a], boxes[b], is_critical=(a, b) in links)
            for a, b in sorted(pairs, key=links.__contains__)
        ),
        is_grouped=is_grouped,
        nodes=len(vertices),
        critical=critical,
    )


def _critical(
    known: Mapping[int, Vertex], pairs: Sequence[tuple[int, int]], layer: Mapping[int, int]
) -> CriticalPath | None:
    """The longest way by time. What has not begun is expected to take as long as what has ended of
    its category, or of all; None where there is only one node, or none leads to another."""
    if not pairs:
        return None
    took: dict[str, list[float]] = defaultdict(list)
    for vertex in known.values():
        if vertex.seconds is not None and vertex.state == NodeState.DONE.value:
            took[vertex.group].append(vertex.seconds)
    every = [seconds for some in took.values() for seconds in some]
    mean = sum(every) / len(every) if every else 1.0
    means = {group: sum(some) / len(some) for group, some in took.items()}

    def weight(vertex: Vertex) -> float:
        expected = means.get(vertex.group, mean)
        if NodeState(vertex.state).is_final:
            return vertex.seconds or 0.0
        return max(vertex.seconds or 0.0, expected)

    parents: dict[int, list[int]] = defaultdict(list)
    for parent, child in pairs:
        parents[child].append(parent)
    total: dict[int, tuple[float, int]] = {}
    before: dict[int, int] = {}
    for each in sorted(known, key=layer.__getitem__):
        best = max(
            (other for other in parents[each] if layer[other] < layer[each]),
            key=total.__getitem__,
            default=None,
        )
        so_far = total[best] if best is not None else (0.0, 0)
        total[each] = so_far[0] + weight(known[each]), so_far[1] + 1
        if best is not None:
            before[each] = best
    chain = [max(total, key=total.__getitem__)]
    while chain[-1] in before:
        chain.append(before[chain[-1]])
    nodes = tuple(known[each] for each in reversed(chain))
    is_known = all(NodeState(each.state).is_final for each in nodes)
    return CriticalPath(nodes, total[chain[0]][0], is_known) if len(nodes) > 1 else None


def _layers(known: Mapping[int, Vertex], pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The length of the longest way to each node (Kahn's order); a circle ends in layer 0."""
    children: dict[int, list[int]] = defaultdict(list)
    waiting = Counter(child for _parent, child in pairs)
    for parent, child in pairs:
        children[parent].append(child)
    layer = dict.fromkeys(known, 0)
    ready = [each for each in known if not waiting[each]]
    for each in ready:
        for child in children[each]:
            layer[child] = max(layer[child], layer[each] + 1)
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return layer


def _grouped(
    known: Mapping[int, Vertex], pairs: Sequence[tuple[int, int]], layer: Mapping[int, int]
) -> tuple[dict[int, Vertex], list[tuple[int, int]], dict[int, int], dict[int, int]]:
    members: dict[tuple[int, str], list[Vertex]] = defaultdict(list)
    home = {}
    for each, vertex in known.items():
        key = (layer[each], vertex.group)
        members[key].append(vertex)
        home[each] = members[key][0].id
    if len(members) > MOST_NODES:
        # So many layers that even these are too many: neighbouring layers become one.
        step = -(-len({number for number, _group in members}) // MOST_NODES)
        return _grouped(
            {each: _without_group(vertex) for each, vertex in known.items()},
            pairs,
            {each: number // max(step, 2) for each, number in layer.items()},
        )
    merged = {group[0].id: _merged(group) for group in members.values()}
    between = sorted({(home[a], home[b]) for a, b in pairs if home[a] != home[b]})
    return merged, between, {each: layer[each] for each in merged}, home


def _without_group(vertex: Vertex) -> Vertex:
    return replace(vertex, group="")


def _merged(group: Sequence[Vertex]) -> Vertex:
    first = group[0]
    if len(group) == 1:
        return first
    tally = Counter(vertex.state for vertex in group)
    order = [state.value for state in NodeState if state.value in tally]
    done = tally[NodeState.DONE.value]
    return Vertex(
        id=first.id,
        name=first.group or f"{first.name} …",
        state=_state_of(tally),
        detail=f"{done} / {len(group)}",
        group=first.group,
        count=len(group),
        tally={state: tally[state] for state in order},
    )


def _state_of(tally: Mapping[str, int]) -> str:
    for state in (
        NodeState.FAILED,
        NodeState.RUNNING,
        NodeState.PRERUN,
        NodeState.POSTRUN,
        NodeState.READY,
        NodeState.ABORTED,
        NodeState.FUTILE,
        NodeState.WAITING,
    ):
        if tally.get(state.value):
            return state.value
    return NodeState.DONE.value


def _ordered(
    known: Mapping[int, Vertex], pairs: Sequence[tuple[int, int]], layer: Mapping[int, int]
) -> list[list[int]]:
    """Each layer's nodes from top to bottom, near their neighbours (barycentres)."""
    columns: list[list[int]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for each in known:
        columns[layer[each]].append(each)
    columns = [column for column in columns if column]
    parents: dict[int, list[int]] = defaultdict(list)
    children: dict[int, list[int]] = defaultdict(list)
    for parent, child in pairs:
        parents[child].append(parent)
        children[parent].append(child)
    place = {
        each: float(row) - len(column) / 2 for column in columns for row, each in enumerate(column)
    }
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        near = parents if forward else children
        for column in columns if forward else reversed(columns):
            centre = {
                each: sum(place[other] for other in near[each]) / len(near[each])
                if near[each]
                else place[each]
                for each in column
            }
            column.sort(key=centre.__getitem__)
            for row, each in enumerate(column):
                place[each] = row - len(column) / 2
    return columns


def _line(start: Box, end: Box, *, is_critical: bool) -> Line:
    x1, y1 = start.x + BOX_WIDTH, start.y + BOX_HEIGHT / 2
    x2, y2 = end.x, end.y + BOX_HEIGHT / 2
    bend = max(24.0, min(COLUMN * 0.6, abs(x2 - x1) / 2))
    path = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    return Line(path, start.vertex.state == NodeState.DONE.value, is_critical)
