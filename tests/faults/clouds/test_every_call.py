"""The supervisor is killed before and after every call of a cloud, and every call fails once."""

from __future__ import annotations

import pytest

from tests.faults.clouds.ground import Ground
from tests.faults.clouds.trial import VERBS, rehearse, survives
from tests.faults.figures import Figures

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rehearsal_of_everything_leaves_nothing(ground: Ground) -> None:
    calls = rehearse(ground)
    assert all(count > 0 for count, _ in calls.values())


@pytest.mark.parametrize("by", ["kill", "error"])
def test_it_ends_as_wanted_whole_and_once(ground: Ground, by: str, figures: Figures) -> None:
    calls = rehearse(ground)
    told = []
    for name in VERBS:
        count, whole = calls[name]
        struck = 0
        for call in range(count):
            for when in ("before", "after"):
                struck += survives(ground, name, call, when, whole, by=by)
        assert struck, f"{name} was never struck"
        told.append(f"{name} {struck}")
    told_all = ", ".join(told)
    figures.notes.append(f"{ground.cloud.title}, {by} at every call: {told_all}; all as wanted")
