"""The pool of a cluster, kept open by its driver from round to round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from oceanid.clouds.specs import Machine
from oceanid.clouds.userdata.plans import KEEPER, SUBMITTER
from oceanid.engines.pools import Pool, PoolLook
from oceanid.engines.registry import engine_class
from oceanid.errors import EngineError, EngineUnavailable, OceanidError
from oceanid.models import ClusterNode
from oceanid.services.cluster_scheduler import Reached
from oceanid.supervisor.cluster_desk import Desk
from oceanid.supervisor.cluster_keys import Keys

T = TypeVar("T")
CLOSE_S = 5.0


def of_those_there(look: PoolLook, machines: Iterable[Machine]) -> PoolLook:
    """The same look without what the pool last heard of an address before the machine that has it
    now was made: that was another one, which ended without a word.

    Args:
        look: At the pool.
        machines: What the cloud has.
    """
    made: dict[str, datetime] = {}
    for each in machines:
        if each.launched_at is not None:
            before = made.get(each.private_address, each.launched_at)
            made[each.private_address] = max(before, each.launched_at)
    there = tuple(
        node
        for node in look.nodes
        if node.heard_at is None or node.heard_at >= made.get(node.address, node.heard_at)
    )
    return replace(look, nodes=there)


class PoolDoor:
    """Opens the pool when its master is there, and again when the way to it changed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.problem: EngineError | None = None
        self._pool: Pool | None = None
        self._way: object = None

    def reached(self, master: ClusterNode, keys: Keys, user: str = SUBMITTER) -> Reached:
        """How the master is reached as one of its accounts."""
        cloud = self.desk.cloud
        config: dict[str, Any] = {
            "host": master.public_address or master.private_address,
            "user": user,
            "host_key": keys.host_public_key,
            **keys.config,
            **cloud.scheduler_options(),
        }
        return Reached(type(cloud).engine, config, keys.secrets)

    async def look(self, master: ClusterNode, keys: Keys) -> PoolLook | None:
        """Who is in the pool; None when it does not answer, which memory then tells."""
        memory, self.problem = self.desk.memory, None
        try:
            look = await self._step(self._opened(master, keys))
        except EngineError as problem:
            await self.close()
            memory.away_since = memory.away_since or self.desk.now
            memory.away_because = str(problem)
            return None
        memory.away_since, memory.away_because = None, ""
        return look

    def is_away_for(self, how_long: timedelta) -> bool:
        """Whether it has not answered for so long."""
        since = self.desk.memory.away_since
        return since is not None and self.desk.now - since >= how_long

    async def token(self, days: int) -> str:
        """What lets a worker join.

        Raises:
            EngineError: None was to be had.
        """
        return await self._step(self._open.worker_token(lifetime_s=days * 86_400))

    async def let_master_work(self, works: bool) -> None:
        """Whether the master works itself; told once."""
        if self.desk.memory.master_works is not works and await self._done(
            self._open.let_master_work(works)
        ):
            self.desk.memory.master_works = works

    async def drain(self, addresses: Sequence[str]) -> bool:
        """These take no new jobs; whether that was done."""
        return await self._done(self._open.drain(addresses))

    async def undrain(self, addresses: Sequence[str]) -> bool:
        """These take jobs again; whether that was done."""
        return await self._done(self._open.undrain(addresses))

    async def _done(self, asked: Awaitable[None]) -> bool:
        """Ask for something that must not hold up the rest when it fails; it is tried again in
        the next round, because the pool's next look shows that it was not done."""
        try:
            await self._step(asked)
        except EngineError as problem:
            self.problem = problem
            return False
        return True

    async def close(self) -> None:
        """Give the connection back."""
        pool, self._pool, self._way = self._pool, None, None
        self.desk.memory.master_works = None
        if pool is not None:
            with suppress(OceanidError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await pool.close()

    @property
    def _open(self) -> Pool:
        if self._pool is None:
            raise EngineUnavailable("The pool is not open.")
        return self._pool

    async def _opened(self, master: ClusterNode, keys: Keys) -> PoolLook:
        reached = self.reached(master, keys, KEEPER)
        way = (master.cloud_id, reached.engine, dict(reached.config), dict(reached.secrets))
        if self._pool is None or self._way != way:
            await self.close()
            pool = engine_class(reached.engine).pool(reached.config, reached.secrets)
            self._pool, self._way = pool, way
            await pool.open()
        return await self._pool.look()

    async def _step(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.desk.step_s):
                return await asked
        except TimeoutError as late:
            raise EngineUnavailable(
                "The master did not answer within {step_s:g} s.", step_s=self.desk.step_s
            ) from late
        except EngineError:
            raise
        except OceanidError as problem:
            raise EngineError(problem.message, hint=problem.hint, code=problem.slug) from problem
        except OSError as problem:
            raise EngineUnavailable(
                "The master could not be reached: {problem}", problem=problem
            ) from problem
        except Exception as problem:
            raise EngineError(
                "The pool's code failed: {name}: {problem}",
                hint="This is a fault in the engine; the supervisor's log says where.",
                transient=True,
                name=type(problem).__name__,
                problem=problem,
            ) from problem
