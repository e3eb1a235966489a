"""A cluster whose row was lost is found by its tags, and taken up or taken down."""

from __future__ import annotations

import pytest

from oceanid.models import Cluster, Lease, Scheduler
from oceanid.states import Role
from tests.clouds.paper_house import PaperHouse


def lose(house: PaperHouse) -> Cluster:
    """Forget everything but what the cloud's tags say; the row as one would make it from them."""
    row = house.row
    house.die()
    kept = Cluster(
        uuid=row.uuid, account=row.account, name=row.name, size=3, blueprint=row.blueprint,
        state="CRE",
    )  # fmt: skip
    row.delete()
    Scheduler.objects.filter(name="alps").delete()
    Lease.objects.all().delete()
    return kept


def test_taken_up_it_is_whole_again_with_keys_that_are_known(house: PaperHouse) -> None:
    before = {each.id for each in house.state.machines}
    found = lose(house)
    found.wanted = "RUN"
    found.save()
    house.cluster = found
    house.settles()
    row = house.row
    assert row.state == "RUN" and row.scheduler is not None, house.told()
    assert len(house.machines(Role.MASTER)) == 1 and len(house.machines()) == 2
    assert not before & {each.id for each in house.state.machines}, "nobody knew their keys"
    assert len(house.state.groups) == 1


@pytest.mark.parametrize("force", [True, False])
def test_taken_down_nothing_is_left(house: PaperHouse, force: bool) -> None:
    found = lose(house)
    found.wanted, found.force, found.state = "DEL", force, "DEL"
    found.save()
    house.cluster = found
    house.gone()
    assert house.state.machines == [] and house.state.groups == []
