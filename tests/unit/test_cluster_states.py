"""The states of clusters: one finite table, and every state can be left or is the last."""

from __future__ import annotations

from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint, Shape
from oceanid.states import CLUSTER_MOVES, ClusterState, cluster_can_move


def test_every_state_has_its_moves_and_none_leads_to_itself() -> None:
    assert set(CLUSTER_MOVES) == set(ClusterState)
    for before, after in CLUSTER_MOVES.items():
        assert before not in after


def test_from_every_state_a_cluster_can_be_deleted_and_from_none_made_unprepared() -> None:
    for state in ClusterState:
        assert state is ClusterState.DELETING or cluster_can_move(state, ClusterState.DELETING)
        assert not cluster_can_move(state, ClusterState.PREPARED)


def test_what_is_being_deleted_is_never_anything_else() -> None:
    assert CLUSTER_MOVES[ClusterState.DELETING] == frozenset()


def test_from_every_other_state_a_cluster_can_run_again() -> None:
    for state in set(ClusterState) - {ClusterState.DELETING, ClusterState.RUNNING}:
        reached, edge = {state}, {state}
        while edge:
            edge = {after for each in edge for after in CLUSTER_MOVES[each]} - reached
            reached |= edge
        assert ClusterState.RUNNING in reached


def test_a_blueprint_is_read_as_it_was_written() -> None:
    blueprint = Blueprint(
        "r", "mi", "mt", "ni", "nt", zones=("a", "b"), node_shape=Shape(8, 64), more={"vpc": "v"}
    )
    data = blueprints.written(blueprint)
    assert blueprints.read(data | {"of_a_later_version": 1}) == blueprint
    assert blueprints.read({**data, "zones": []}).zones == ()
