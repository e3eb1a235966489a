"""The supervisor is killed before and after every call of a cloud, and every call fails once."""

from __future__ import annotations

import logging

import pytest

from tests.faults.clouds.ground import Ground
from tests.faults.clouds.trial import VERBS, rehearse, survives
from tests.faults.figures import Figures

told = logging.getLogger(__name__)
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rehearsal_of_everything_leaves_nothing(ground: Ground) -> None:
    for path in (("create", "grow", "delete"), ("create", "shrink", "delete"),
                 ("create", "stop", "start", "delete")):  # fmt: skip
        count, _ = rehearse(ground, *path)
        assert count > 0


@pytest.mark.parametrize("by", ["kill", "error"])
@pytest.mark.parametrize("name", VERBS)
def test_it_ends_as_wanted_whole_and_once(
    ground: Ground, name: str, by: str, figures: Figures
) -> None:
    count, whole = rehearse(ground, *VERBS[name].before, name)
    struck = 0
    for call in range(count):
        for when in ("before", "after"):
            told.info(
                "%s, %s: %s %s call %s of %s", ground.cloud.title, name, by, when, call, count
            )
            try:
                struck += survives(ground, name, call, when, whole, by=by)
            except AssertionError as problem:
                problem.add_note(f"Struck {when} call {call} of {count}.")
                raise
    assert struck, "it was never struck"
    what = f"{ground.cloud.title}, {name}: {struck} times struck by a {by}, before and after"
    figures.notes.append(f"{what} each of its calls; all as wanted")
