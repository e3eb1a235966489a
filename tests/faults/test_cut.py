"""PostgreSQL goes away under a supervisor, again and again, and comes back."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.conftest import MakePlace
from tests.faults.figures import Figures
from tests.faults.load import judge, mixed

CUTS = 6


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module")
def test_every_job_runs_once_although_all_connections_are_cut(
    make_place: MakePlace, database: str, chance: random.Random, figures: Figures
) -> None:
    place = make_place()
    place.migrate()
    supervisor = place.start("supervise")
    ledger = place.folder / "ledger"
    load = mixed(chance, name="cut", script=place.script, ledger=ledger)[:80]
    ids = list(place.ask("submit", load=[each.json for each in load], together=True).values())
    cut = 0
    for _ in range(CUTS):
        time.sleep(chance.uniform(0.1, 1.5))
        cut += place.ask("cut")
    place.wait_for_the_end(ids, within_s=120)
    verdict = judge(load, ledger, place.ask("outcome", ids=ids))
    figures.notes.append(
        f"{database}: {cut} connections cut, {len(verdict.doubled)} duplicates, "
        f"{len(verdict.lost)} losses"
    )
    assert cut
    assert verdict.is_good, f"{verdict}\n{place.said}"
    assert supervisor.poll() is None
    assert not place.no_orphans()
    place.ask("order")
