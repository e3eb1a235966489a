"""A cluster's pool, looked at and kept by way of its master's one command for that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from oceanid.engines.htcondor.reach import shell_of
from oceanid.engines.htcondor.remote import failure, told
from oceanid.engines.htcondor.shell import sh
from oceanid.engines.pools import PoolLook, PoolNode
from oceanid.errors import EngineError

COMMAND: Final = "/usr/local/sbin/oceanid-keeper"
"""What the account may run as root on a master; see ``clouds/userdata/files/keeper.py``."""
LOOK_S: Final = 60.0
CHANGE_S: Final = 120.0
_MOST: Final = 16 << 20


class KeptPool:
    """A :class:`~oceanid.engines.pools.Pool` over SSH, as the account ``oceanid-keeper``.

    Every method is one command at the master, and bounded in time. What the master answers is
    read as coming from a stranger: what has not the right form is an error, never a value.

    Args:
        config: The options of a scheduler record that reaches the master: ``host``, ``port``,
            ``key_path``, ``host_key`` (which must be given) …; ``user`` is the keeper.
        secrets: Likewise; ``private_key``, ``passphrase``.
    """

    def __init__(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        if not str(config.get("host_key") or "").strip():
            raise EngineError(
                "A master's host key is known before it is reached; this one's is not.",
                code="host-key-missing",
            )
        self._shell = shell_of(config, secrets)

    async def open(self) -> None:
        """Connect now; idempotent."""
        await self._shell.open()

    async def close(self) -> None:
        """Give back the connection; idempotent."""
        await self._shell.close()

    async def look(self) -> PoolLook:
        """Who is in the pool, and what waits."""
        said = await self._ask("Looking at the pool", ["look"], LOOK_S)
        try:
            return PoolLook(
                nodes=tuple(_node(each) for each in said["nodes"]),
                idle_jobs=int(said["idle_jobs"]),
                idle_cpus=int(said["idle_cpus"]),
                running_jobs=int(said["running_jobs"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as problem:
            raise _strange("Looking at the pool") from problem

    async def worker_token(self, *, lifetime_s: int) -> str:
        """A token that lets a worker join, and no more; 60 s to some 115 days."""
        said = await self._ask("Making a worker's token", ["token", str(lifetime_s)], LOOK_S)
        token = said.get("token")
        if not isinstance(token, str) or token.count(".") != 2:
            raise _strange("Making a worker's token")
        return token

    async def let_master_work(self, works: bool) -> None:
        """Whether the master takes jobs itself; running ones end first."""
        await self._ask("Switching the master", ["works", "on" if works else "off"], LOOK_S)

    async def drain(self, addresses: Sequence[str]) -> None:
        """These machines take no new jobs; one that is not in the pool takes none anyway."""
        if addresses:
            await self._ask("Draining", ["drain", *addresses], CHANGE_S)

    async def undrain(self, addresses: Sequence[str]) -> None:
        """These machines take jobs again."""
        if addresses:
            await self._ask("Ending a drain", ["undrain", *addresses], CHANGE_S)

    async def _ask(self, doing: str, words: Sequence[str], timeout_s: float) -> dict[str, Any]:
        script = sh("exec sudo -n @command@ @words@", command=COMMAND, words=words)
        answer = await self._shell.run(script, timeout_s=timeout_s, max_output=_MOST)
        if answer.exit_status:
            raise failure(f"{doing} failed", told(answer))
        try:
            said = json.loads(answer.stdout)
        except ValueError as problem:
            raise _strange(doing) from problem
        if not isinstance(said, dict):
            raise _strange(doing)
        return said


def _node(said: Mapping[str, Any]) -> PoolNode:
    heard = int(said["heard_at"])
    return PoolNode(
        address=str(said["address"]),
        host_name=str(said["host_name"]),
        jobs_running=int(said["jobs_running"]),
        cpus=int(said["cpus"]),
        memory_mib=int(said["memory_mib"]),
        is_leaving=said["is_leaving"] is True,
        heard_at=datetime.fromtimestamp(heard, UTC) if heard else None,
    )


def _strange(doing: str) -> EngineError:
    return EngineError(
        "{doing} failed: the master gave no answer that can be understood.",
        hint="Was it made by another version? Look at its console output.",
        code="strange-answer",
        doing=doing,
    )
