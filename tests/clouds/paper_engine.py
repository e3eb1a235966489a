"""The pool of a cluster of paper: it lives in the paper cloud's file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from oceanid.clouds.testing.world import PaperMachine, State, World
from oceanid.clouds.userdata.plans import KEEPER
from oceanid.engines.base import Engine
from oceanid.engines.pools import Pool, PoolLook, PoolNode
from oceanid.errors import EngineError, EngineUnavailable
from oceanid.specs import (
    BatchSpec,
    Capability,
    CheckReport,
    Command,
    Handle,
    ObservationBatch,
    Settlement,
    Step,
)
from oceanid.states import Health, MachineState, Role


class PaperPool:
    """The pool behind one master; it answers to the keys that the master was booted with."""

    def __init__(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self.world = World(config["folder"])
        self.host, self.user = config["host"], config["user"]
        self.host_key = config["host_key"]
        self.has_key = bool(secrets.get("private_key") or config.get("key_path"))

    async def open(self) -> None:
        with self.world.open() as state:
            self._master(state)

    async def look(self) -> PoolLook:
        with self.world.open() as state:
            master = self._master(state)
            state.match()
            inside = [each for each in state.of(master.cluster) if state.is_in_pool(each, master)]
            running = {job.machine for job in state.jobs if job.machine}
            jobs = [job for job in state.jobs if job.master == master.id and not job.done]
            idle = sum(not job.machine for job in jobs)
            nodes = {
                address: PoolNode(
                    address, "a ghost", 1, 1, 2048, is_leaving=True,
                    heard_at=datetime.fromtimestamp(heard, UTC),
                )
                for address, heard in state.ghosts.items()
            }  # fmt: skip
            nodes |= {
                each.address: PoolNode(
                    each.address,
                    f"host-{each.number}",
                    int(each.id in running),
                    1,
                    2048,
                    is_leaving=each.draining,
                )
                for each in inside
            }
            return PoolLook(
                tuple(nodes.values()),
                idle_jobs=idle,
                idle_cpus=idle,
                running_jobs=len(jobs) - idle,
            )  # fmt: skip

    async def worker_token(self, *, lifetime_s: int) -> str:
        assert lifetime_s > 0
        with self.world.open() as state:
            return f"token of {self._master(state).id}"

    async def let_master_work(self, works: bool) -> None:
        with self.world.open() as state:
            self._master(state).works = works

    async def drain(self, addresses: Sequence[str]) -> None:
        self._set(addresses, draining=True)

    async def undrain(self, addresses: Sequence[str]) -> None:
        self._set(addresses, draining=False)

    async def close(self) -> None:
        return None

    def _set(self, addresses: Sequence[str], *, draining: bool) -> None:
        with self.world.open() as state:
            master = self._master(state)
            if state.deaf:
                raise EngineError("One of them does not hear.", hint="Look at it.")
            for each in state.of(master.cluster):
                if each.address in addresses and state.is_in_pool(each, master):
                    each.draining = draining

    def _master(self, state: State) -> PaperMachine:
        for each in state.machines:
            if each.address != self.host or each.role != Role.MASTER:
                continue
            if not each.joined or each.state != MachineState.RUNNING:
                break
            plan = json.loads(each.user_data)
            if plan["host_public_key"] != self.host_key:
                raise EngineError("Another host key.", code="host-key-changed")
            if self.user != KEEPER or not self.has_key:
                raise EngineUnavailable("Not let in.", code="login-refused")
            return each
        raise EngineUnavailable("The master does not answer.")


class PaperEngine(Engine):
    """Has a pool, and runs nothing."""

    name: ClassVar[str] = "paper"
    title: ClassVar[str] = "Paper"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    @classmethod
    def pool(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Pool:
        return PaperPool(config, secrets)

    async def check(self) -> CheckReport:
        return CheckReport(Health.OK, (Step("open", True, "It is paper."),))

    async def submit(self, batch: BatchSpec) -> Handle:
        raise EngineUnavailable("Paper runs no job.")

    async def settle(self, batch: BatchSpec) -> Settlement:
        raise EngineUnavailable("Paper runs no job.")

    async def watch(self, cursor: Mapping[str, Any]) -> AsyncIterator[ObservationBatch]:
        while True:
            await asyncio.sleep(3600)
            yield ObservationBatch((), cursor)

    async def reconcile(self, handles: Sequence[Handle]) -> ObservationBatch:
        return ObservationBatch((), {})

    async def command(self, commands: Sequence[Command]) -> None:
        return None

    async def forget(self, handles: Sequence[Handle]) -> None:
        return None
