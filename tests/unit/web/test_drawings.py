"""The pictures that the server draws, and the text that it makes of a stranger's bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from oceanid.models import JobEvent
from oceanid.web import graph, tail, timeline
from oceanid.web.graph import Vertex

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def vertices(count: int, *, group: str = "") -> list[Vertex]:
    return [Vertex(number, f"n{number}", "WAI", group=group) for number in range(count)]


def test_parents_stand_left_of_their_children() -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]
    drawing = graph.drawn(vertices(4), edges)
    place = {box.vertex.id: box.x for box in drawing.boxes}
    assert all(place[parent] < place[child] for parent, child in edges)
    assert len(drawing.lines) == len(edges)


def test_no_two_boxes_overlap() -> None:
    drawing = graph.drawn(vertices(60), [(a, b) for a in range(20) for b in range(20, 60, 7)])
    places = [(box.x, box.y) for box in drawing.boxes]
    assert len(set(places)) == 60
    assert all(x >= 0 and x + graph.BOX_WIDTH <= drawing.width for x, _y in places)
    assert all(y >= 0 and y + graph.BOX_HEIGHT <= drawing.height for _x, y in places)


def test_many_nodes_of_one_step_and_category_become_one_box() -> None:
    nodes = [Vertex(0, "start", "DON")]
    nodes += [Vertex(n, f"sim {n}", "DON" if n % 2 else "FAI", group="sim") for n in range(1, 5000)]
    nodes.append(Vertex(5000, "end", "WAI"))
    edges = [(0, n) for n in range(1, 5000)] + [(n, 5000) for n in range(1, 5000)]
    begun = perf_counter()
    drawing = graph.drawn(nodes, edges)
    assert perf_counter() - begun < 2
    assert drawing.is_grouped
    assert [box.vertex.count for box in drawing.boxes] == [1, 4999, 1]
    assert drawing.boxes[1].vertex.state == "FAI"
    assert sum(width for _x, width, _state in drawing.boxes[1].shares) == pytest.approx(
        graph.BOX_WIDTH, abs=0.2
    )


def test_a_chain_of_thousands_stays_small() -> None:
    drawing = graph.drawn(vertices(3000), [(n, n + 1) for n in range(2999)])
    assert len(drawing.boxes) <= graph.MOST_NODES


def test_circles_and_strange_edges_do_no_harm() -> None:
    drawing = graph.drawn(vertices(3), [(0, 1), (1, 0), (2, 2), (1, 99)])
    assert len(drawing.boxes) == 3
    assert graph.drawn([], []).boxes == ()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07rest", "rest"),
        (b"\x1b]8;;http://evil\x1b\\link", "link"),
        (b" 10 %\r 50 %\r100 %\ndone\r\n", "100 %\ndone\n"),
        (b"a\x00b\x08c\x7f", "abc"),
        (b"\xff\xfe", "��"),
        ("abc\u202egnp.exe".encode(), "abcgnp.exe"),
        (b"<script>&", "<script>&"),
        (b"\x1b[", ""),
    ],
)
def test_escape_sequences_are_taken_out(raw: bytes, text: str) -> None:
    assert tail.readable(raw) == text


def event(after: str, seconds: int, *, attempt: int = 1) -> JobEvent:
    return JobEvent(after=after, attempt=attempt, at=BEGIN + timedelta(seconds=seconds))


def test_an_array_that_goes_from_running_to_various_and_back_is_at_work_all_the_time() -> None:
    states = ["SUB", "RUN", "VAR", "RUN", "VAR", "COM"]
    told = [event(state, second) for second, state in enumerate(states)]
    drawing = timeline.drawn(told, now=BEGIN, attempts=1)
    assert drawing is not None
    assert [each.state for each in drawing.segments] == ["SUB", "RUN"]
    assert [each.seconds for each in drawing.segments] == [1, 4]


def test_each_attempt_has_its_own_line() -> None:
    told = [event("RUN", 0), event("RUN", 5, attempt=2), event("COM", 9, attempt=2)]
    drawing = timeline.drawn(told, now=BEGIN, attempts=2)
    assert drawing is not None
    assert [number for _y, number in drawing.lanes] == [1, 2]
    assert [each.seconds for each in drawing.segments] == [5, 4]


def took(number: int, seconds: float | None, *, state: str = "DON", group: str = "") -> Vertex:
    return Vertex(number, f"n{number}", state, group=group, seconds=seconds)


def critical(nodes: list[Vertex], edges: list[tuple[int, int]]) -> list[int]:
    drawing = graph.drawn(nodes, edges)
    return [each.id for each in drawing.critical.nodes] if drawing.critical else []


def test_the_critical_path_is_the_longest_by_time_not_by_nodes() -> None:
    nodes = [took(0, 1), took(1, 2), took(2, 2), took(3, 50), took(4, 1)]
    edges = [(0, 1), (1, 2), (2, 4), (0, 3), (3, 4)]
    drawing = graph.drawn(nodes, edges)
    assert drawing.critical is not None
    assert [each.id for each in drawing.critical.nodes] == [0, 3, 4]
    assert (drawing.critical.seconds, drawing.critical.is_known) == (52, True)
    assert {box.vertex.id for box in drawing.boxes if box.is_critical} == {0, 3, 4}
    assert [line.is_critical for line in drawing.lines] == [False, False, False, True, True]


def test_what_has_not_begun_is_expected_to_take_as_long_as_its_like() -> None:
    nodes = [
        took(0, 1), took(1, 100, group="slow"), took(2, 1, group="quick"),
        took(3, None, state="WAI", group="slow"), took(4, 5, state="RUN", group="quick"),
        took(5, None, state="WAI", group="quick"),
    ]  # fmt: skip
    edges = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)]
    drawing = graph.drawn(nodes, edges)
    assert drawing.critical is not None
    assert (drawing.critical.seconds, drawing.critical.is_known) == (101, True)
    nodes[4] = took(4, 500, state="RUN", group="quick")
    drawing = graph.drawn(nodes, edges)
    assert drawing.critical is not None
    assert [each.id for each in drawing.critical.nodes] == [0, 4, 5]
    assert (drawing.critical.seconds, drawing.critical.is_known) == (502, False)


def test_before_anything_began_the_longest_chain_is_critical() -> None:
    nodes = [took(number, None, state="WAI") for number in range(5)]
    assert critical(nodes, [(0, 1), (1, 2), (3, 4)]) == [0, 1, 2]
    assert critical(nodes, []) == []
    assert critical(nodes, [(0, 1), (1, 0)]) == []


def test_the_critical_path_is_marked_on_boxes_for_many() -> None:
    nodes = [took(0, 1)]
    nodes += [took(n, n, group="sim") for n in range(1, 1000)]
    nodes.append(took(1000, 1))
    edges = [(0, n) for n in range(1, 1000)] + [(n, 1000) for n in range(1, 1000)]
    drawing = graph.drawn(nodes, edges)
    assert drawing.is_grouped
    assert drawing.critical is not None
    assert [each.id for each in drawing.critical.nodes] == [0, 999, 1000]
    assert [box.is_critical for box in drawing.boxes] == [True] * 3
    assert [line.is_critical for line in drawing.lines] == [True] * 2
