"""Drives one scheduler while it holds its lease: dispatches, watches, and makes wishes true."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar
from uuid import UUID

from django.utils import timezone

from oceanid import conf
from oceanid.engines.base import Engine
from oceanid.engines.registry import engine_class
from oceanid.errors import EngineError, EngineUnavailable, LeaseLost, OceanidError
from oceanid.models import Job, Scheduler
from oceanid.services import batches, dispatch, intents, leases, observe, paths, schedulers
from oceanid.services.leases import Hold
from oceanid.services.room import Room
from oceanid.specs import (
    BatchSpec,
    Capability,
    Capacity,
    Command,
    Found,
    ObservationBatch,
    SchedulerSpec,
    Verb,
)
from oceanid.states import TaskState, Wanted
from oceanid.supervisor.pace import Pace
from oceanid.supervisor.surroundings import Surroundings

log = logging.getLogger(__name__)
T = TypeVar("T")

STOP_AGAIN_S = 5.0
MOST_BACK_OFF_S = 60.0
MOST_SUBMITTING = 64
MOST_QUEUEING = 4


class SchedulerDriver:
    """One scheduler, from the taking of its lease until it is lost or given back."""

    def __init__(self, scheduler_id: int, hold: Hold, around: Surroundings) -> None:
        self.scheduler_id = scheduler_id
        self.hold = hold
        self.around = around
        self.db = around.db
        self.pace = Pace()
        self.capacity: Capacity | None = None
        self.submitting: dict[UUID, asyncio.Task[None]] = {}
        self.refused: dict[UUID, OceanidError] = {}
        self.failures = 0
        self.dispatch_after = 0.0
        self.woken = asyncio.Event()
        self.name = str(scheduler_id)

    async def run(self) -> None:
        """Drive until cancelled.

        Raises:
            LeaseLost: Another supervisor drives it now.
        """
        record = await self.db(Scheduler.objects.get, pk=self.scheduler_id)
        self.name = record.name
        engine = self._engine(record)
        await self._until_it_works(engine.open)
        try:
            async with asyncio.TaskGroup() as group:
                for part in (self._renew(), self._check(engine), self._watch(engine)):
                    group.create_task(part)
                group.create_task(self._relay())
                group.create_task(self._work(engine))
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None
        finally:
            for task in self.submitting.values():
                task.cancel()
            await asyncio.gather(*self.submitting.values(), return_exceptions=True)
            with suppress(OceanidError, OSError, TimeoutError):
                async with asyncio.timeout(self.around.settings.stop_grace_s):
                    await engine.close()

    def _engine(self, record: Scheduler) -> Engine:
        return engine_class(record.engine)(
            SchedulerSpec(
                uuid=record.uuid,
                name=record.name,
                spool=str(paths.scheduler_spool(record)),
                config=_config(record),
                secrets=record.secrets,
            )
        )

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost(f"The scheduler “{self.name}” went to another supervisor.")

    async def _check(self, engine: Engine) -> None:
        """Look at the scheduler now and then, and write down how it is."""
        while True:
            try:
                report = await self._step(engine.check())
                self.capacity = report.capacity
                await self.db(schedulers.report_health, self.hold, self.scheduler_id, report)
                self.woken.set()
            except (OceanidError, OSError, TimeoutError) as problem:
                await self._tell_failure("check", problem)
            await asyncio.sleep(self.around.settings.sweep_s)

    async def _watch(self, engine: Engine) -> None:
        """Apply what the engine sees, each batch with its cursor."""
        failures = 0
        while True:
            record = await self.db(Scheduler.objects.get, pk=self.scheduler_id)
            try:
                async for seen in engine.watch(record.cursor):
                    failures = 0
                    await self._apply(seen)
            except (EngineError, OSError, TimeoutError) as problem:
                failures += 1
                await self._tell_failure("watch", problem)
                await asyncio.sleep(_back_off(failures))

    async def _apply(self, seen: ObservationBatch, *, with_cursor: bool = True) -> None:
        cursor = seen.cursor if with_cursor else None
        applied = await self.db(
            observe.apply, self.hold, self.scheduler_id, seen.observations, cursor
        )
        back = Counter(each.batch for each in seen.observations if each.state is TaskState.QUEUED)
        for batch in applied.closed:
            self.pace.over(batch, handed_back=back[batch])
        if applied.has_work:
            self.woken.set()

    async def _relay(self) -> None:
        """Wake the work when the database changed."""
        async with self.around.waker.listening() as changed:
            while True:
                await changed.wait()
                changed.clear()
                self.woken.set()

    async def _work(self, engine: Engine) -> None:
        """Look what is to be done whenever something changed, and now and then anyway."""
        swept = monotonic()
        failures = 0
        while True:
            try:
                await self._round(engine)
                if monotonic() - swept > self.around.settings.sweep_s:
                    swept = monotonic()
                    await self._sweep(engine)
                failures = 0
            except (EngineError, OSError, TimeoutError) as problem:
                failures += 1
                await self._tell_failure("work", problem)
                await asyncio.sleep(_back_off(failures))
            await self._sleep()

    async def _sleep(self) -> None:
        pause = self.around.settings.sweep_s
        following = await self.db(intents.next_due, self.scheduler_id)
        if monotonic() < self.dispatch_after:
            pause = min(pause, self.dispatch_after - monotonic() + 0.05)
        if following is not None:
            pause = min(pause, max(0.05, (following - timezone.now()).total_seconds()))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self.woken.wait()
        self.woken.clear()

    async def _round(self, engine: Engine) -> None:
        await self._settle(engine)
        for job in await self.db(intents.due, self.scheduler_id):
            await self._attend(engine, job)
        await self._dispatch(engine)
        await self._forget(engine)

    async def _sweep(self, engine: Engine) -> None:
        """Look at everything that is at the engine, in case a word of it was missed."""
        handles = await self.db(batches.sent, self.scheduler_id)
        if handles:
            seen = await self._step(engine.reconcile(handles))
            await self._apply(seen, with_cursor=False)

    async def _settle(self, engine: Engine) -> None:
        """Find out what became of batches whose handles were not saved."""
        for batch in await self.db(batches.unsettled, self.scheduler_id):
            if batch in self.submitting:
                continue
            spec = await self.db(dispatch.load, batch)
            settled = await self._step(engine.settle(spec))
            log.info(
                "Batch %s: %s", batch, settled.found.value,
                extra={"action": "batch.settled", "scheduler": self.name},
            )  # fmt: skip
            if settled.found is Found.SUBMITTED and settled.handle is not None:
                await self.db(batches.save_handle, self.hold, settled.handle)
            elif settled.found is Found.NEVER:
                problem = self.refused.pop(batch, None)
                await self.db(
                    batches.never_sent, self.hold, batch,
                    refused=problem.message if problem else "",
                    hint=problem.hint if problem else "",
                )  # fmt: skip
                self.woken.set()

    async def _attend(self, engine: Engine, job: Job) -> None:
        """Make what is wanted of one job true."""
        wanted = Wanted(job.wanted)
        aborted = bool(job.spec.get("abort"))
        if wanted in (Wanted.STOP, Wanted.DELETE) or aborted:
            if await self._ended(engine, job) and wanted is Wanted.DELETE:
                await self._delete(engine, job)
        elif wanted is Wanted.PAUSE:
            await self._command(engine, job, Verb.PAUSE)
            await self.db(intents.reckon, self.hold, job)
        elif wanted is Wanted.RUN and not job.tasks_made and not job.backlog:
            await self._stage(job)
        else:
            await self._command(engine, job, Verb.RESUME)
            await self.db(intents.reckon, self.hold, job)

    async def _stage(self, job: Job) -> None:
        try:
            await self.db(intents.stage, job)
        except OSError as problem:
            await self.db(intents.cannot_stage, self.hold, job, str(problem))
        else:
            await self.db(intents.staged, self.hold, job)
        self.woken.set()

    async def _ended(self, engine: Engine, job: Job) -> bool:
        over = await self.db(intents.take_away, self.hold, job, again_s=STOP_AGAIN_S)
        if not over:
            await self._command(engine, job, Verb.STOP)
        return over

    async def _delete(self, engine: Engine, job: Job) -> None:
        await self._forget(engine)
        try:
            await self.db(intents.remove_directory, job)
        except OSError as problem:
            log.warning(
                "The directory of job %s can't be removed: %s", job.pk, problem,
                extra={"action": "job.delete", "job": job.pk},
            )  # fmt: skip
        await self.db(intents.remove, self.hold, job)

    async def _command(self, engine: Engine, job: Job, verb: Verb) -> None:
        found = await self.db(batches.where_are, job.pk)
        if found:
            commands = [Command(verb, handle, procs) for handle, procs in found]
            await self._step(engine.command(commands))

    async def _dispatch(self, engine: Engine) -> None:
        has_queue = Capability.QUEUE in engine.capabilities
        if self.capacity is None and not has_queue:
            return
        capacity = self.capacity or Capacity(10**9, 10**12, 10_000, 10**6)
        if monotonic() < self.dispatch_after:
            return
        chunk_of = None if has_queue else self.pace.chunk_of
        while len(self.submitting) < (MOST_QUEUEING if has_queue else MOST_SUBMITTING):
            if not await self.db(_could_start, self.scheduler_id, capacity):
                return
            prepared = await self.db(
                dispatch.prepare, self.hold, self.scheduler_id, capacity, chunk_of
            )
            for spec, job in prepared:
                self.pace.sent(spec.batch, job, len(spec.items))
                self.submitting[spec.batch] = asyncio.create_task(self._submit(engine, spec))
            if not prepared:
                return

    async def _submit(self, engine: Engine, spec: BatchSpec) -> None:
        try:
            handle = await self._step(engine.submit(spec))
            await self.db(batches.save_handle, self.hold, handle)
            self.failures = 0
        except LeaseLost:
            log.info("A submission outlived its lease.", extra={"action": "batch.lease-lost"})
        except (OceanidError, OSError, TimeoutError) as problem:
            if isinstance(problem, OceanidError) and not problem.transient:
                self.refused[spec.batch] = problem
            self.failures += 1
            self.dispatch_after = monotonic() + _back_off(self.failures)
            await self._tell_failure("submit", problem)
        finally:
            self.submitting.pop(spec.batch, None)
            self.woken.set()

    async def _forget(self, engine: Engine) -> None:
        handles = await self.db(batches.over, self.scheduler_id)
        if handles:
            await self._step(engine.forget(handles))
            await self.db(batches.forgotten, self.hold, [handle.batch for handle in handles])

    async def _step(self, step: Awaitable[T]) -> T:
        async with asyncio.timeout(self.around.settings.step_timeout_s):
            return await step

    async def _until_it_works(self, step: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await self._step(step())
                return
            except (OceanidError, OSError, TimeoutError) as problem:
                failures += 1
                await self._tell_failure("open", problem)
                await asyncio.sleep(_back_off(failures))
                if not await self.db(leases.renew, self.hold, ttl_s=self.around.settings.lease_s):
                    raise LeaseLost("The lease was lost while the engine was opened.") from problem

    async def _tell_failure(self, action: str, problem: BaseException) -> None:
        if isinstance(problem, LeaseLost):
            raise problem
        text = str(problem) or type(problem).__name__
        log.warning(
            "Scheduler %s: %s", self.name, text,
            extra={"action": f"scheduler.{action}", "scheduler": self.name},
        )  # fmt: skip
        reachable = not isinstance(problem, EngineUnavailable | TimeoutError)
        await self.db(
            schedulers.report_failure, self.hold, self.scheduler_id, text, reachable=reachable
        )


def _config(record: Scheduler) -> dict[str, object]:
    """A local record's options: the site's, then the record's own."""
    if record.engine != "local":
        return dict(record.config)
    local = conf.current().local
    site = {name: getattr(local, name) for name in local.__slots__}
    return {**site, **record.config}


def _could_start(scheduler_id: int, capacity: Capacity) -> bool:
    """Whether anything waits and there is a processor for it: two reads, no write."""
    waiting = Job.objects.filter(scheduler_id=scheduler_id, backlog__gt=0, wanted=Wanted.RUN.value)
    return waiting.exists() and Room.now(scheduler_id, capacity).cpus > 0


def _back_off(failures: int) -> float:
    return random.uniform(0.5, 1.0) * min(MOST_BACK_OFF_S, 2.0 ** min(failures, 10))  # noqa: S311
