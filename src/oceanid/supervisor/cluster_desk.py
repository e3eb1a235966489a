"""What every part of a cluster's driver works with: its facts, its cloud, its clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from oceanid import conf
from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import Blueprint, Claim
from oceanid.errors import CloudError, CloudUnavailable, OceanidError
from oceanid.models import ClusterNode
from oceanid.services import cluster_state, machines
from oceanid.services.cluster_state import Facts, Told
from oceanid.services.leases import Hold
from oceanid.states import MachineState, Role, cluster_can_move
from oceanid.supervisor.cluster_sizing import Memory
from oceanid.supervisor.database import Database

T = TypeVar("T")
FAULT = "cloud-fault"
OWNER = cluster_state.PREFIX + "owner"
"""The note of which account of its cloud a cluster is in."""
END_AGAIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a cluster is not as it is wanted.

    Args:
        message: What is wrong.
        hint: What a person can do.
        is_final: Whether nothing more is tried before somebody does something.
    """

    message: str
    hint: str = ""
    is_final: bool = False

    @classmethod
    def of(cls, problem: OceanidError, *, is_final: bool = False) -> Trouble:
        """What an error says."""
        return cls(problem.message, problem.hint, is_final)


class Notes:
    """A cluster's notes, for its cloud."""

    def __init__(self, desk: Desk, kept: dict[str, str]) -> None:
        self.desk = desk
        self.kept = kept

    def get(self, name: str) -> str:
        """What was kept; "" when nothing was."""
        return self.kept.get(name, "")

    async def keep(self, name: str, value: str) -> None:
        """Keep a value, unless it is kept already."""
        if self.get(name) == value:
            return
        desk = self.desk
        await desk.db(cluster_state.keep_note, desk.hold, desk.cluster_id, name, value)
        if value:
            self.kept[name] = value
        else:
            self.kept.pop(name, None)


