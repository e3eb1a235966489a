"""Drives one scheduler while it holds its lease: dispatches, watches, and makes wishes true."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from django.utils import timezone

from oceanid import conf
from oceanid.engines.base import Engine
from oceanid.engines.registry import engine_class
from oceanid.errors import EngineError, LeaseLost, OceanidError
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
from oceanid.supervisor.looks import Looks
from oceanid.supervisor.meanwhile import Meanwhile
from oceanid.supervisor.pace import Pace
from oceanid.supervisor.staging import Staging
from oceanid.supervisor.steps import MOST_BACK_OFF_S, back_off, engine_faults_told
from oceanid.supervisor.surroundings import Surroundings
from oceanid.supervisor.tails import Tails

log = logging.getLogger(__name__)
T = TypeVar("T")

STOP_AGAIN_S = 5.0
ASK_AGAIN_S = 0.5
MOST_SUBMITTING = 64
MOST_QUEUEING = 2
"""A schedd takes one submission after the other: while one goes on, the next is made ready."""

TAKEN_IN_S = 0.02
"""The longest that a queue may take for each task of a submission, on top of any step's time."""

SWEPT_AT_ONCE = 10_000
SWEEP_REST = 50
"""A sweep is followed by a rest of so many times as long: it repairs, it need not be quick."""


class Reconfigured(Exception):
    """Somebody changed the scheduler's record; its driver must begin anew."""


