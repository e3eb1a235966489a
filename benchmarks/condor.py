"""HTCondor over SSH: Oceanid, condorpy and bare commands, side by side on one pool.

    python tools/with_condor.py python -m benchmarks.condor [--rounds 5] [--smoke]

Prints each figure with its limit; the exit code is 1 when one falls short.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import psutil

from benchmarks import condor_pool, throwaway
from benchmarks.condor_pool import PoolHost
from benchmarks.figures import Rounds, Verdict

SIDE: Final = Path(__file__).with_name("condorpy_side.py")
CONDORPY: Final = "OCEANID_BENCH_CONDORPY"
PARTS: Final = ("condorpy", "bulk", "looks", "memory")
SCRIPT: Final = "#!/bin/sh\nexit 0\n"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Args:
        condorpy: Jobs that condorpy submits one by one.
        few: Jobs set against condorpy's.
        many: Jobs set against one bare condor_submit, and looked at.
        samples: Looks, and log lines whose way is timed.
        active: Tasks under way while memory is looked at.
    """

    condorpy: int = 15
    few: int = 1000
    many: int = 10_000
    samples: int = 10
    active: int = 100_000


SMOKE = Size(condorpy=2, few=20, many=100, samples=2, active=300)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="small numbers, no limits")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part only")
    given = parser.parse_args()
    size, rounds = (SMOKE, 1) if given.smoke else (Size(), given.rounds)
    verdict = Verdict(binding=not given.smoke)
    with throwaway.home() as home, condor_pool.reached(home) as host:
        bench = Bench(home, host, size)
        with throwaway.supervisor() as supervisor:
            parts: dict[str, Callable[[], None]] = {
                "condorpy": lambda: bench.one_by_one(verdict),
                "bulk": lambda: bench.in_bulk(rounds, verdict),
                "looks": lambda: bench.looks(supervisor.pid, verdict),
                "memory": lambda: bench.memory(supervisor.pid, verdict),
            }
            bench.begin()
            for name in given.only or PARTS:
                parts[name]()
    return verdict.exit_code()