class Desk:
    """One cluster, one lease, one round after the other.

    Args:
        cluster_id: Which.
        hold: Its lease.
        db: Runs ORM work.
        settings: How clusters are looked after.
        step_s: The most that one step at the cloud may take.
        clock: Tells the time.
    """

    def __init__(
        self,
        cluster_id: int,
        hold: Hold,
        db: Database,
        settings: conf.Clusters,
        *,
        step_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self.cluster_id, self.hold, self.db = cluster_id, hold, db
        self.settings, self.step_s, self.clock = settings, step_s, clock
        self.memory = Memory()
        self._facts: Facts | None = None
        self._cloud: Cloud | None = None
        self._notes: Notes | None = None

    @property
    def facts(self) -> Facts:
        """The last reading of the database."""
        assert self._facts is not None
        return self._facts

    @property
    def cloud(self) -> Cloud:
        """The cloud of the account, as it is now."""
        assert self._cloud is not None
        return self._cloud

    @cloud.setter
    def cloud(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock()

    @property
    def boot(self) -> timedelta:
        """How long a machine may take."""
        return timedelta(minutes=self.settings.boot_minutes)

    @property
    def notes(self) -> Notes:
        """The cluster's notes."""
        assert self._notes is not None
        return self._notes

    async def read(self) -> Facts:
        """Read everything anew."""
        self._facts = await self.db(cluster_state.read, self.cluster_id)
        self._notes = Notes(self, dict(self._facts.row.notes))
        return self._facts

    def claim(self, blueprint: Blueprint | None = None) -> Claim:
        """The cluster as its cloud knows it."""
        of = blueprint or self.facts.blueprint
        assert of is not None
        row = self.facts.row
        return Claim(row.uuid, row.name, self.facts.portal, of, self.notes)

    async def step(self, asked: Awaitable[T]) -> T:
        """Ask the cloud, in bounds; whatever a stranger's cloud raises is told as the cloud's.

        Raises:
            CloudError: What went wrong.
        """
        try:
            async with asyncio.timeout(self.step_s):
                return await asked
        except TimeoutError as late:
            raise CloudUnavailable(
                "The cloud did not answer within {step_s:g} s.", step_s=self.step_s
            ) from late
        except OceanidError:
            raise
        except OSError as problem:
            raise CloudUnavailable(
                "The cloud could not be reached: {problem}", problem=problem
            ) from problem
        except Exception as problem:
            raise CloudError(
                "The cloud's code failed: {name}: {problem}",
                hint="This is a fault in it; the supervisor's log says where.",
                code=FAULT,
                transient=True,
                name=type(problem).__name__,
                problem=problem,
            ) from problem

    async def say(self, told: Iterable[Told] = (), **values: Any) -> None:
        """Write down what is different from what the facts say."""
        row = self.facts.row
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        if "state" in changed and not cluster_can_move(self.facts.state, changed["state"]):
            del changed["state"]
        await self.db(
            cluster_state.write, self.hold, self.cluster_id, changed, tuple(told), now=self.now
        )
        for name, value in changed.items():
            setattr(row, name, value.value if name == "state" else value)

    async def mark(self, ids: Sequence[str], told: str = "", **values: Any) -> None:
        """Write down what is about to be done with machines."""
        if ids:
            await self.db(
                machines.mark, self.hold, self.cluster_id, list(ids), now=self.now, told=told,
                **values,
            )  # fmt: skip
        columns = {name: value for name, value in values.items() if name != "kind"}
        for node in self.facts.nodes:
            if node.cloud_id in ids:
                for name, value in columns.items():
                    setattr(node, name, value)

    async def end(self, nodes: Sequence[ClusterNode], told: str, **values: Any) -> None:
        """End machines, all with one call; asked again of those that don't end for a while."""
        asked, now = self.memory.asked_to_end, self.now
        due = [
            node
            for node in nodes
            if node.cloud_id not in asked or asked[node.cloud_id] + END_AGAIN < now
        ]
        if not due:
            return
        ids = [node.cloud_id for node in due]
        fresh = [node.cloud_id for node in due if node.ended_at is None]
        await self.mark(fresh, told, ended_at=now, **values)
        await self.step(self.cloud.terminate(self.claim(), tuple(ids)))
        asked |= dict.fromkeys(ids, now)

    async def end_again(self) -> None:
        """End those that were to end and have not: whoever wrote it down may have died then."""
        left = [
            node
            for node in self.facts.nodes
            if node.ended_at is not None and node.state != MachineState.ENDING
        ]
        if left:
            await self.end(left, "")

    async def must_own(self) -> None:
        """Touch nothing with credentials of another account than the cluster was made with.

        Raises:
            CloudError: They are of another one.
        """
        if self.memory.is_owner:
            return
        found, owner = await self.step(self.cloud.identity()), self.notes.get(OWNER)
        if owner and found != owner:
            raise CloudError(
                "The credentials are of another account, {found}; the cluster is in {owner}.",
                hint="Give the cloud account credentials of that one again. Nothing is done until "
                "then; what is in it stays, and costs.",
                code="other-account",
                found=found,
                owner=owner,
            )
        await self.notes.keep(OWNER, found)
        self.memory.is_owner = True

    async def fulfilled(self, wish: str) -> None:
        """A wish of this moment is fulfilled; one that came since is not."""
        value = getattr(self.facts.row, wish)
        if value is not None:
            await self.db(cluster_state.fulfilled, self.hold, self.cluster_id, wish, value)
            setattr(self.facts.row, wish, None)

    async def no_force(self) -> None:
        """What was wanted by force is done; what comes next is not forced."""
        if self.facts.row.force:
            await self.db(cluster_state.no_force, self.hold, self.facts.row)
            self.facts.row.force = False

    async def failed(self, told: str) -> None:
        """Machines failed: one failure more in a row."""
        count = self.facts.row.failures + 1
        await self.say([Told("problem", told)], failures=count)

    def alive(self, role: Role) -> list[ClusterNode]:
        """Machines that work or are about to, and were not asked to end."""
        return [
            node
            for node in self.facts.nodes
            if node.role == role and node.ended_at is None and MachineState(node.state).is_alive
        ]
