"""What the house asks of the pool that runs on a cluster: who is in it, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PoolNode:
    """One machine of a pool.

    Args:
        address: Its private address, which tells which of the cloud's machines it is.
        host_name: What it calls itself.
        jobs_running: How many jobs it runs at the moment.
        cpus: How many processors it offers.
        memory_mib: How much memory it offers, MiB.
        is_leaving: Whether it takes no new jobs, because it was told to drain.
        heard_at: When the pool last heard of it, aware.
    """

    address: str
    host_name: str
    jobs_running: int
    cpus: int
    memory_mib: int
    is_leaving: bool = False
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PoolLook:
    """What one look at a pool found.

    Args:
        nodes: Machines that execute jobs; the master among them when it works too.
        idle_jobs: Jobs in the queue that could run and wait, whoever submitted them.
        idle_cpus: Processors that they ask for together.
        running_jobs: Jobs that run.
    """

    nodes: tuple[PoolNode, ...]
    idle_jobs: int = 0
    idle_cpus: int = 0
    running_jobs: int = 0


class Pool(Protocol):
    """The pool of one cluster, by way of its master.

    What can't be asked raises :class:`~oceanid.errors.EngineUnavailable`, what is refused another
    :class:`~oceanid.errors.EngineError`. Every method is one remote command, whatever the number
    of nodes, and idempotent.
    """

    async def open(self) -> None:
        """Reach the master; its host key must be the known one."""
        ...

    async def look(self) -> PoolLook:
        """Who is in the pool, and what waits."""
        ...

    async def worker_token(self, *, lifetime_s: int) -> str:
        """A token, made on the master, that lets a worker do no more than join (READ,
        ADVERTISE_MASTER, ADVERTISE_STARTD); it ends by itself."""
        ...

    async def let_master_work(self, works: bool) -> None:
        """Whether the master takes jobs itself: yes while it is alone. Running ones end first."""
        ...

    async def drain(self, addresses: Sequence[str]) -> None:
        """These machines take no new jobs; what runs on them is finished, however long it takes."""
        ...

    async def undrain(self, addresses: Sequence[str]) -> None:
        """These machines take jobs again."""
        ...

    async def close(self) -> None:
        """Give back the connection."""
        ...