class Bench:
    """One portal with one supervisor on one pool."""

    def __init__(self, home: Path, host: PoolHost, size: Size) -> None:
        from django.contrib.auth.models import User

        self.home, self.host, self.size = home, host, size
        self.user = User.objects.create_user("bench")
        self.script = home / "run.sh"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.pool = condor_pool.record(host)
        self.base = f".oceanid/{self.pool.uuid}"

    def begin(self) -> None:
        """The first connection and the first job are nobody's figure."""
        self._submit(1)
        self._clear()

    def one_by_one(self, verdict: Verdict) -> None:
        """1,000 jobs against condorpy's job-by-job way, each with a program that goes along."""
        each = self._condorpy()
        self.host.empty()
        program = {"executable": str(self.script), "transfer_executable": True}
        seconds = []
        for _ in range(3):
            seconds.append(self._submit(self.size.few, **program))
            self._clear()
        ours = median(seconds)
        verdict.at_least(
            f"{self.size.few} jobs: times faster than condorpy", each * self.size.few / ours, 300,
            f"{ours:.2f} s; condorpy {each:.3f} s a job ({self.size.condorpy} jobs)",
        )  # fmt: skip

    def in_bulk(self, rounds: int, verdict: Verdict) -> None:
        """10,000 jobs, from committed intent to saved handles, against one condor_submit."""
        count = self.size.many
        self._submit(count)
        text = self._description(count)
        self._clear()
        measured = Rounds()
        measured.run(
            rounds, {"bare": lambda: self._bare(text), "ours": lambda: self._submitted(count)}
        )
        verdict.at_least(
            f"{count} jobs: rate against one bare condor_submit",
            measured.ratio("bare", "ours"), 0.6,
            f"{measured.median('ours'):.2f} s, bare {measured.median('bare'):.2f} s",
        )  # fmt: skip

    def looks(self, pid: int, verdict: Verdict) -> None:
        """10 of 10,000 active jobs change: what it costs to see that."""
        from oceanid.models import Batch, Task

        self.host.count_sessions()
        self._submit(1, num_jobs=self.size.many)
        handle = Batch.objects.filter(state="SNT").latest("created_at").handle
        some = " ".join(f"{handle['clusters'][0]}.{number}" for number in range(10))
        process = psutil.Process(pid)
        cpu, commands = [], []
        for number in range(self.size.samples):
            verb, state = ("hold", "HLD") if number % 2 == 0 else ("release", "SUB")
            self._quiet(process)
            changed = Task.objects.filter(state="HLD")
            want = 10 if state == "HLD" else 0
            before, begun = self.host.sessions(), _cpu(process)
            self.host.run(f"condor_{verb} {some} >/dev/null")
            throwaway.until(_counts(changed, want), within_s=60, what="the change")
            cpu.append(_cpu(process) - begun)
            # The change itself was a command of ours, and so is the count.
            commands.append(self.host.sessions() - before - 2)
        verdict.at_most(
            f"10 of {self.size.many} changed: CPU of the supervisor, ms", median(cpu) * 1000, 50,
            f"most {max(cpu) * 1000:.0f} ms",
        )  # fmt: skip
        verdict.at_most(
            "remote commands for it beside the followed stream", median(commands), 0,
            f"in all {sum(commands)} in {len(commands)} looks",
        )  # fmt: skip
        begun, before, since = _cpu(process), self.host.sessions(), perf_counter()
        time.sleep(60 if verdict.binding else 3)
        spent, took = _cpu(process) - begun, perf_counter() - since
        came = self.host.sessions() - before - 1
        print(
            f"        with {self.size.many} active and nothing changing, a minute costs "
            f"{spent * 60 / took:.2f} s of CPU and {came * 60 / took:.1f} commands",
            flush=True,
        )
        self._lines(verdict)
        self._clear()

    def _lines(self, verdict: Verdict) -> None:
        """From a line in HTCondor's log to the database, with those 10,000 active."""
        from oceanid.models import Batch, Task

        batch = Batch.objects.filter(state="SNT").latest("created_at")
        task = Task.objects.get(batch=batch, proc=0)
        moments: list[float] = []
        stop = threading.Event()

        def watch() -> None:
            from django.db import connection

            state = task.state
            while not stop.is_set():
                now = Task.objects.values_list("state", flat=True).get(pk=task.pk)
                if now != state:
                    moments.append(time.time())
                    state = now
                time.sleep(0.005)
            connection.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        job = f"{batch.handle['clusters'][0]}.0"
        written = [float(line) for line in self.host.run(
            f"cd {self.base} || exit 1; for n in $(seq {self.size.samples}); do\n"
            "s=$(stat -c %s log/*)\n"
            f"v=hold; [ $((n % 2)) = 1 ] || v=release; condor_$v {job} >/dev/null 2>&1 &\n"
            'while [ "$(stat -c %s log/*)" = "$s" ]; do sleep 0.005; done\n'
            "date +%s.%N; wait; sleep 2.3\ndone"
        ).split()]  # fmt: skip
        stop.set()
        watcher.join()
        if len(moments) != len(written):
            raise SystemExit(f"{len(written)} changes were logged and {len(moments)} seen.")
        late = [seen - line for seen, line in zip(moments, written, strict=True)]
        verdict.at_most(
            "from a line of the log to the database, s", median(late), 1, f"most {max(late):.2f} s"
        )

    def memory(self, pid: int, verdict: Verdict) -> None:
        """How large the supervisor grows while 100,000 tasks are active."""
        seconds = self._submit(1, num_jobs=self.size.active)
        time.sleep(45 if verdict.binding else 3)
        told = Path(f"/proc/{pid}/status").read_text().split()
        most, now = (int(told[told.index(name) + 1]) / 1024 for name in ("VmHWM:", "VmRSS:"))
        verdict.at_most(
            f"memory of the supervisor with {self.size.active} active, MB",
            most * 1.048576, 250, f"now {now * 1.048576:.0f} MB; submitted in {seconds:.0f} s",
        )  # fmt: skip

    def _condorpy(self) -> float:
        """Seconds of one job by condorpy."""
        python = os.environ.get(CONDORPY)
        if not python:
            raise SystemExit(f"{CONDORPY} names no Python: make bench-condor makes one.")
        key, port = self.host.rsa_door()
        told = {
            "folder": str(self.home), "jobs": self.size.condorpy + 1, "files": ["run.sh"],
            "host": self.host.options["host"], "user": self.host.options["user"],
            "key": key, "port": port,
            "attributes": {
                "executable": "run.sh", "universe": "vanilla", "requirements": "false",
                "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT",
                "log": "job.log", "output": "job.out", "error": "job.err",
            },
        }  # fmt: skip
        done = subprocess.run(
            [python, str(SIDE)], input=json.dumps(told), text=True, stdout=subprocess.PIPE,
            check=True,
        )  # fmt: skip
        self.host.shut_door()
        return median(json.loads(done.stdout)[1:])

    def _submit(self, jobs: int, **fields: Any) -> float:
        """Seconds from the commit of these jobs to the handles of all of their tasks."""
        from django.utils import timezone

        from oceanid.services import jobs as services

        drafts = [condor_pool.draft(self.user, self.pool, **fields) for _ in range(jobs)]
        since = timezone.now()
        services.execute_many(drafts)
        begun = perf_counter()
        condor_pool.sent(since, jobs * int(fields.get("num_jobs", 1)))
        return perf_counter() - begun

    def _submitted(self, count: int) -> float:
        seconds = self._submit(count)
        self._clear()
        return seconds

    def _bare(self, text: str) -> float:
        """Seconds of one condor_submit of the same."""
        begun = perf_counter()
        self.host.run(
            "cat >bare.sub; export _CONDOR_SUBMIT_SKIP_FILECHECKS=true\n"
            "condor_submit -terse bare.sub",
            stdin=text,
        )
        seconds = perf_counter() - begun
        self.host.empty()
        return seconds

    def _description(self, count: int) -> str:
        """What Oceanid gave condor_submit, as one description; its folders are there."""
        from oceanid.engines.htcondor.describe import Placed, describe

        home = self.host.run("mkdir -p bare/s bare/o && cd bare/o && pwd").strip()
        folder = str(Path(home).parent)
        self.host.run(f"cd {home} && seq 0 {count - 1} | xargs mkdir -p")
        (whole,) = describe(
            condor_pool.batch_of(count), folder=folder, log=f"{folder}/log",
            placed=lambda item: Placed(item.spec.executable),
        )  # fmt: skip
        return whole.text

    def _clear(self) -> None:
        """Empty queue, and the supervisor knows it."""
        self.host.empty()
        condor_pool.ended()

    def _quiet(self, process: psutil.Process) -> None:
        """Wait until the supervisor has nothing to do."""

        def rests() -> bool:
            before = _cpu(process)
            time.sleep(0.5)
            return _cpu(process) - before < 0.03

        throwaway.until(rests, within_s=120, what="a quiet supervisor")


def _counts(rows: Any, wanted: int) -> Callable[[], bool]:
    return lambda: rows.count() == wanted


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
