"""The supervisor: takes leases, and drives what it holds until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.db import Error as DatabaseError  # InterfaceError is no DatabaseError

from oceanid import conf
from oceanid.errors import LeaseLost
from oceanid.models import Scheduler
from oceanid.services import beats, cluster_state, leases, schedulers
from oceanid.services.leases import Hold
from oceanid.supervisor.clouds import CloudsDriver
from oceanid.supervisor.cluster import ClusterDriver
from oceanid.supervisor.database import Database
from oceanid.supervisor.housekeeping import HouseDriver
from oceanid.supervisor.notices import NoticeDriver
from oceanid.supervisor.results import ResultsDriver
from oceanid.supervisor.scheduler import Reconfigured, SchedulerDriver
from oceanid.supervisor.surroundings import Surroundings
from oceanid.supervisor.waker import Waker

log = logging.getLogger(__name__)

CLUSTER = "cluster:"

Driver = Callable[[Hold], Awaitable[None]]


class Supervisor:
    """One of possibly several supervisors of a site."""

    def __init__(self) -> None:
        self.identity = uuid.uuid4()
        self.settings = conf.current().supervisor
        self.db = Database(idle_s=self.settings.lease_s)
        self.around = Surroundings(self.db, Waker(), self.settings)
        self.driving: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish or give up what is under way within the grace
        that the settings give. Jobs run on."""
        await self._persist(lambda: self.db(beats.begin, self.identity))
        await self._persist(lambda: self.db(schedulers.ensure_local))
        log.info("The supervisor has started.", extra={"action": "supervisor.started"})
        helpers: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.around.waker.run()),
            asyncio.create_task(self._beat()),
            asyncio.create_task(self._take_leases()),
        ]
        asked: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([asked, *helpers], return_when=asyncio.FIRST_COMPLETED)
        log.info("The supervisor stops; jobs run on.", extra={"action": "supervisor.stopping"})
        await self._leave([asked, *helpers])
        for helper in ended - {asked}:
            helper.result()  # what broke it ends the process: better another one than half a one

    async def _persist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Do something that must be done before work begins, however long the database takes."""
        while True:
            try:
                await call()
                return
            except DatabaseError as problem:
                log.warning(
                    "The database is not ready: %s", problem, extra={"action": "database.waiting"}
                )
                await asyncio.sleep(1)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.settings.beat_s)
            with suppress(DatabaseError):
                await self.db(beats.beat, self.identity, {"driving": sorted(self.driving)})

    async def _take_leases(self) -> None:
        """Take what nobody drives, and go on driving what is held."""
        while True:
            pause_s = self.settings.beat_s / 2
            try:
                wanted = await self.db(_to_drive)
                for name, key in wanted.items():
                    if name not in self.driving:
                        await self._try_to_drive(name, key)
                for name in set(self.driving) - set(wanted):
                    self.driving[name].cancel()
                if wanted.keys() <= self.driving.keys():
                    pause_s = self.settings.beat_s  # there is nothing to take over
            except DatabaseError as problem:
                log.warning(
                    "The database can't be asked: %s", problem, extra={"action": "database.failed"}
                )
            await asyncio.sleep(pause_s)

    async def _try_to_drive(self, name: str, key: int | None) -> None:
        hold = await self.db(leases.acquire, name, self.identity, ttl_s=self.settings.lease_s)
        if hold is None:
            return
        log.info("Driving %s.", name, extra={"action": "lease.taken", "lease": name})
        self.driving[name] = asyncio.create_task(self._drive(hold, key))

    async def _drive(self, hold: Hold, key: int | None) -> None:
        try:
            if key is not None and hold.name.startswith(CLUSTER):
                await ClusterDriver(key, hold, self.around).run()
            elif key is not None:
                await SchedulerDriver(key, hold, self.around).run()
            elif hold.name == "results":
                await ResultsDriver(hold, self.around).run()
            elif hold.name == "clouds":
                await CloudsDriver(hold, self.around).run()
            elif hold.name == "notices":
                await NoticeDriver(hold, self.around).run()
            else:
                await HouseDriver(hold, self.around).run()
        except LeaseLost as lost:
            log.warning("%s", lost, extra={"action": "lease.lost", "lease": hold.name})
        except Reconfigured as changed:
            log.info(
                "%s Its driver begins anew.", changed,
                extra={"action": "scheduler.changed", "lease": hold.name},
            )  # fmt: skip
        except asyncio.CancelledError:
            raise
        except BaseException:
            # One broken scheduler or cluster must not take the others with it; it is tried again.
            log.exception("%s broke.", hold.name, extra={"action": "driver.broke"})
            await asyncio.sleep(self.settings.beat_s)
        finally:
            self.driving.pop(hold.name, None)
            with suppress(DatabaseError):
                await self.db(leases.release, hold)

    async def _leave(self, helpers: list[asyncio.Task[Any]]) -> None:
        tasks = [*helpers, *self.driving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self.settings.stop_grace_s)
        with suppress(DatabaseError):
            await self.db(beats.end, self.identity)
        self.db.close()


def _to_drive() -> dict[str, int | None]:
    enabled = Scheduler.objects.filter(schedulers.driven()).values_list("pk", flat=True)
    found: dict[str, int | None] = {f"scheduler:{pk}": pk for pk in enabled}
    found |= {f"{CLUSTER}{pk}": pk for pk in cluster_state.to_drive()}
    return found | {"results": None, "clouds": None, "notices": None, "house": None}
