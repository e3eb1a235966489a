"""A cluster without a cloud: its machines boot from the user-data that a cloud would give them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from oceanid.clouds.userdata import KEEPER, SUBMITTER, MasterPlan, WorkerPlan, rendered
from oceanid.engines.htcondor import HTCondorEngine
from oceanid.engines.pools import Pool, PoolLook
from oceanid.engines.testing import Bench
from oceanid.specs import SchedulerSpec
from tests.clouds.vms.booter import MASTER, VmBooter
from tests.clouds.vms.machine import VirtualMachine

WORKER: Final = "WOR"
BOOTS_WITHIN_S: Final = 180.0
T = TypeVar("T")


def key_pair() -> tuple[str, str]:
    """A new ed25519 key in OpenSSH's format, and its public half."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return private.decode(), public.decode()


def until(look: Callable[[], T], *, awaited: str, timeout_s: float = 90.0) -> T:
    """Wait until a look finds something, and give it."""
    end = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end, f"waited {timeout_s:g} s for {awaited}"
        time.sleep(0.1)
    return found


class Cluster:
    """A master and its workers.

    Args:
        booter: What boots its machines.
        name: Its name.
        works: Whether the master works itself.
    """

    def __init__(self, booter: VmBooter, name: str, *, works: bool) -> None:
        self.name = name
        self._booter = booter
        self._key, public_key = key_pair()
        host_key, self.host_public_key = key_pair()
        self.master_id = f"i-{name}-0"
        self.plan = MasterPlan(
            cluster=name,
            public_key=public_key,
            host_key=host_key,
            host_public_key=self.host_public_key,
            works=works,
        )
        self.addresses = booter.boot(self.master_id, rendered(self.plan), MASTER)
        self._workers = 0
        self.first_token = ""
        """What the last workers booted with."""

    @property
    def master(self) -> VirtualMachine:
        """The master itself."""
        return self._booter.machine(self.master_id)

    def machine(self, machine_id: str) -> VirtualMachine:
        """A machine itself."""
        return self._booter.machine(machine_id)

    def wait(self, *machine_ids: str, times: int = 1) -> None:
        """Wait until machines tell on their consoles that they have booted so many times."""
        for each in machine_ids:

            def said(machine_id: str = each) -> str:
                console = self._booter.console(machine_id)
                return console if console.count("oceanid: ") >= times else ""

            console = until(said, awaited=f"{each} to boot", timeout_s=BOOTS_WITHIN_S)
            assert console.count("oceanid: ready") == times, console[-5000:]

    def config(self, user: str = SUBMITTER) -> dict[str, Any]:
        """The options of a scheduler record that reaches the master from the world."""
        return {
            "host": self.addresses.public,
            "user": user,
            "host_key": self.host_public_key,
        }

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets that go with them."""
        return {"private_key": self._key}

    def ask(self, question: Callable[[Pool], Awaitable[T]]) -> T:
        """Ask the pool, over a new connection."""

        async def whole() -> T:
            pool = HTCondorEngine.pool(self.config(KEEPER), self.secrets)
            await pool.open()
            try:
                return await question(pool)
            finally:
                await pool.close()

        return asyncio.run(whole())

    def look(self) -> PoolLook:
        """Look at the pool."""
        return self.ask(lambda pool: pool.look())

    def grow(self, count: int, *, lifetime_s: int = 3600) -> list[str]:
        """Boot more workers, all with one new token; their ids."""
        token = self.ask(lambda pool: pool.worker_token(lifetime_s=lifetime_s))
        plan = WorkerPlan(cluster=self.name, master_address=self.addresses.private, token=token)
        self.first_token = token
        made = []
        for _ in range(count):
            self._workers += 1
            made.append(f"i-{self.name}-{self._workers}")
            self._booter.boot(made[-1], rendered(plan), WORKER)
        return made

    def on_pool(self, folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
        """Run a scenario with the project's own engine, over SSH from the world."""

        async def whole() -> None:
            record = SchedulerSpec(
                uuid4(), self.name, str(folder / "spool"), self.config(), self.secrets
            )
            engine = HTCondorEngine(record)
            await engine.open()
            async with Bench(engine, timeout_s=180) as bench:
                await scenario(bench)
            await engine.close()

        asyncio.run(whole())
