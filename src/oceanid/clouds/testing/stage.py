"""What tests of clouds stand on: a fresh cloud, and hands that make things go wrong in it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod

from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import (
    Claim,
    ClusterSpec,
    Ground,
    Inventory,
    Launch,
    Machine,
)
from oceanid.states import MachineState, Role

MOST_ROUNDS = 200


class Memory:
    """Notes that are kept in memory; they outlive the cloud's instance, as a database does."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, name: str) -> str:
        """What was kept; "" when nothing was."""
        return self.kept.get(name, "")

    async def keep(self, name: str, value: str) -> None:
        """Keep a value; "" forgets it."""
        if value:
            self.kept[name] = value
        else:
            self.kept.pop(name, None)


class Stage(ABC):
    """One empty account of a cloud, or an emulator of one, for one test.

    A cloud's author gives the abstract methods; :class:`CloudContract` does the rest.
    """

    @abstractmethod
    def make_cloud(self) -> Cloud:
        """A new instance, as a supervisor that has just started makes one."""

    @abstractmethod
    def calls(self) -> int:
        """How many calls the cloud has been asked so far."""

    @abstractmethod
    def give_room(self, machines: int) -> None:
        """From now on there is capacity for so many more machines, of any kind, anywhere."""

    @abstractmethod
    def deny(self, denied: bool) -> None:
        """Whether the account's rights are taken from it."""

    @abstractmethod
    def cut(self, call: int, *, done: bool) -> None:
        """Let the connection break once, at the ``call``-th call from now on (0 is the next):
        before the cloud did it, or ``done``, when only its answer is lost. What the SDK then
        tries again by itself is part of the same call."""

    @abstractmethod
    def disarm(self) -> None:
        """Forget a cut that did not come to be."""

    @abstractmethod
    def remains(self) -> list[str]:
        """Everything that exists in the account and that was not there at the beginning: the
        kind of each and its id."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what belongs to the stage."""

    def spec(self, name: str) -> ClusterSpec:
        """What the smallest cluster of this name asks for."""
        return ClusterSpec(name=name)

    def public_key(self) -> str:
        """An SSH public key that the cloud takes."""
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxLCWHGFmDEyHWUVZAkNdWTJzaRqhXTJ/zxQ0r5Yy8m"

    async def pass_time(self) -> None:  # noqa: B027
        """Let what is under way in the cloud go on, where it does not by being looked at."""


class Actor:
    """A cluster on a stage, driven by hand.

    Args:
        stage: Where.
        name: Its name.
        portal: Whose it is.
    """

    def __init__(self, stage: Stage, name: str = "alps", portal: uuid.UUID | None = None) -> None:
        self.stage = stage
        self.cloud = stage.make_cloud()
        self.name = name
        self.uuid, self.portal = uuid.uuid4(), portal or uuid.UUID(int=7)
        self.notes = Memory()
        self.claim: Claim | None = None

    @property
    def ground(self) -> Ground:
        """What must stand."""
        return Ground(self.stage.public_key(), ("192.0.2.0/24",))

    async def claimed(self) -> Claim:
        """The claim, with everything resolved."""
        if self.claim is None:
            blueprint = await self.cloud.resolve(self.stage.spec(self.name))
            self.claim = Claim(self.uuid, self.name, self.portal, blueprint, self.notes)
        return self.claim

    def begins_anew(self) -> None:
        """As after a crash: another instance, which knows what was kept, and nothing else."""
        self.cloud = self.stage.make_cloud()

    async def prepared(self) -> Claim:
        """The claim, of which everything stands."""
        claim = await self.claimed()
        for _ in range(MOST_ROUNDS):
            if await self.cloud.prepare(claim, self.ground):
                return claim
            await self.stage.pass_time()
        raise AssertionError("prepare() never says that everything stands.")

    def order(self, count: int, role: Role = Role.WORKER, *, spot: bool = False) -> Launch:
        """A new order."""
        return Launch(str(uuid.uuid4()), role, count, "#cloud-config\n{}\n", spot=spot)

    async def machines(self) -> tuple[Machine, ...]:
        """Those that are not gone."""
        found: Inventory = await self.cloud.look(await self.claimed())
        return tuple(each for each in found.machines if each.state is not MachineState.GONE)

    async def alive(self) -> tuple[Machine, ...]:
        """Those that work or are about to."""
        return tuple(each for each in await self.machines() if each.state.is_alive)

    async def settled(self, count: int, state: MachineState) -> tuple[Machine, ...]:
        """Wait until so many machines are in a state, and no other is about to be."""
        found: tuple[Machine, ...] = ()
        for _ in range(MOST_ROUNDS):
            found = await self.machines()
            moving = [
                each
                for each in found
                if each.state in (MachineState.PENDING, MachineState.STOPPING, MachineState.ENDING)
            ]
            there = [each for each in found if each.state is state]
            if len(there) == count and not moving:
                return tuple(there)
            await self.stage.pass_time()
        raise AssertionError(f"There are never {count} machines {state.name}: {found}")

    async def running(self, workers: int) -> tuple[Machine, ...]:
        """A master and so many workers, all running."""
        claim = await self.prepared()
        await self.cloud.launch(claim, self.order(1, Role.MASTER))
        if workers:
            await self.cloud.launch(claim, self.order(workers))
        return await self.settled(workers + 1, MachineState.RUNNING)

    async def dismantled(self) -> None:
        """Nothing is left of it."""
        claim = await self.claimed()
        for _ in range(MOST_ROUNDS):
            if await self.cloud.dismantle(claim):
                return
            await self.stage.pass_time()
        raise AssertionError("dismantle() never says that nothing is left.")
