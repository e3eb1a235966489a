"""Supervisor, web server and their parent are killed at random moments while jobs go through."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

from tests.faults.figures import Figures, Rounds
from tests.faults.load import Wanted, judge, mixed
from tests.faults.place import Place, Portal, Visitor, kill
from tests.integration.running import eventually

KINDS = ("supervisor", "supervisor", "web server", "both", "both", "parent", "everything")
BY_BUTTON = 8
TOGETHER = 70
WITHIN_S = 240.0


def test_every_job_runs_exactly_once_whatever_is_killed(
    lasting_place: Place, number: int, database: str, chance: random.Random, figures: Figures
) -> None:
    place = lasting_place
    began = time.monotonic()
    rounds = figures.rounds.setdefault(database, Rounds())
    ledger = place.folder / f"ledger-{number}"
    load = mixed(chance, name=f"r{number}", script=place.script, ledger=ledger)
    killer = Killer(place, chance)
    killer.start()
    ids = _submit(place, load, killer)
    killer.join()
    place.wait_for_the_end(ids, within_s=WITHIN_S)
    outcome = place.ask("outcome", ids=ids)
    orphans = place.no_orphans()
    verdict = judge(load, ledger, outcome)
    _all_forgotten(place)
    place.ask("order")
    page = killer.visitor.read(killer.portal.answers(), "compute/jobs/")
    killer.portal.stop()
    left = [str(each) for each in place.processes()]

    rounds.done += 1
    rounds.kills += killer.kills
    rounds.jobs += len(load)
    rounds.processes += verdict.processes
    rounds.duplicates += len(verdict.doubled)
    rounds.losses += len(verdict.lost)
    rounds.wrong += len(verdict.wrong)
    rounds.orphans += len(orphans) + len(left)
    rounds.seconds.append(time.monotonic() - began)
    assert verdict.is_good, f"{killer.told}\n{verdict}\n{place.said}"
    assert not orphans, f"{killer.told}\n{orphans}"
    assert not left, f"{killer.told}\n{left}"
    assert f"r{number}-" in page


def _submit(place: Place, load: Sequence[Wanted], killer: Killer) -> list[int]:
    """Bring the load in by every way: together, one by one, and by a page's button."""
    buttons = [each for each in load if each.kind == "plain"][-BY_BUTTON:]
    others = [each for each in load if each not in buttons]
    drafts = place.ask("draft", load=[each.json for each in buttons])
    killer.press(list(drafts.values()))
    ids = list(drafts.values())
    for part, together in ((others[:TOGETHER], True), (others[TOGETHER:], False)):
        ids += place.ask("submit", load=[each.json for each in part], together=together).values()
    return ids


def _all_forgotten(place: Place) -> None:
    """When all has ended, neither the database nor the engine keeps anything of its batches."""
    eventually(
        lambda: not place.ask("batches") and not place.ask("litter"),
        within_s=30, what=f"{place.ask('batches')} {place.ask('litter')} go",
    )  # fmt: skip


class Killer(threading.Thread):
    """Keeps a portal up, kills parts of it at random moments, and presses buttons meanwhile."""

    def __init__(self, place: Place, chance: random.Random) -> None:
        super().__init__(name="killer")
        self.visitor = Visitor(place.ask("session"))
        self.kills: Counter[str] = Counter()
        self.told: list[str] = []
        self._place = place
        self._plan = sorted(
            (round(chance.uniform(0.8, 6.5), 2), chance.choice(KINDS))
            for _ in range(chance.randint(2, 4))
        )
        self._pressing: list[threading.Thread] = []
        self.portal = place.up()

    def run(self) -> None:
        """Follow the plan."""
        began = time.monotonic()
        for at, kind in self._plan:
            time.sleep(max(0.0, began + at - time.monotonic()))
            self._kill(kind)
            self.told.append(f"{time.monotonic() - began:.2f} s: {kind}")
        for each in self._pressing:
            each.join()

    def press(self, jobs: list[int]) -> None:
        """Execute drafts by their pages' buttons, again and again until the server answers."""
        thread = threading.Thread(target=self._press, args=(jobs,), name="visitor")
        self._pressing.append(thread)
        thread.start()

    def _press(self, jobs: list[int]) -> None:
        for job in jobs:
            until = time.monotonic() + WITHIN_S
            while time.monotonic() < until:
                try:
                    self.visitor.press(self.portal.answers(), job, "execute")
                    break
                except (OSError, AssertionError):
                    time.sleep(0.1)

    def _kill(self, kind: str) -> None:
        portal = self.portal
        if kind in ("supervisor", "both", "everything"):
            self.kills["supervisors"] += kill(portal.supervisor)
        if kind in ("web server", "both", "everything"):
            self.kills["web servers"] += kill(portal.web_server)
        if kind in ("parent", "everything"):
            self.kills["parents"] += kill(portal.process)
            portal.process.wait()
            self.portal: Portal = self._place.up()
