"""The fence's scripts, with programs of HTCondor's names that a test steers: what broke off is
finished, in the order of its parts, and nothing is told that nobody knows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oceanid.engines.htcondor.fencescript import SETTLE

BATCH = "11111111-2222-3333-4444-555555555555"
PROGRAMS = {
    "condor_submit": """\
for last; do :; done
echo "$last" >>"$D/submitted"
if grep -qx "$last" "$D/refuses" 2>/dev/null; then cat "$D/words" >&2; exit 1; fi
n=$(($(cat "$D/next") + 1)); echo $n >"$D/next"
echo "$n.0 - $n.1"
""",
    "condor_q": """\
[ ! -e "$D/away" ] || { echo "Can't find address of local schedd" >&2; exit 1; }
case "$*" in *-factory*) cat "$D/factories" ;; *) cat "$D/queue" ;; esac 2>/dev/null
:
""",
    "condor_history": 'cat "$D/history" 2>/dev/null; :\n',
    "condor_rm": 'echo rm >>"$D/removed"; [ ! -e "$D/away" ]\n',
}


class Host:
    """Oceanid's directory on a submit host, with one batch whose submission broke off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("lock", "grave", "b", "log", "tmp", "bin", "dag"):
            (folder / name).mkdir()
        for name, text in PROGRAMS.items():
            program = folder / "bin" / name
            program.write_text(f"#!/bin/sh\nD={folder}\n{text}")
            program.chmod(0o755)
        (folder / "next").write_text("100")
        self.batch = folder / "b" / BATCH
        self.batch.mkdir()
        (self.batch / "started").write_text("1790000000\n")

    def part(self, at: int, *numbers: int, more: str = "") -> None:
        """One part of the batch: its tasks' numbers."""
        rows = "".join(f"{number},key.{number}\n" for number in numbers)
        (self.batch / f"submit.{at}").write_text(f"{more}queue n,key from (\n{rows})\n")

    def tell(self, name: str, text: str) -> None:
        """Steer the programs."""
        (self.folder / name).write_text(text)

    def settle(self) -> list[str]:
        """What the script says, in lines."""
        done = subprocess.run(
            ["sh", "-c", f"B={BATCH}\n{SETTLE}"], cwd=self.folder, text=True, capture_output=True,
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}, timeout=30,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    @property
    def submitted(self) -> list[str]:
        """What condor_submit was called with."""
        path = self.folder / "submitted"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A submit host."""
    return Host(tmp_path)


def note(cluster: int, proc: int, number: int, *, kind: str = "000") -> str:
    """An event of the log."""
    head = f"{kind} ({cluster:03}.{proc:03}.000) 2026-11-26 04:19:47 Job submitted from host: <x>"
    return f"{head}\n    oceanid {BATCH} {number} key.{number}\n...\n"


def test_only_what_is_missing_is_submitted_and_the_clusters_keep_their_order(host: Host) -> None:
    for at in range(12):
        host.part(at, 2 * at, 2 * at + 1)
    # One by the log (of its second job, the first event is lost), one in the queue, one over.
    host.tell("log/a", "001 (torn\n" + note(41, 1, 21) + note(7, 0, 3).replace(BATCH, "other"))
    host.tell("queue", "9 6\n9 7\n")
    host.tell("history", "8 4\n")
    assert host.settle() == [
        "answer", "1790000000",
        "101.0 - 101.1", "102.0 - 102.1", "8.0 - 8.1", "9.0 - 9.1", "103.0 - 103.1",
        "104.0 - 104.1", "105.0 - 105.1", "106.0 - 106.1", "107.0 - 107.1", "108.0 - 108.1",
        "41.0 - 41.1", "109.0 - 109.1",
    ]  # fmt: skip
    there = {"submit.2", "submit.3", "submit.10"}
    assert host.submitted == [f"submit.{n}" for n in range(12) if f"submit.{n}" not in there]
    answer = host.settle()
    assert answer[0] == "answer" and len(host.submitted) == 9, "it is finished once"


@pytest.mark.parametrize("where", ["log", "queue", "factories"])
def test_a_factory_is_found_that_has_made_no_job_yet(host: Host, where: str) -> None:
    host.part(0, 0, 1, 2, more="max_materialize = 3\n")
    if where == "log":
        host.tell("log/a", note(5, -1, 0, kind="035"))
    else:
        host.tell(where, "5 0\n")
    assert host.settle() == ["answer", "1790000000", "5.0 - 5.2"]
    assert host.submitted == []


def test_what_was_never_begun_is_given_up(host: Host) -> None:
    host.part(0, 0)
    host.part(1, 1)
    assert host.settle() == ["dead"]
    assert host.submitted == [] and not host.batch.exists()
    assert (host.folder / "grave" / BATCH).read_text() == ""


@pytest.mark.parametrize("found", [True, False])
def test_while_the_schedd_is_away_nothing_is_known(host: Host, found: bool) -> None:
    host.part(0, 0)
    host.part(1, 1)
    host.tell("away", "")
    if found:
        host.tell("log/a", note(5, 0, 0))
    assert host.settle()[0] == "unknown"
    assert host.submitted == [] and host.batch.exists()
    (host.folder / "away").unlink()
    assert host.settle()[0] == ("answer" if found else "dead")


def test_a_queue_that_is_full_is_tried_again(host: Host) -> None:
    host.part(0, 0)
    host.part(1, 1)
    host.tell("queue", "5 0\n")
    host.tell("refuses", "submit.1\n")
    host.tell("words", "ERROR: Number of submitted jobs would exceed MAX_JOBS_PER_OWNER\n")
    assert host.settle()[0] == "unknown"
    assert not (host.folder / "removed").exists()
    (host.folder / "refuses").unlink()
    assert host.settle() == ["answer", "1790000000", "5.0 - 5.0", "101.0 - 101.1"]


def test_a_refusal_takes_the_rest_away_and_its_words_are_kept(host: Host) -> None:
    host.part(0, 0)
    host.part(1, 1)
    host.tell("queue", "5 0\n")
    host.tell("refuses", "submit.1\n")
    host.tell("words", "ERROR: not here\n")
    assert host.settle() == ["dead", "ERROR: not here"]
    assert host.submitted == ["submit.1", "submit.1"], "it is believed the second time"
    assert (host.folder / "removed").exists()
    assert host.settle() == ["dead", "ERROR: not here"]


def test_a_part_of_a_disk_that_was_full_is_no_refusal(host: Host) -> None:
    host.part(0, 0)
    host.part(1, 1)
    host.tell("queue", "5 0\n")
    host.tell("refuses", "submit.1\n")
    host.tell("words", "")
    assert host.settle()[0] == "unknown", "a failure without a word tells nothing"


def test_jobs_of_a_workflow_are_not_taken_for_dagman(host: Host) -> None:
    (host.batch / "submit.0").write_text("executable = condor_dagman\nqueue\n")
    (host.batch / "dagman").write_text("7\n")
    (host.batch / "workflow.dag").write_text("")
    host.tell("queue", "6 0\n5 7\n6 1\n")
    assert host.settle() == ["answer", "1790000000", "5.0 - 5.0"]


def test_who_holds_the_lock_is_not_disturbed(host: Host, request: pytest.FixtureRequest) -> None:
    host.part(0, 0)
    holder = subprocess.Popen(
        ["sh", "-c", f"exec 9>>lock/{BATCH}; flock 9; echo held; read x"], cwd=host.folder,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    end: Callable[[], object] = holder.communicate
    request.addfinalizer(end)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert host.settle() == ["unknown"]
    assert host.batch.exists()
