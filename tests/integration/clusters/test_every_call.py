"""The supervisor dies before and after every call of the cloud, and each call fails once.

The driver is dropped there as it stands. With real processes, and on the emulated clouds, it is
done by ``make faults-clouds``.
"""

from __future__ import annotations

import pytest

from oceanid.services import clusters
from oceanid.states import Role
from tests.clouds.paper_house import PaperHouse
from tests.integration.clusters.conftest import MakeHouse

VERBS = {
    "create": ((), ("RUN", 1, 2)),
    "grow": (("create",), ("RUN", 1, 4)),
    "shrink": (("create",), ("RUN", 1, 0)),
    "stop": (("create",), ("STO", 0, 0)),
    "start": (("create", "stop"), ("RUN", 1, 2)),
    "delete": (("create",), ("", 0, 0)),
}


def do(house: PaperHouse, verb: str) -> None:
    """Say what is wanted."""
    row, boss = house.cluster, house.boss
    if verb in ("grow", "shrink"):
        clusters.resize(row, 5 if verb == "grow" else 1, boss)
    elif verb != "create":
        {"stop": clusters.stop, "start": clusters.start, "delete": clusters.delete}[verb](row, boss)


def stands_as_wanted(house: PaperHouse, verb: str) -> None:
    """What is there is what is wanted, once, and nothing else."""
    state, masters, workers = VERBS[verb][1]
    if not state:
        assert house.state.machines == [] and house.state.groups == [], house.told()
        return
    house.settles()
    assert house.row.state == state, house.told()
    assert len(house.machines(Role.MASTER)) == masters, house.told()
    assert len(house.machines()) == workers, house.told()
    stopped = [each for each in house.state.machines if not each.is_alive]
    assert len(stopped) == (state == "STO"), house.told()
    assert len(house.state.groups) == 1
    assert {each.cloud_id for each in house.nodes()} == {each.id for each in house.machines()}
    assert not house.row.launches.filter(is_over=False).exists(), house.told()
    assert house.state.killed == []


QUICK = {("create", "crash"), ("shrink", "crash")}
"""These are done with every change, the others by ``make faults-clouds``."""

ALL = [
    pytest.param(verb, act, marks=() if (verb, act) in QUICK else pytest.mark.faults)
    for verb in VERBS
    for act in ("crash", "unavailable", "denied")
]


@pytest.mark.parametrize(("verb", "act"), ALL)
def test_it_comes_to_what_is_wanted(make_house: MakeHouse, verb: str, act: str) -> None:
    trial, struck = 0, True
    for when in ("before", "after") if act != "denied" else ("before",):
        call, struck = 0, True
        while struck:
            trial += 1
            house = make_house(name=f"{verb}-{trial}")
            for earlier in VERBS[verb][0]:
                do(house, earlier)
                house.settles()
            house.world.arm(act, left=call, when=when)
            do(house, verb)
            if verb == "delete":
                house.gone()
            else:
                house.settles()
            struck = not house.state.armed
            house.world.disarm()
            stands_as_wanted(house, verb)
            if verb != "delete":
                clusters.delete(house.cluster, house.boss)
                house.gone()
                assert house.state.machines == [] and house.state.groups == []
            call += 1
        assert call > 3, f"{verb} was struck at {call - 1} calls"
