"""The chain, link by link; each link is timed, and what it must show is looked at."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.clouds.e2e.portal import ChainPortal
from tests.clouds.e2e.side import Side

SIZE: Final = 4
LEAST: Final = 2
LONG_JOB_S: Final = 60
QUEUE: Final = 50
MOST_S: Final = 300
PAGE: Final = "admin/oceanid/cluster/"


@dataclass
class Figures:
    """What the chain shows."""

    links: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def link(self, name: str) -> Iterator[Callable[[str], None]]:
        """One link; what it found is told to what this gives."""
        began = time.monotonic()
        notes: list[str] = []
        try:
            yield notes.append
        except BaseException:
            self.tell(name, time.monotonic() - began, "FAILED")
            raise
        self.tell(name, time.monotonic() - began, "; ".join(notes))

    def tell(self, name: str, seconds: float, found: str) -> None:
        """Write one line down, and print it at once."""
        self.links.append((name, seconds, found))
        sys.stdout.write(f"{seconds:7.1f} s  {name:<26}  {found}\n")
        sys.stdout.flush()

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(seconds for _, seconds, _ in self.links)


class Chain:
    """The whole chain on one cloud.

    Args:
        side: The cloud.
        folder: Where all is put.
    """

    def __init__(self, side: Side, folder: Path) -> None:
        self.side, self.folder = side, folder
        self.figures = Figures()
        self.portal: ChainPortal
        self.page = ""
        self.queue = self.long = 0

    def run(self) -> None:
        """Everything, in order."""
        link = self.figures.link
        with link("emulator and portal") as found:
            self._start(found)
        began = time.monotonic()
        try:
            with link("credentials") as found:
                self._credentials(found)
            with link("plan") as found:
                self._plan(found)
            with link("create 1 + 3") as found:
                self._create(found)
            with link("shrink, 60 s job running") as found:
                self._shrink(found)
            with link("queue grows it") as found:
                self._grow(found)
            with link("job of the example app") as found:
                self._calibrate(found)
            with link("empty queue shrinks it") as found:
                self._rest(found)
            with link("stop") as found:
                self._stop(found)
            with link("start") as found:
                self._start_again(found)
            with link("delete, nothing left") as found:
                self._delete(found)
        finally:
            self.portal.close()
        whole = time.monotonic() - began
        self.figures.tell("all of it", whole, f"{len(self.side.calls())} calls, most {MOST_S} s")
        assert whole <= MOST_S, f"The chain took {whole:.0f} s; the most is {MOST_S} s."

    def _start(self, found: Callable[[str], None]) -> None:
        self.side.start(self.folder)
        self.portal = ChainPortal(self.folder / "portal", self.side.environment())
        found(self.portal.visitor.address)

    def _credentials(self, found: Callable[[str], None]) -> None:
        self.portal.visitor.send(
            f"admin/oceanid/setting/{self.side.cloud}/change/", self.side.credentials()
        )
        found("typed into Settings")

    def _plan(self, found: Callable[[str], None]) -> None:
        visitor, before = self.portal.visitor, set(self.side.remains())
        visitor.send(
            f"{PAGE}add/",
            {"name": "alps", "size": str(SIZE), "ssh_from": "10.0.0.0/8", **self.side.choices()},
        )
        self.page = f"{PAGE}{self.portal.cluster()['pk']}/"
        steps = self.portal.until("a look at what would fail", self._looked, within_s=30)
        bad = [step for step in steps if not step["ok"]]
        assert steps and not bad, bad
        assert "US$" in visitor.read(f"{self.page}watch/"), "The plan tells no cost."
        assert set(self.side.remains()) == before, "A plan makes nothing."
        found(f"{len(steps)} things looked at, all well")

    def _looked(self) -> Any:
        cluster = self.portal.cluster()
        return cluster["preflight"] if cluster["preflighted"] else None

    def _create(self, found: Callable[[str], None]) -> None:
        calls = len(self.side.calls())
        self._press("create")
        cluster = self._settles(SIZE, within_s=120)
        found(f"{self._made_since(calls)}; scheduler “{cluster['scheduler']}”")
        self.portal.visitor.send(
            "admin/oceanid/setting/cluster/change/", {"default_cluster": str(cluster["pk"])}
        )

    def _calibrate(self, found: Callable[[str], None]) -> None:
        self.portal.visitor.send("apps/hymod/", {"sets": "200", "processes": "6", "seed": "1"})
        done = self._job_ends(self.portal.ask("newest"), within_s=90)
        assert done["status"] == "Complete" and done["result"]["nse"] > 0, done
        assert done["scheduler"] == self.portal.cluster()["scheduler"], done
        page = self.portal.visitor.read(f"apps/hymod/{self.portal.ask('newest')}/")
        assert "<svg" in page, "The results have no pictures."
        found(f"efficiency {done['result']['nse']:.2f} on {len(done['hosts'])} machines")

    def _shrink(self, found: Callable[[str], None]) -> None:
        long = self.portal.ask("submit", name="long", seconds=LONG_JOB_S)
        self.portal.until(
            "the long job runs", lambda: "RUN" in self.portal.ask("job", pk=long)["tasks"],
            within_s=30,
        )  # fmt: skip
        host = self.portal.until("the pool tells where it runs", self._busy, within_s=40)
        self.portal.visitor.send(
            f"{self.page}resize/", {"size": str(LEAST)}, at=f"{self.page}resize/"
        )
        self._settles(LEAST, within_s=60)
        assert not self.portal.ask("job", pk=long)["final"], "It was to run while it shrank."
        assert host in {node["id"] for node in self.portal.cluster()["nodes"]}
        self.long = long
        found("two idle machines went, the busy one stayed")

    def _busy(self) -> str:
        return next((str(n["id"]) for n in self.portal.cluster()["nodes"] if n["jobs"]), "")

    def _grow(self, found: Callable[[str], None]) -> None:
        self.portal.visitor.send(
            f"{self.page}change/", {"min_size": str(LEAST), "max_size": str(SIZE)}
        )
        self.queue = self.portal.ask("submit", name="queue", seconds=2, count=QUEUE)
        self._settles(SIZE, within_s=90)
        found(f"{QUEUE} jobs waited; {SIZE} machines run")

    def _rest(self, found: Callable[[str], None]) -> None:
        for pk in (self.queue, self.long):
            done = self._job_ends(pk, within_s=90)
            assert done["status"] == "Complete", done
            assert done["attempt"] == 1, "A job was killed for a shrinking."
        self._settles(LEAST, within_s=120)
        found(f"the 60 s job and {QUEUE} others ended at their first try")

    def _stop(self, found: Callable[[str], None]) -> None:
        self._press("stop")
        self.portal.until(
            "it is stopped", lambda: self.portal.cluster()["code"] == "STO", within_s=60
        )
        nodes = self.portal.cluster()["nodes"]
        assert [(node["role"], node["running"]) for node in nodes] == [("MAS", False)], nodes
        found("the master keeps its disk, the workers are gone")

    def _start_again(self, found: Callable[[str], None]) -> None:
        self._press("start")
        self._settles(LEAST, within_s=90)
        done = self._job_ends(self.portal.ask("submit", name="again", seconds=1), within_s=60)
        assert done["status"] == "Complete", done
        found("and takes jobs")

    def _delete(self, found: Callable[[str], None]) -> None:
        self.portal.visitor.send("admin/oceanid/setting/cluster/change/", {"default_cluster": ""})
        calls = len(self.side.calls())
        self.portal.visitor.send(f"{self.page}delete/", {"name": "alps"})
        self.portal.until("it is gone", lambda: self.portal.ask("cluster") is None, within_s=90)
        left = self.side.remains()
        assert left == [], left
        found(f"{self._made_since(calls)}; nothing is left in the account")

    def _made_since(self, calls: int) -> str:
        made = self.side.calls()[calls:]
        looks = sum(self.side.is_look(each) for each in made)
        return f"{len(made) - looks} calls and {looks} looks"

    def _press(self, verb: str) -> None:
        page = f"{self.page}watch/" if verb == "create" else f"{self.page}{verb}/"
        self.portal.visitor.send(page, {}, at=f"{self.page}{verb}/")

    def _settles(self, machines: int, *, within_s: float) -> dict[str, Any]:
        """Wait until it runs with so many machines, all of them in its pool."""

        def look() -> Any:
            cluster = self.portal.cluster()
            nodes = cluster["nodes"]
            workers = [node for node in nodes if node["role"] == "WOR"]
            there = [n for n in nodes if n["running"] and not n["leaving"]]
            joined = all(node["joined"] for node in workers)
            is_calm = cluster["code"] in ("RUN",) and cluster["scheduler"]
            assert cluster["code"] not in ("FAI",), cluster
            return cluster if is_calm and joined and len(there) == len(nodes) == machines else None

        return dict(self.portal.until(f"{machines} machines", look, within_s=within_s))

    def _job_ends(self, pk: int, *, within_s: float) -> dict[str, Any]:
        def look() -> Any:
            told = self.portal.ask("job", pk=pk)
            return told if told["final"] else None

        return dict(self.portal.until(f"job {pk} ends", look, within_s=within_s))


def main(side: Side) -> None:
    """Run it; the exit status tells whether it showed what it must."""
    with tempfile.TemporaryDirectory(prefix="oceanid-chain-") as name:
        try:
            Chain(side, Path(name)).run()
        finally:
            side.close()
