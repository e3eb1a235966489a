"""Whatever people wish, clouds do and supervisors suffer: what is wanted comes to be, once."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oceanid.errors import OceanidError
from oceanid.models import Cluster, ClusterEvent
from oceanid.services import clusters
from oceanid.states import CLUSTER_MOVES, ClusterState, MachineState, Role
from tests.clouds.paper_house import PaperHouse, offer
from tests.property.house import Crash

SMALL = st.integers(0, 9)
ACTS = ("crash", "crash", "unavailable", "throttled", "denied", "broken", "capacity")


class ClusterLives(RuleBasedStateMachine):
    """One cluster of paper, from its making on."""

    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._outer = transaction.atomic()
        self._outer.__enter__()
        self.house = PaperHouse(Path(tempfile.mkdtemp(dir=self.folder)), size=3)
        self.excused = False

    def teardown(self) -> None:
        """Everything comes to rest, and is there as it was wanted."""
        try:
            self.comes_to_rest()
            self.stands_as_wanted()
        finally:
            self.house.close()
            transaction.set_rollback(True)
            self._outer.__exit__(None, None, None)

    @property
    def is_there(self) -> bool:
        return Cluster.objects.filter(pk=self.house.cluster.pk).exists()

    # People

    @rule(size=st.integers(1, 6))
    def somebody_resizes(self, size: int) -> None:
        with suppress(OceanidError):
            clusters.resize(self.house.cluster, size, self.house.boss)

    @rule(name=st.sampled_from(["stop", "start", "start", "repair"]))
    def somebody_wishes(self, name: str) -> None:
        wish = {"stop": clusters.stop, "start": clusters.start, "repair": clusters.repair}[name]
        with suppress(OceanidError):
            wish(self.house.cluster, self.house.boss)

    @rule(size=st.integers(1, 6))
    def somebody_resizes_by_force(self, size: int) -> None:
        self.excused = True
        with suppress(OceanidError):
            clusters.resize(self.house.cluster, size, self.house.boss, force=True)

    @precondition(lambda self: self.is_there)
    @rule(chance=SMALL)
    def somebody_deletes(self, chance: int) -> None:
        if chance == 0:
            with suppress(OceanidError):
                clusters.delete(self.house.cluster, self.house.boss)

    @rule(count=st.integers(1, 4), looks=st.integers(1, 8))
    def jobs_come(self, count: int, looks: int) -> None:
        masters = [each for each in self.house.state.machines if each.role == Role.MASTER]
        if len(masters) == 1:
            self.house.submit(count, looks=looks)

    # The supervisor

    @precondition(lambda self: self.is_there)
    @rule(count=st.integers(1, 5))
    def rounds_go_by(self, count: int) -> None:
        for _ in range(count):
            if not self.is_there or not self.house.round():
                return

    @precondition(lambda self: self.is_there)
    @rule()
    def the_supervisor_dies(self) -> None:
        self.house.die()

    @precondition(lambda self: self.is_there)
    @rule(calls=SMALL, after=st.booleans())
    def the_supervisor_dies_in_the_middle(self, calls: int, after: bool) -> None:
        def die() -> None:
            raise Crash

        self.house.interrupt(calls, die, after=after)
        self.rounds_go_by(1)

    @precondition(lambda self: self.is_there)
    @rule(calls=SMALL, after=st.booleans(), size=st.integers(1, 6))
    def somebody_resizes_in_the_middle(self, calls: int, after: bool, size: int) -> None:
        self.house.interrupt(calls, lambda: self.somebody_resizes(size), after=after)
        self.rounds_go_by(1)

    @rule(minutes=st.integers(1, 20))
    def time_goes_by(self, minutes: int) -> None:
        self.house.pass_time(minutes=minutes)

    # The cloud

    @rule(act=st.sampled_from(ACTS), left=SMALL, when=st.sampled_from(["before", "after"]))
    def a_call_goes_wrong(self, act: str, left: int, when: str) -> None:
        # That there is no room is said before anything is done, and only to orders.
        only = "launch" if act == "capacity" else ""
        when = "before" if act == "capacity" else when
        self.house.world.arm(act, left=0 if only else left, when=when, only=only)

    @rule(fate=st.sampled_from(["mute", "fails", "well"]))
    def one_that_comes_is_bad(self, fate: str) -> None:
        with self.house.world.open() as state:
            state.fates.append(fate)

    @rule(room=st.integers(0, 3))
    def room_is_short(self, room: int) -> None:
        with self.house.world.open() as state:
            state.room = {"*": room}

    @rule()
    def there_is_room(self) -> None:
        with self.house.world.open() as state:
            state.room = {}

    @rule(which=SMALL)
    def a_machine_dies(self, which: int) -> None:
        with self.house.world.open() as state:
            if not state.machines:
                return
            machine = state.machines[which % len(state.machines)]
            # Its job is lost with it; with a master all of its queue is.
            self.excused |= machine.role == Role.MASTER
            killed = list(state.killed)
            state.strike(machine)
            state.killed = killed
            machine.state, machine.looks = MachineState.ENDING, 0

    # What must hold

    @invariant()
    def no_running_job_was_killed(self) -> None:
        assert self.excused or not self.house.state.killed, self.house.told()

    @invariant()
    def states_move_as_the_table_says(self) -> None:
        words = {word: state for state, word in Cluster.STATES}
        before = ClusterState.PREPARED
        for event in ClusterEvent.objects.filter(kind="state").order_by("id"):
            said = [word for word in words if event.message.startswith(str(word))]
            after = ClusterState(words[max(said, key=lambda word: len(str(word)))])
            assert after in CLUSTER_MOVES[before], self.house.told()
            before = after

    def comes_to_rest(self) -> None:
        house = self.house
        house.world.disarm()
        with house.world.open() as state:
            state.room, state.fates = {}, []
            for each in state.machines:
                each.fate = "well"
        for turn in range(400):
            if not self.is_there or not house.round():
                return
            row = house.row
            if turn % 20 == 19:
                house.pass_time(minutes=16)
                if row.wanted == "RUN":
                    clusters.repair(house.cluster, house.boss)
            if self._is_at_rest(row):
                return
        raise AssertionError(f"It never comes to rest.\n{house.told()}")

    def _is_at_rest(self, row: Cluster) -> bool:
        goal = {"RUN": "RUN", "STO": "STO"}.get(row.wanted)
        return row.state == goal and row.repair_wanted_at is None and not row.message

    def stands_as_wanted(self) -> None:
        house, state = self.house, self.house.state
        if not self.is_there:
            assert state.machines == [] and state.groups == [], house.told()
            return
        row = house.row
        runs = row.wanted == "RUN"
        masters = [each for each in state.machines if each.role == Role.MASTER]
        assert len(masters) <= 1 and bool(masters) >= runs, house.told()
        alive = [each for each in state.machines if each.is_alive]
        assert len(alive) == (row.size if runs else 0), house.told()
        known = {each.cloud_id for role in Role for each in house.nodes(role)}
        assert known == {each.id for each in alive}, house.told()


def test_no_life_of_a_cluster_leads_astray(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    ClusterLives.folder = tmp_path
    is_long = settings.get_current_profile_name() == "long"
    many = int(os.environ.get("OCEANID_EXAMPLES", "2000"))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ClusterLives,
        settings=settings(
            max_examples=many if is_long else 8,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
