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