class SchedulerDriver:
    """One scheduler, from the taking of its lease until it is lost or given back."""

    def __init__(self, scheduler_id: int, hold: Hold, around: Surroundings) -> None:
        self.scheduler_id = scheduler_id
        self.hold = hold
        self.around = around
        self.db = around.db
        self.pace = Pace()
        self.capacity: Capacity | None = None
        self.described: object = None
        self.submitting: dict[UUID, asyncio.Task[None]] = {}
        self.refused: dict[UUID, OceanidError] = {}
        self.failures = 0
        self.dispatch_after = 0.0
        self.woken = asyncio.Event()
        self.staging = Staging(hold, self.db, self.woken.set)
        self.name = str(scheduler_id)
        self.meanwhile = Meanwhile()
        self.looks = Looks(scheduler_id, hold, around)

    async def run(self) -> None:
        """Drive until cancelled.

        Raises:
            LeaseLost: Another supervisor drives it now.
            Reconfigured: The scheduler's record was changed.
        """
        engine: Engine | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew())
                engine = await self._opened()
                for part in (self._check(engine), self._watch(engine), self._work(engine)):
                    group.create_task(part)
                group.create_task(self._relay())
                tails = Tails(self.scheduler_id, self.hold, self.around)
                group.create_task(tails.run(engine))
        except* (LeaseLost, Reconfigured) as over:
            raise over.exceptions[0] from None
        finally:
            for task in self.submitting.values():
                task.cancel()
            await asyncio.gather(*self.submitting.values(), return_exceptions=True)
            await self.staging.close()
            if engine is not None:
                await self._close(engine)

    async def _opened(self) -> Engine:
        """Make the engine and open it, again and again until it works."""
        failures = 0
        while True:
            engine: Engine | None = None
            try:
                self.described = await self.db(schedulers.described, self.scheduler_id)
                record = await self.db(
                    Scheduler.objects.select_related("parent").get, pk=self.scheduler_id
                )
                self.name = self.looks.name = record.name
                with engine_faults_told():
                    engine = _engine(record)
                await self._step(engine.open())
                return engine
            except (OceanidError, OSError, TimeoutError) as problem:
                failures += 1
                await self.looks.tell("open", problem, was_look=engine is None)
                if engine is not None:
                    # Each step says how far one gets.
                    await self.looks.look(engine)
                    await self._close(engine)
                # Logins that are refused again and again get an address banned.
                is_refused = isinstance(problem, OceanidError) and problem.slug == "login-refused"
                await self.looks.wait(MOST_BACK_OFF_S if is_refused else back_off(failures))

    async def _close(self, engine: Engine) -> None:
        with suppress(OceanidError, OSError, TimeoutError), engine_faults_told():
            async with asyncio.timeout(self.around.settings.stop_grace_s):
                await engine.close()

    async def _renew(self) -> None:
        settings = self.around.settings
        while True:
            await asyncio.sleep(settings.beat_s)
            if not await self.db(leases.renew, self.hold, ttl_s=settings.lease_s):
                raise LeaseLost(
                    "The scheduler “{name}” went to another supervisor.", name=self.name
                )
            if self.described is not None:
                described = await self.db(schedulers.described, self.scheduler_id)
                if described != self.described:
                    raise Reconfigured(f"The scheduler “{self.name}” was changed.")

    async def _check(self, engine: Engine) -> None:
        """Look at the scheduler now and then, and when somebody wants it."""
        while True:
            report = await self.looks.look(engine)
            if report is not None:
                self.capacity = report.capacity
            self.woken.set()
            await self.looks.wait(self.around.settings.sweep_s)

    async def _watch(self, engine: Engine) -> None:
        """Apply what the engine sees, each batch with its cursor."""
        failures = 0
        while True:
            record = await self.db(Scheduler.objects.get, pk=self.scheduler_id)
            try:
                with engine_faults_told():
                    watching = aiter(engine.watch(record.cursor))
                while True:
                    with engine_faults_told():
                        seen = await anext(watching, None)
                    if seen is None:
                        raise EngineError("The engine stopped to watch its scheduler.")
                    failures = 0
                    await self.apply(seen)
            except (EngineError, OSError, TimeoutError) as problem:
                failures += 1
                await self.looks.tell("watch", problem)
                await asyncio.sleep(back_off(failures))

    async def apply(self, seen: ObservationBatch, *, with_cursor: bool = True) -> None:
        cursor = seen.cursor if with_cursor else None
        async with self.meanwhile.applying(seen, is_swept=not with_cursor) as seen:
            applied = await self.db(
                observe.apply, self.hold, self.scheduler_id, seen.observations, cursor, seen.nodes
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
        sweep_after = monotonic() + self.around.settings.sweep_s
        failures = 0
        while True:
            try:
                await self.work_once(engine)
                if (begun := monotonic()) > sweep_after:
                    await self.sweep(engine)
                    rest = max(self.around.settings.sweep_s, SWEEP_REST * (monotonic() - begun))
                    sweep_after = begun + rest
                failures = 0
            except (EngineError, OSError, TimeoutError) as problem:
                failures += 1
                await self.looks.tell("work", problem)
                await asyncio.sleep(back_off(failures))
            await self._sleep()

    async def _sleep(self) -> None:
        pause = self.around.settings.sweep_s
        following = await self.db(intents.next_due, self.scheduler_id, **self._in_hand)
        if monotonic() < self.dispatch_after:
            pause = min(pause, self.dispatch_after - monotonic() + 0.05)
        if following is not None:
            pause = min(pause, max(0.05, (following - timezone.now()).total_seconds()))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self.woken.wait()
        self.woken.clear()

    async def work_once(self, engine: Engine) -> None:
        await self._settle(engine)
        to_stage = []
        for job in await self.db(intents.due, self.scheduler_id, **self._in_hand):
            if job.wanted == Wanted.RUN and not job.tasks_made and not job.backlog:
                to_stage.append(job)
            else:
                await self._attend(engine, job)
        await self.staging.begin(to_stage)
        await self._dispatch(engine)
        await self._forget(engine)

    @property
    def _in_hand(self) -> dict[str, Any]:
        """What need not be looked for, because it is being done already."""
        return {"without": self.staging.jobs, "unstarted": not self.staging.is_full}

    async def sweep(self, engine: Engine) -> None:
        """Look at everything that is at the engine, in case a word of it was missed."""
        for handles in await self.db(batches.sent, self.scheduler_id, most_tasks=SWEPT_AT_ONCE):
            with self.meanwhile.sweeping():
                seen = await self._step(engine.reconcile(handles))
                await self.apply(seen, with_cursor=False)

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
                problem = self.refused.pop(batch, None) or settled.refusal
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
            await self.db(intents.reckon, self.hold, job, again_s=ASK_AGAIN_S)
        else:
            await self._command(engine, job, Verb.RESUME)
            await self.db(intents.reckon, self.hold, job, again_s=ASK_AGAIN_S)

    async def _ended(self, engine: Engine, job: Job) -> bool:
        over = await self.db(intents.take_away, self.hold, job, again_s=STOP_AGAIN_S)
        if not over:
            await self._command(engine, job, Verb.STOP)
        return over

    async def _delete(self, engine: Engine, job: Job) -> None:
        await self._forget(engine)
        try:
            await self.staging.remove_directory(job)
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
            try:
                taking_s = TAKEN_IN_S * len(spec.items)
                handle = await self._step(engine.submit(spec), more_s=taking_s)
                await self.db(batches.save_handle, self.hold, handle)
                self.failures = 0
            except (OceanidError, OSError, TimeoutError) as problem:
                await self._not_submitted(spec, problem)
        except LeaseLost:
            log.info("A submission outlived its lease.", extra={"action": "batch.lease-lost"})
        finally:
            self.submitting.pop(spec.batch, None)
            self.woken.set()

    async def _not_submitted(self, spec: BatchSpec, problem: BaseException) -> None:
        """Take note of a failed submission; what became of it, settle() finds out."""
        if isinstance(problem, LeaseLost):
            raise problem
        # A batch that was declared dead was not refused: its tasks go into another one.
        is_final = isinstance(problem, OceanidError) and not problem.transient
        if isinstance(problem, OceanidError) and is_final and problem.slug != "batch-dead":
            self.refused[spec.batch] = problem
        self.failures += 1
        self.dispatch_after = monotonic() + back_off(self.failures)
        await self.looks.tell("submit", problem)

    async def _forget(self, engine: Engine) -> None:
        handles = await self.db(batches.over, self.scheduler_id)
        if handles:
            await self._step(engine.forget(handles))
            await self.db(batches.forgotten, self.hold, [handle.batch for handle in handles])

    async def _step(self, step: Awaitable[T], *, more_s: float = 0.0) -> T:
        async with asyncio.timeout(self.around.settings.step_timeout_s + more_s):
            with engine_faults_told():
                return await step


def _engine(record: Scheduler) -> Engine:
    options = schedulers.options_of(record)
    return engine_class(record.engine)(
        SchedulerSpec(
            uuid=record.uuid,
            name=record.name,
            spool=str(paths.scheduler_spool(record)),
            config=_config(record, options.config),
            secrets=options.secrets,
        )
    )


def _config(record: Scheduler, own: dict[str, Any]) -> dict[str, Any]:
    """A local record's options: the site's, then the record's own."""
    if record.engine != "local":
        return own
    local = conf.current().local
    site = {name: getattr(local, name) for name in local.__slots__}
    return {**site, **own}


def _could_start(scheduler_id: int, capacity: Capacity) -> bool:
    """Whether anything waits and there is a processor for it: two reads, no write."""
    waiting = Job.objects.filter(scheduler_id=scheduler_id, backlog__gt=0, wanted=Wanted.RUN.value)
    return waiting.exists() and Room.now(scheduler_id, capacity).cpus > 0
