"""Deals with the results of jobs: what a Python function returned, and apps' own functions."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from typing import Any

from django.utils import timezone

from oceanid import orphans
from oceanid.errors import LeaseLost, OceanidError
from oceanid.jobs.python_function import read_outcome
from oceanid.models import Job
from oceanid.services import leases, paths, results
from oceanid.services.leases import Hold
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)

AT_ONCE = 4
ANSWER_LIMIT = 16 * 2**20


class ResultsDriver:
    """Finishes Results-Ready jobs while it holds the lease on results."""

    def __init__(self, hold: Hold, around: Surroundings) -> None:
        self.hold = hold
        self.around = around
        self.db = around.db
        timeout_s = around.settings.results_timeout_s
        self.workers = [ResultsWorker(timeout_s) for _ in range(AT_ONCE)]
        self.free = asyncio.Semaphore(AT_ONCE)
        self.under_way: set[int] = set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LeaseLost: Another supervisor does it now.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew())
                group.create_task(self._work(group))
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            for worker in self.workers:
                await worker.close()

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost("Another supervisor deals with results now.")

    async def _work(self, group: asyncio.TaskGroup) -> None:
        async with self.around.waker.listening() as changed:
            while True:
                changed.clear()
                ready = [job for job in await self.db(results.due) if job.pk not in self.under_way]
                for job in ready:
                    # A slow function of one app must not keep the results of another waiting.
                    await self.free.acquire()
                    self.under_way.add(job.pk)
                    group.create_task(self._deal_with(job))
                if not ready:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(await self._pause()):
                            await changed.wait()

    async def _pause(self) -> float:
        """Seconds until something may be due although nobody told of it."""
        if self.under_way:
            return 1.0
        following = await self.db(results.next_due)
        most = self.around.settings.sweep_s
        if following is None:
            return most
        return min(most, max(0.05, (following - timezone.now()).total_seconds()))

    async def _deal_with(self, job: Job) -> None:
        worker = self.workers.pop()
        try:
            await self._finish(job, worker)
        except LeaseLost:
            raise
        except (OceanidError, OSError, ValueError) as problem:
            # One job's odd results must not keep the others waiting.
            most = self.around.settings.results_tries
            await self.db(results.fail, self.hold, job, repr(problem), most_tries=most)
        finally:
            self.workers.append(worker)
            self.under_way.discard(job.pk)
            self.free.release()

    async def _finish(self, job: Job, worker: ResultsWorker) -> None:
        value: Any = None
        if job.RETURNS_VALUE:
            value, reason, traceback = await self.db(
                read_outcome, paths.job_dir(job), key=f"{job.key}.0"
            )
            if reason and job.tasks_error and not traceback:
                reason = job.status_message or reason  # it was ended before it could tell
            if reason:
                await self.db(
                    results.finish, self.hold, job, None,
                    failure=reason, traceback=traceback,
                    hint="Mend the function and resubmit the job.",
                )  # fmt: skip
                return
        if job.process_results_function and not job.tasks_error:
            answer = await worker.call(job)
            if "error" in answer:
                log.warning(
                    "The results function of job %s failed.", job.pk,
                    extra={"action": "results.failed", "job": job.pk},
                )  # fmt: skip
                most = self.around.settings.results_tries
                await self.db(results.fail, self.hold, job, answer["error"], most_tries=most)
                return
            value = answer.get("result") if answer.get("result") is not None else value
        await self.db(results.finish, self.hold, job, value)


class ResultsWorker:
    """A child process that runs apps' results functions, one after another."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._child: asyncio.subprocess.Process | None = None
        self._pipe = -1

    async def call(self, job: Job) -> dict[str, Any]:
        """Run a job's function; ``{"result": …}`` or ``{"error": traceback}``."""
        question = json.dumps({"job": job.pk, "function": job.process_results_function})
        try:
            async with asyncio.timeout(self.timeout_s):
                child = await self._started()
                assert child.stdin is not None and child.stdout is not None
                child.stdin.write(question.encode() + b"\n")
                await child.stdin.drain()
                line = await child.stdout.readline()
        except TimeoutError:
            await self.close()
            return {"error": f"It took more than {self.timeout_s:g} s and was ended."}
        except (OSError, ValueError) as problem:
            await self.close()
            return {"error": f"The worker failed: {problem}"}
        if not line.endswith(b"\n"):
            await self.close()
            return {"error": "The worker died while it ran the function."}
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        """End the child, with whatever it is doing."""
        child, self._child = self._child, None
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            await self.close()
            path = os.pathsep.join(each for each in sys.path if each)
            # It ends with us, even in the middle of a function and when we are killed: whoever
            # takes over calls the function again.
            parent, self._pipe = os.pipe()
            try:
                self._child = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "oceanid.supervisor.results_worker",
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": path, orphans.VARIABLE: str(parent)},
                    pass_fds=[parent], limit=ANSWER_LIMIT, start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(parent)
        return self._child
