"""A supervisor's real driver over a scripted world, stopped, frozen and replaced at will.

Everything happens in the test's own thread and in one transaction, which is rolled back, so
that an example costs little and leaves nothing. Between any two transactions of the driver
something else may be let happen: a person's wish, the supervisor's death, another one's taking
over. What is random comes from the test alone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from oceanid import conf
from oceanid.errors import EngineError, LeaseLost, OceanidError
from oceanid.models import (
    Batch,
    FailureTally,
    Job,
    JobEvent,
    Lease,
    Scheduler,
    Tally,
    Task,
    WorkflowNode,
)
from oceanid.services import intents, leases, results
from oceanid.services.leases import Hold
from oceanid.specs import ObservationBatch, SchedulerSpec
from oceanid.states import JobState, Wanted
from oceanid.supervisor.database import Database
from oceanid.supervisor.scheduler import SchedulerDriver
from oceanid.supervisor.surroundings import Surroundings
from oceanid.supervisor.waker import Waker
from tests.integration.supervisor.house import in_order, told
from tests.property.scripted import CAPACITY, COMPLETE, ERROR, RUNNING, ScriptedEngine, World

LEASE_S = 3600.0
ROUNDS = 60


class Crash(BaseException):
    """The supervisor's process is no more."""


class Interruptible:
    """The driver's database; before or after one of its calls something may happen."""

    def __init__(self) -> None:
        self.calls_left = -1
        self.then: Callable[[], None] | None = None
        self.is_after = False
        self.is_dead = False

    def interrupt(self, calls: int, then: Callable[[], None], *, after: bool) -> None:
        """Let something happen at the call after so many others."""
        self.calls_left, self.then, self.is_after = calls, then, after

    async def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run it here and now, on the connection that the test's own transaction is on."""
        with _no_loop():
            return self._call(call, *args, **kwargs)

    def close(self, *, wait: bool = True) -> None:
        """There are no threads."""

    def _call(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.is_dead:
            raise Crash
        now = self.calls_left == 0 and self.then is not None
        self.calls_left -= 1
        if now and not self.is_after:
            self._happen()
        answer = call(*args, **kwargs)
        if now and self.is_after:
            self._happen()
        return answer

    def _happen(self) -> None:
        then, self.then = self.then, None
        assert then is not None
        try:
            then()
        except Crash:
            self.is_dead = True
            raise


class Supervisor:
    """One supervisor: its lease, its driver, what it is in the middle of."""

    def __init__(self, scheduler: Scheduler, world: World) -> None:
        self.db = Interruptible()
        hold = leases.acquire(f"scheduler:{scheduler.pk}", uuid.uuid4(), ttl_s=LEASE_S)
        assert hold is not None
        self.hold = hold
        around = Surroundings(cast(Database, self.db), Waker(), conf.current().supervisor)
        self.driver = SchedulerDriver(scheduler.pk, hold, around)
        self.driver.capacity = CAPACITY
        self.driver.staging._files = cast(Database, self.db)
        spec = SchedulerSpec(scheduler.uuid, scheduler.name, "/nowhere")
        self.engine = ScriptedEngine(spec, world)


class House:
    """The world, the database and whoever supervises."""

    def __init__(self) -> None:
        self._outer = transaction.atomic()
        self._outer.__enter__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.users = [User.objects.create(username=name) for name in ("ann", "bob")]
        self.scheduler = Scheduler.objects.create(name="there", engine="scripted")
        self.supervisor = Supervisor(self.scheduler, self.world)
        self.frozen: list[Supervisor] = []
        self.results: Hold = self._lease("results")
        self.reading: list[Job] = []

    def close(self) -> None:
        """Forget all of it."""
        self.loop.run_until_complete(self._let_go())
        self.loop.close()
        transaction.set_rollback(True)
        self._outer.__exit__(None, None, None)

    # The supervisor ----------------------------------------------------------------------------

    def work(self) -> None:
        """One round of the driver's work, as its loop would do it."""
        self._as_driver(lambda s: s.driver.work_once(s.engine))

    def sweep(self) -> None:
        """A look at everything."""
        self._as_driver(lambda s: s.driver.sweep(s.engine))

    def deliver(self, limit: int) -> None:
        """The watcher gets some of what is new."""
        cursor = Scheduler.objects.values_list("cursor", flat=True).get(pk=self.scheduler.pk)
        told = self.supervisor.engine.told(cursor, limit)
        self._as_driver(lambda s: s.driver.apply(told))

    def repeat(self, start: int, count: int) -> None:
        """Old words come again, in whatever order."""
        told = ObservationBatch(tuple(self.world.log[start : start + count][::-1]), {})
        self._as_driver(lambda s: s.driver.apply(told, with_cursor=False))

    def crash(self) -> None:
        """The supervisor dies; another takes its lease when it has run out."""
        self._drop(self.supervisor)
        self._take_over()

    def freeze(self) -> None:
        """The supervisor stands still past its lease, and another takes over."""
        self.frozen.append(self.supervisor)
        self._take_over()

    def thaw(self) -> None:
        """A supervisor that lost its lease in its sleep goes on: it changes nothing."""
        if not self.frozen:
            return
        before = self.everything()
        old = self.frozen[0]
        old.db.then = None
        cursor = Scheduler.objects.values_list("cursor", flat=True).get(pk=self.scheduler.pk)
        told = old.engine.told(cursor, 10)
        for act in (
            lambda: old.driver.apply(told),
            lambda: old.driver.work_once(old.engine),
            lambda: old.driver.sweep(old.engine),
        ):
            with suppress(LeaseLost, EngineError):
                self.loop.run_until_complete(act())
            self.loop.run_until_complete(_settle_down())
        assert self.everything() == before, "a supervisor without its lease wrote something"

    def _as_driver(self, act: Callable[[Supervisor], Any]) -> None:
        supervisor = self.supervisor
        try:
            with suppress(EngineError):
                self.loop.run_until_complete(act(supervisor))
            self.loop.run_until_complete(_settle_down())
        except Crash:
            pass
        except LeaseLost:
            assert supervisor is not self.supervisor, "the lease was lost to nobody"
        if self.supervisor.db.is_dead:
            self.crash()

    def _take_over(self) -> None:
        Lease.objects.filter(name=f"scheduler:{self.scheduler.pk}").update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
        self.supervisor = Supervisor(self.scheduler, self.world)

    def _drop(self, supervisor: Supervisor) -> None:
        self.loop.run_until_complete(_cancel(supervisor.driver))

    async def _let_go(self) -> None:
        for supervisor in [self.supervisor, *self.frozen]:
            await _cancel(supervisor.driver)

    def _lease(self, name: str) -> Hold:
        hold = leases.acquire(name, uuid.uuid4(), ttl_s=LEASE_S)
        assert hold is not None
        return hold

    # Results and housekeeping ------------------------------------------------------------------

    def take_results(self) -> None:
        """The results driver begins with what is due; meanwhile things may change."""
        known = {job.pk for job in self.reading}
        self.reading += [job for job in results.due() if job.pk not in known]

    def end_results(self, *, fails: bool) -> None:
        """A results function has come to its end."""
        if not self.reading:
            return
        job = self.reading.pop(0)
        if fails:
            results.fail(self.results, job, "Boom", most_tries=2)
        else:
            results.finish(self.results, job, {"attempt": job.attempt})

    def keep(self) -> None:
        """What the house driver does for jobs that never had a scheduler."""
        for job in intents.due(None):
            if job.wanted == Wanted.DELETE:
                intents.remove_directory(job)
                intents.remove(self.results, job)

    def wait(self) -> None:
        """Time goes by: what is to be done later is to be done now."""
        now = timezone.now()
        Job.objects.filter(due_at__gt=now).update(due_at=now)
        self.supervisor.driver.dispatch_after = 0.0

    # The whole ---------------------------------------------------------------------------------

    def everything(self) -> list[Any]:
        """Every row that says something of jobs."""
        kinds: tuple[type[Model], ...] = (
            Job, Task, Batch, JobEvent, WorkflowNode, Scheduler, Tally, FailureTally,
        )  # fmt: skip
        return [list(kind._default_manager.order_by("pk").values_list()) for kind in kinds]

    def come_to_rest(self, outcome: Callable[[], bool] = lambda: True) -> None:
        """Let everything happen that remains to happen, and look at what came of it."""
        self.world.fates.clear()
        self.crash()
        for job in Job.objects.filter(wanted=Wanted.PAUSE.value).active():
            with suppress(OceanidError):
                job.resume()  # type: ignore[attr-defined]
        for _ in range(ROUNDS):
            self.wait()
            self.work()
            for process in self.world.alive():
                if process.state is not RUNNING:
                    self.world.move(process, RUNNING)
                self.world.move(process, COMPLETE if outcome() else ERROR)
            self.deliver(10_000)
            self.take_results()
            while self.reading:
                self.end_results(fails=False)
            self.keep()
            if self._is_at_rest():
                break
        assert self._is_at_rest(), self._what_remains()
        in_order()
        self._nothing_is_left()

    def _is_at_rest(self) -> bool:
        busy = Job.objects.active().exists() or Batch.objects.exists()
        return not busy and not Job.objects.filter(wanted=Wanted.DELETE.value).exists()

    def _what_remains(self) -> str:
        jobs = Job.objects.exclude(state=JobState.PENDING.value)
        batches = [(b.pk, b.state, b.open_tasks) for b in Batch.objects.all()]
        return "\n".join(["This never ends:", *map(told, jobs), str(batches)])

    def _nothing_is_left(self) -> None:
        assert not self.world.alive(), "the engine runs what nobody knows of"
        for key, count in self.world.starts.items():
            ends = self.world.ends.get(key, [])
            assert count == len(ends), f"{key} started {count} times and ended {ends}"


@contextmanager
def _no_loop() -> Iterator[None]:
    """Django keeps other connections for asynchronous code than for a thread's own."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


async def _settle_down() -> None:
    """Let submissions that run beside the work come as far as they can."""
    for _ in range(12):
        await asyncio.sleep(0)


async def _cancel(driver: SchedulerDriver) -> None:
    await driver.staging.close()
    tasks = list(driver.submitting.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
