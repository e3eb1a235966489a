"""A portal beside a pool over SSH: 500 jobs go in, something breaks, and all is counted."""

from __future__ import annotations

import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.condor import Pool
from tests.faults.condor.machines import Machines
from tests.faults.figures import Figures
from tests.faults.load import Verdict, Wanted, judge, write_script
from tests.faults.place import Place
from tests.integration.running import eventually

JOBS = 500
TOGETHER = 125
WITHIN_S = 420.0


@dataclass(slots=True)
class Count:
    """What the ledger, which the jobs themselves write, says from outside.

    Args:
        verdict: What is doubled, lost or wrong. Doubled is what HTCondor was given twice.
        restarts: Runs that HTCondor itself began again after it lost a machine or a schedd.
    """

    verdict: Verdict
    restarts: int


class Grounds:
    """One home, its scheduler record of the pool, the pool's machines, and the load.

    Args:
        place: The home; a supervisor is to be started by the test.
        folder: A folder that this machine and all nodes have under the same path.
        machines: The pool's machines.
        figures: Where the count is written down.
        name: What the test is called in the figures.
    """

    def __init__(
        self, place: Place, folder: Path, machines: Machines, figures: Figures, name: str
    ) -> None:
        self.place, self.machines = place, machines
        self.ledger = folder / "ledger"
        self.script = write_script(folder)
        self.load: list[Wanted] = []
        self.ids: list[int] = []
        self._figures, self._name = figures, name
        self._began = time.monotonic()

    def record(self, engine: str = "htcondor", **config: Any) -> str:
        """Make the scheduler's record; the name of its lease."""
        whole = {**Pool.running().ssh, **config}
        return str(self.place.ask("scheduler", name="pool", engine=engine, config=whole))

    def supervise(self) -> subprocess.Popen[bytes]:
        """Start a supervisor."""
        return self.place.start("supervise")

    def wanted(self, count: int = JOBS, *, seconds: float = 1.0) -> list[Wanted]:
        """So many more jobs."""
        begin = len(self.load)
        return [
            Wanted(
                f"job-{number}", "plain", str(self.script), str(self.ledger),
                seconds=seconds, code=(0, 0, 0, 3)[number % 4],
            )
            for number in range(begin, begin + count)
        ]  # fmt: skip

    def submit(self, count: int = JOBS, *, seconds: float = 1.0) -> list[int]:
        """Execute jobs, some hundred at once; their ids."""
        return self.execute(self.wanted(count, seconds=seconds))

    def execute(self, more: Sequence[Wanted]) -> list[int]:
        """Execute these jobs, some hundred at once; their ids."""
        ids: list[int] = []
        for at in range(0, len(more), TOGETHER):
            some = [each.json for each in more[at : at + TOGETHER]]
            asked = self.place.ask("submit", load=some, together=True, scheduler="pool")
            ids += [asked[each["name"]] for each in some]
        self.load += more
        self.ids += ids
        return ids

    def until_begun(self, count: int) -> None:
        """Wait until so many jobs have begun."""
        eventually(
            lambda: self.begun() >= count, within_s=180, what=f"{count} begin\n{self.place.said}"
        )

    def begun(self) -> int:
        """How many jobs have begun."""
        return sum(line.startswith("B ") for line in self._lines())

    def ended(self) -> int:
        """How many jobs have ended."""
        return sum(line.startswith("E ") for line in self._lines())

    def active(self) -> int:
        """How many jobs have not ended by the database."""
        return int(self.place.ask("active", ids=self.ids))

    def health(self) -> str:
        """How the portal shows the scheduler."""
        return str(self.place.ask("health", name="pool")["health"])

    def all_end(
        self, *, but: Sequence[int] = (), may_restart: bool = False, note: str = ""
    ) -> None:
        """Wait for the end of all, and hold that nothing is lost, doubled, wrong or left over.

        Args:
            but: Jobs that may end otherwise; the test judges them.
            may_restart: Whether HTCondor had a reason to begin runs again.
            note: What else the figures should say.
        """
        self.place.wait_for_the_end(self.ids, within_s=WITHIN_S)
        count = self.count(but=but)
        verdict = count.verdict
        self._figures.notes.append(
            f"{self._name}: {verdict.processes} processes, {len(verdict.doubled)} duplicates, "
            f"{len(verdict.lost)} losses, {len(verdict.wrong)} wrong, {count.restarts} restarted "
            f"by HTCondor, {time.monotonic() - self._began:.0f} s{note and ', '}{note}"
        )
        assert verdict.is_good, f"{verdict}\n{self.place.said}"
        assert may_restart or not count.restarts, f"{count.restarts} began again"
        self.place.ask("order")
        eventually(
            lambda: not self.place.ask("batches"), within_s=120,
            what=f"the batches are forgotten: {self.place.ask('batches')}\n{self.place.said}",
        )  # fmt: skip
        queue = self.machines.jobs("OceanidBatch =!= undefined")
        assert queue == [], f"{queue} in the queue of batches that are forgotten"
        assert self.left() == ""

    def count(self, *, but: Sequence[int] = ()) -> Count:
        """Count what ran, by the jobs' own ledger."""
        spared = {
            wanted.name for job, wanted in zip(self.ids, self.load, strict=True) if job in but
        }
        lines = [line for line in self._lines() if _name_of(line) not in spared]
        ledger = self.ledger.with_name("judged")
        ledger.write_text("".join(f"{line}\n" for line in lines))
        outcome: dict[str, Any] = {}
        for at in range(0, len(self.ids), TOGETHER):
            outcome |= self.place.ask("outcome", ids=self.ids[at : at + TOGETHER])
        verdict = judge([each for each in self.load if each.name not in spared], ledger, outcome)
        jobs: defaultdict[str, set[str]] = defaultdict(set)
        for line in lines:
            if line.startswith("J "):
                _, label, job = line.split(" ", 2)
                jobs[label].add(job)
        again = len(verdict.doubled)
        due = Counter(label for each in self.load for label in each.labels.elements())
        verdict.doubled = sorted(label for label, by in jobs.items() if len(by) > due[label])
        return Count(verdict, again)

    def left(self) -> str:
        """What is left of batches on the submit host."""
        return self.machines.run("cd ~alice/.oceanid && find */b */lock */tmp -mindepth 1")

    def _lines(self) -> list[str]:
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []


def _name_of(line: str) -> str:
    """The job that a line of the ledger is of."""
    return line.split(" ")[1].rpartition("/")[0]
