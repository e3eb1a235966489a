"""A running pool of HTCondor, for the tests that need one."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from oceanid.engines.htcondor import HTCondorEngine
from oceanid.engines.htcondor.shell import LocalShell, Shell, quote, sh
from oceanid.engines.htcondor.shell.talk import Process
from oceanid.engines.testing import Bench
from oceanid.specs import SchedulerSpec

Scenario = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Pool:
    """A pool, from OCEANID_TEST_CONDOR (a JSON object).

    Args:
        control: The command line that steers the pool's machines (``condor-pool``).
        enter: The command line that enters the submit host as a user.
        share: A folder that this machine and all nodes have under the same path.
        ssh: The options of a scheduler record that reaches the submit host over SSH.
    """

    control: tuple[str, ...]
    enter: tuple[str, ...]
    share: Path
    ssh: dict[str, object]

    @classmethod
    def running(cls) -> Pool:
        told = json.loads(os.environ["OCEANID_TEST_CONDOR"])
        control, enter = tuple(told.get("control", ())), tuple(told["enter"])
        return cls(control, enter, Path(told["share"]), told["ssh"])

    def folder(self) -> Path:
        """A new folder that every node sees and every account may write to."""
        made = self.share / secrets.token_hex(8)
        made.mkdir()
        made.chmod(0o777)
        return made

    def run(self, *words: str) -> str:
        """Run a command on the submit host as the user; what it says."""
        command = [*self.enter, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class EnteringShell(LocalShell):
    """A local shell of the submit host: its namespaces are entered first."""

    def __init__(self, enter: tuple[str, ...]) -> None:
        super().__init__()
        self._enter = enter

    @asynccontextmanager
    async def process(self, command: str, *, is_long: bool = False) -> AsyncIterator[Process]:
        line = " ".join(quote(word) for word in (*self._enter, "/bin/sh", "-c", command))
        async with super().process(f"exec {line}", is_long=is_long) as process:
            yield process


class HereEngine(HTCondorEngine):
    """An engine on the submit host itself."""

    def make_shell(self) -> Shell:
        return EnteringShell(Pool.running().enter)


def on_pool(
    folder: Path, scenario: Scenario, *, make: Callable[[SchedulerSpec], Any] = HereEngine,
    timeout_s: float = 240,
) -> None:  # fmt: skip
    """Run a scenario with a new record's engine, on the submit host unless told otherwise."""

    async def whole() -> None:
        engine = make(record(folder / "spool"))
        await engine.open()
        async with Bench(engine, timeout_s=timeout_s) as bench:
            await scenario(bench)
        await engine.close()

    asyncio.run(whole())


async def there(engine: Any, script: str) -> str:
    """What a script in Oceanid's directory on the submit host says."""
    assert isinstance(engine, HTCondorEngine)
    base = (await engine._remote.host()).base
    done = await engine._shell.run(sh("cd @base@ && sh -c @script@", base=base, script=script))
    return done.checked(script).decode()


class Gate:
    """What tasks wait behind until a test lets them go on, however slow the machine.

    Args:
        folder: One that every node sees.
        name: Which, where there are several.
    """

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self._open = folder / f"{name}-is-open"
        self.line = f"until [ -e {self._open} ]; do sleep 0.2; done"
        """The line of shell that waits."""

    def open(self) -> None:
        """Let them go on."""
        self._open.touch()


async def hide_log(engine: Any) -> None:
    """Take the event log away; what HTCondor says meanwhile begins a new one."""
    await there(engine, "mkdir gone; mv log/* gone || :")


async def bring_log_back(engine: Any) -> None:
    """Bring the event log back beside what was begun meanwhile, so that no event is lost."""
    await there(engine, 'for f in gone/*; do mv "$f" "log/${f#gone/}.old"; done; rmdir gone')


def record(spool: Path, uuid: UUID | None = None, **config: object) -> SchedulerSpec:
    """A scheduler record."""
    return SchedulerSpec(uuid or uuid4(), "pool", str(spool), config)


def remove(folder: Path) -> None:
    """Remove a folder with all that tasks left in it."""
    shutil.rmtree(folder, ignore_errors=True)
