"""Jobs through the whole system against bare processes and bare database writes.

    python -m benchmarks.local [--rounds 5] [--smoke]

Prints each figure with its limit; the exit code is 1 when one falls short.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks import throwaway
from benchmarks.figures import Rounds, Verdict, percentile, timed

TRUE = "/bin/true"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Args:
        array: Processes of the array that goes through the whole system.
        many: Jobs of one ``execute_many``.
        samples: Single calls in a round.
        large: Processes of the array that is only executed.
    """

    array: int = 2000
    many: int = 10_000
    samples: int = 200
    large: int = 1_000_000


SMOKE = Size(array=20, many=50, samples=10, large=1000)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="small numbers, no limits")
    given = parser.parse_args()
    size, rounds = (SMOKE, 1) if given.smoke else (Size(), given.rounds)
    verdict = Verdict(binding=not given.smoke)
    with throwaway.home() as place:
        if not given.smoke:
            throwaway.settled(place)
        Throughput(size).measure(rounds, verdict)
        Writes(size).measure(rounds, verdict)
    return verdict.exit_code()


class Throughput:
    """An array of processes, from ``execute()`` to Complete, against xargs."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.user = _user("throughput")

    def measure(self, rounds: int, verdict: Verdict) -> None:
        """Measure with a real supervisor beside us."""
        measured = Rounds()
        with throwaway.supervisor():
            measured.run(rounds, {"xargs": self._xargs, "array": self._array})
        verdict.at_least(
            f"{self.size.array} × true: throughput against xargs -P2",
            measured.ratio("xargs", "array"),
            0.5,
            f"{measured.median('array'):.2f} s, xargs {measured.median('xargs'):.2f} s",
        )

    def _xargs(self) -> float:
        items = "\n".join(map(str, range(self.size.array)))
        command = ["xargs", "-P2", "-n1", TRUE]
        return timed(lambda: subprocess.run(command, input=items, text=True, check=True))

    def _array(self) -> float:
        from oceanid.models import Job

        job = _draft(self.user, num_jobs=self.size.array)
        begun = perf_counter()
        job.execute()
        ended = Job.objects.filter(pk=job.pk, completion_time__isnull=False)
        throwaway.until(ended.exists, within_s=300, what="the array's end")
        seconds = perf_counter() - begun
        job.refresh_from_db()
        done = job.tasks.filter(state="COM", exit_code=0).count()
        told = job.events.filter(kind="task", after="COM").count()
        if (job.status, done, told) != ("Complete", self.size.array, self.size.array):
            raise SystemExit(f"It did not run as it should: {job.status}, {done} done, {told} told")
        return seconds


class Writes:
    """What ``execute()`` costs the caller, against the bare writes of the same rows."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.user = _user("writes")
        self.samples: dict[str, list[float]] = {"save": [], "execute": []}

    def measure(self, rounds: int, verdict: Verdict) -> None:
        """Measure without a supervisor, so that nobody else writes."""
        measured = Rounds()
        measured.run(rounds, {"pairs": self._pairs})
        measured.run(rounds, {"bulk": self._bulk, "many": self._many, "singles": self._singles})
        measured.run(rounds, {"one": self._array_of(1), "large": self._array_of(self.size.large)})
        save = percentile(self.samples["save"], 0.5)
        p95 = percentile(self.samples["execute"], 0.95)
        verdict.at_most(
            "execute() p95 against the median of one save()", p95 / save, 5,
            f"{p95 * 1000:.2f} ms, save {save * 1000:.2f} ms"
            f" (p95 {percentile(self.samples['save'], 0.95) * 1000:.2f} ms)",
        )  # fmt: skip
        verdict.at_least(
            f"execute_many of {self.size.many} against single executes",
            measured.ratio("singles", "many"), 5,
            f"{measured.median('many'):.2f} s, singles {measured.median('singles'):.2f} s",
        )  # fmt: skip
        verdict.at_most(
            f"execute_many of {self.size.many} against bulk_create",
            measured.ratio("many", "bulk"), 2, f"bulk_create {measured.median('bulk'):.2f} s",
        )  # fmt: skip
        verdict.at_most(
            f"execute() of an array of {self.size.large} against one of 1",
            measured.ratio("large", "one"), 2,
            f"{measured.median('large'):.4f} s, of 1 {measured.median('one'):.4f} s",
        )  # fmt: skip

    def _pairs(self) -> float:
        """Single saves of a row, each beside an ``execute()`` of the same row."""
        self._clear()
        begun = perf_counter()
        for _ in range(self.size.samples):
            draft = _draft(self.user)
            saved = _row(draft)
            self.samples["save"].append(timed(lambda saved=saved: _bare_save(saved)))  # type: ignore[misc]
            self.samples["execute"].append(timed(draft.execute))
        return perf_counter() - begun

    def _bulk(self) -> float:
        from django.db import transaction
        from django.utils import timezone

        from oceanid.models import Job, JobEvent

        self._clear()
        rows = [_row(_draft(self.user)) for _ in range(self.size.many)]

        def write() -> None:
            with transaction.atomic():
                made = Job.objects.bulk_create(rows)
                now = timezone.now()
                JobEvent.objects.bulk_create(
                    JobEvent(job=job, attempt=1, kind="state", before="PEN", after="SUB", at=now)
                    for job in made
                )

        return timed(write)

    def _many(self) -> float:
        from oceanid.services import jobs

        self._clear()
        drafts = [_draft(self.user) for _ in range(self.size.many)]
        return timed(lambda: jobs.execute_many(drafts))

    def _singles(self) -> float:
        self._clear()
        drafts = [_draft(self.user) for _ in range(self.size.many)]

        def execute() -> None:
            for draft in drafts:
                draft.execute()

        return timed(execute)

    def _array_of(self, count: int) -> Callable[[], float]:
        def measure() -> float:
            times = []
            for _ in range(max(1, self.size.samples // 4)):
                draft = _draft(self.user, num_jobs=count)
                times.append(timed(draft.execute))
            return percentile(times, 0.5)

        return measure

    def _clear(self) -> None:
        """Every measurement begins with the same empty tables, and the user's count anew."""
        from oceanid.models import Job, JobEvent
        from oceanid.services import freeze

        for model in (JobEvent, Job):
            rows = model.objects.filter(**{"user" if model is Job else "job__user": self.user})
            rows._raw_delete("default")
        freeze._counts.clear()


def _user(name: str) -> Any:
    from django.contrib.auth.models import User

    return User.objects.create_user(name)


def _draft(user: Any, *, num_jobs: int = 1) -> Any:
    from oceanid.jobs import JobManager

    return JobManager("bench").create_job(
        "run", user, job_type="CONDOR", num_jobs=num_jobs, attributes={"executable": TRUE}
    )


def _row(draft: Any) -> Any:
    """The row that ``execute()`` writes for this draft, made without it."""
    from django.utils import timezone

    from oceanid.models import Job
    from oceanid.services import paths
    from oceanid.services.schedulers import default_scheduler

    now = timezone.now()
    return Job(
        type=draft.type, app=draft.app, name=draft.name, name_key="run", user=draft.user,
        label=draft.label, attributes=draft.attributes, state="SUB", wanted="RUN", attempt=1,
        spec=draft.describe(str(paths.job_dir(draft))).to_json(), backlog=draft.num_jobs,
        scheduler=default_scheduler(), creation_time=now, execute_time=now,
    )  # fmt: skip


def _bare_save(row: Any) -> None:
    from django.db.models import Model

    Model.save(row, force_insert=True)


if __name__ == "__main__":
    sys.exit(main())
