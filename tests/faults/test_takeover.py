"""Several supervisors: nothing runs twice, and when one dies another takes over in time."""

from __future__ import annotations

import random
import time

from tests.faults.conftest import MakePlace
from tests.faults.figures import Figures
from tests.faults.load import Wanted, judge
from tests.faults.place import Place, command_of, kill
from tests.integration.running import eventually

WITHIN_S = 15.0
ROUNDS = 3


def _load(place: Place, name: str, count: int, seconds: float) -> list[Wanted]:
    ledger = str(place.folder / f"{name}.ledger")
    return [
        Wanted(f"{name}-{number}", "plain", str(place.script), ledger, seconds=seconds)
        for number in range(count)
    ]


def _submit(place: Place, load: list[Wanted]) -> list[int]:
    asked = place.ask("submit", load=[each.json for each in load], together=True)
    return list(asked.values())


def _finish(place: Place, load: list[Wanted], ids: list[int]) -> None:
    place.wait_for_the_end(ids, within_s=120)
    verdict = judge(load, place.folder / f"{load[0].name.rpartition('-')[0]}.ledger",
                    place.ask("outcome", ids=ids))  # fmt: skip
    assert verdict.is_good, f"{verdict}\n{place.said}"


def test_two_supervisors_run_nothing_twice_and_share_the_leases(make_place: MakePlace) -> None:
    place = make_place()
    place.migrate()
    for _ in range(2):
        place.start("supervise")
    load = _load(place, "both", 100, 0.02)
    _finish(place, load, _submit(place, load))
    holders = place.ask("holders")
    assert {"house", "results"} < set(holders), holders
    assert set(holders.values()) <= {each.pid for each in place.started}
    assert not place.no_orphans()
    place.ask("order")


def test_when_one_is_killed_the_other_takes_over_in_fifteen_seconds(
    make_place: MakePlace, database: str, figures: Figures, chance: random.Random
) -> None:
    place = make_place(settings="[OCEANID.LOCAL]\nCPUS = 2\nDISK_RESERVE_MIB = 1\n")
    place.migrate()
    for _ in range(2):
        place.start("supervise")
    for number in range(ROUNDS):
        load = _load(place, f"kill{number}", 60, 0.3)
        ids = _submit(place, load)
        ledger = place.folder / f"kill{number}.ledger"
        eventually(ledger.exists, within_s=30, what="the first job")
        lease = next(name for name in place.ask("holders") if name.startswith("scheduler:"))
        time.sleep(chance.uniform(0, 3))  # anywhere between two renewals
        victim = place.ask("holders")[lease]
        others = {each.pid for each in place.started if each.poll() is None} - {victim}
        process = next(each for each in place.started if each.pid == victim)
        kill(process)
        killed = time.monotonic()
        process.wait()
        eventually(
            lambda there=others, what=lease: place.ask("holders").get(what) in there,
            within_s=60, what="a new holder",
        )  # fmt: skip
        probe = _load(place, f"probe{number}", 1, 0)
        took = time.monotonic() - killed
        figures.takeovers.setdefault(database, []).append(took)
        assert took <= WITHIN_S
        _finish(place, load, ids)
        _finish(place, probe, _submit(place, probe))
        place.start("supervise")
    place.ask("order")
    assert not place.no_orphans()


def test_a_killed_runner_ends_its_job_with_a_reason_and_the_rest_run_once(
    make_place: MakePlace,
) -> None:
    place = make_place()
    place.migrate()
    place.start("supervise")
    ledger = str(place.folder / "runner.ledger")
    victim = Wanted("victim", "plain", str(place.script), ledger, seconds=600)
    (job,) = _submit(place, [victim])
    eventually(lambda: place.ask("state", job=job)["tasks"], within_s=30, what="its task")
    eventually(lambda: place.ask("state", job=job)["status"] == "Running", within_s=30, what="runs")
    kill(next(each for each in place.workers() if "from runner.main" in command_of(each)))
    place.wait_for_the_end([job], within_s=30)
    told = place.ask("state", job=job)
    assert told["status"] == "Error", told["told"]
    assert told["code"] == "runner-lost"
    assert "killed" in told["message"]
    assert told["hint"]
    assert not place.no_orphans()
    place.ask("order")
    load = _load(place, "later", 10, 0)
    _finish(place, load, _submit(place, load))
