"""A cloud of paper: keeps the contract, boots nothing, and goes wrong when it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from oceanid.clouds.base import Cloud, Problems
from oceanid.clouds.specs import (
    AccountSpec,
    Beside,
    Blueprint,
    Claim,
    ClusterSpec,
    Estate,
    Ground,
    Inventory,
    Launch,
    Launched,
    Machine,
    Resource,
    Shape,
)
from oceanid.clouds.testing.world import FAULTS, PaperGroup, PaperMachine, State, World
from oceanid.clouds.userdata.plans import MasterPlan, WorkerPlan
from oceanid.errors import InvalidValue, NameTaken
from oceanid.specs import CheckReport, Step
from oceanid.states import Health, MachineState, Role

PARTS: Final = ("network", "firewall", "template")
TYPES: Final = {"small": Shape(1, 2048), "large": Shape(4, 8192)}


class PaperCloud(Cloud):
    """Keeps its machines in a file below ``folder``, an option of its account.

    Its time goes by with each look, so that nothing in it depends on how fast a test runs. What
    shall go wrong is told to its :class:`World`.
    """

    name: ClassVar[str] = "paper"
    title: ClassVar[str] = "Paper"
    engine: ClassVar[str] = "paper"

    def __init__(self, account: AccountSpec) -> None:
        super().__init__(account)
        self.world = World(str(account.config["folder"]))

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
        """Types and zones that there are."""
        found: dict[str, InvalidValue] = {}
        for name in ("master_type", "node_type"):
            value = getattr(wanted, name)
            if value and not re.fullmatch(r"[a-z]+", value):
                found[name] = InvalidValue("This is not a type.", hint="Small letters only.")
        return found

    @classmethod
    def beside(cls, blueprint: Blueprint, config: Mapping[str, Any]) -> Beside:
        """As of most clouds; as many NAT gateways as the account's option ``gateways`` says."""
        gateways = int(config.get("gateways") or 0)
        return Beside(gateways=gateways, addresses=gateways)

    def scheduler_options(self) -> Mapping[str, Any]:
        """Where the paper is."""
        return {"folder": str(self.world.folder)}

    def user_data(self, plan: MasterPlan | WorkerPlan) -> str:
        """The plan itself."""
        return json.dumps({"kind": type(plan).__name__} | asdict(plan))

    async def check(self) -> CheckReport:
        """Whether it is denied."""
        with self.world.open() as state:
            ok = not state.denied
        told = "" if ok else FAULTS["denied"].hint
        return CheckReport(
            Health.OK if ok else Health.DEGRADED, (Step("login", ok, "The paper's.", told),)
        )

    async def identity(self) -> str:
        """Where the paper is."""
        with self.world.open() as state:
            if state.denied:
                raise FAULTS["denied"]
        return str(self.world.folder)

    async def resolve(self, wanted: ClusterSpec) -> Blueprint:
        """Fill in the one image, the small type and the one region."""
        with self.world.call("resolve"):
            node = wanted.node_type or "small"
            master = wanted.master_type or node
            for name, value in (("node type", node), ("master type", master)):
                if value not in TYPES:
                    raise InvalidValue(
                        "There is no {name} “{value}”.",
                        hint="Take one of {types}.",
                        name=name,
                        value=value,
                        types=", ".join(TYPES),
                    )
            return Blueprint(
                region=wanted.region or "paper-1",
                zones=wanted.zones,
                master_image=wanted.master_image or "image-12",
                node_image=wanted.node_image or "image-12",
                master_type=master,
                node_type=node,
                master_shape=TYPES[master],
                node_shape=TYPES[node],
                spot=wanted.spot,
                network=wanted.network,
                resource_group=wanted.resource_group,
            )

    async def preflight(self, claim: Claim, *, size: int) -> tuple[Step, ...]:
        """The name and the quota."""
        with self.world.call("preflight") as state:
            taken = _taken(state, claim)
            fits = size <= state.quota
            return (
                Step("name", not taken, "taken" if taken else "free", taken * "Choose another."),
                Step("quota", fits, f"{state.quota} machines", (not fits) * "Ask for more."),
            )

    async def look(self, claim: Claim) -> Inventory:
        """The machines; one look of time goes by."""
        with self.world.call("look") as state:
            state.pass_time()
            machines = tuple(_seen(each) for each in state.of(str(claim.uuid)))
            return Inventory(machines, _group(state, claim) is not None)

    async def prepare(self, claim: Claim, ground: Ground) -> bool:
        """One part a call, so that there is something between them."""
        with self.world.call("prepare.group") as state:
            if _taken(state, claim):
                raise NameTaken(
                    "Another cluster is called “{name}” here.",
                    hint="Choose another name.",
                    name=claim.name,
                )
            if _group(state, claim) is None:
                state.groups.append(
                    PaperGroup(
                        str(claim.uuid), claim.name, str(claim.portal),
                        region=claim.blueprint.region,
                    )
                )  # fmt: skip
        for part in PARTS:
            with self.world.call(f"prepare.{part}") as state:
                group = _group(state, claim)
                if group is None:
                    return False
                if part not in group.parts:
                    group.parts.append(part)
        return True

    async def launch(self, claim: Claim, order: Launch) -> Launched:
        """Make machines, as many as there is room for."""
        with self.world.call("launch") as state:
            if order.token in state.orders:
                made = state.orders[order.token]
                return Launched(tuple(made), len(made), "" if made else "short")
            group = _group(state, claim)
            if group is None or len(group.parts) < len(PARTS):
                raise InvalidValue("What the machines need does not stand.", hint="Prepare it.")
            if len(state.machines) + order.count > state.quota:
                raise FAULTS["quota"]
            made = _make(state, claim, order)
            if not made:
                raise FAULTS["capacity"]
            state.orders[order.token] = made
            because = "" if len(made) == order.count else "There is no more room."
            return Launched(tuple(made), len(made), because)

    async def terminate(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """End them."""
        with self.world.call("terminate") as state:
            for each in _named(state, claim, machines):
                if each.state != MachineState.ENDING:
                    state.strike(each)
                    each.state, each.looks = MachineState.ENDING, 0

    async def stop(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Stop them."""
        with self.world.call("stop") as state:
            for each in _named(state, claim, machines):
                each.still_paid = False
                if each.is_alive:
                    state.strike(each)
                    each.state, each.looks = MachineState.STOPPING, 0

    async def start(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Start them."""
        with self.world.call("start") as state:
            for each in _named(state, claim, machines):
                if each.state == MachineState.STOPPED:
                    each.still_paid = False
                    each.state, each.looks = MachineState.PENDING, 0

    async def dismantle(self, claim: Claim) -> bool:
        """First the machines; what they use goes when they are gone."""
        uuid = str(claim.uuid)
        with self.world.call("dismantle.machines") as state:
            for each in state.of(uuid):
                if each.state != MachineState.ENDING:
                    state.strike(each)
                    each.state, each.looks = MachineState.ENDING, 0
            if state.of(uuid):
                state.pass_time()
                return False
        for part in reversed(PARTS):
            with self.world.call(f"dismantle.{part}") as state:
                group = _group(state, claim)
                if group is None:
                    return True
                if state.of(uuid):
                    return False  # it is in use: a machine has come meanwhile
                if part in group.parts:
                    group.parts.remove(part)
        with self.world.call("dismantle.group") as state:
            state.groups = [each for each in state.groups if each.cluster != uuid]
        return True

    async def console(self, claim: Claim, machine: str) -> str:
        """A line that tells its fate."""
        with self.world.call("console") as state:
            found = state.at(machine)
            return f"paper boots: {found.fate}\n" if found is not None else ""

    async def survey(self) -> tuple[Estate, ...]:
        """Everything, by its tags."""
        with self.world.call("survey") as state:
            known = {each.cluster: each for each in state.groups}
            for each in state.machines:
                known.setdefault(each.cluster, PaperGroup(each.cluster, "", ""))
            return tuple(_estate(state, group) for group in known.values())


def _group(state: State, claim: Claim) -> PaperGroup | None:
    return next((each for each in state.groups if each.cluster == str(claim.uuid)), None)


def _taken(state: State, claim: Claim) -> bool:
    return any(each.name == claim.name and each.cluster != str(claim.uuid) for each in state.groups)


def _named(state: State, claim: Claim, machines: tuple[str, ...]) -> list[PaperMachine]:
    found = [each for each in state.of(str(claim.uuid)) if each.id in machines]
    return found


def _make(state: State, claim: Claim, order: Launch) -> list[str]:
    print_ = claim.blueprint
    made: list[str] = []
    for _ in range(order.count):
        place = f"{order.zone}/{'spot' if order.spot else 'plain'}"
        room = state.room.get(place, state.room.get("*", 1_000_000))
        if room < 1:
            break
        for key in (place, "*"):
            if key in state.room:
                state.room[key] -= 1
        number = state.made = state.made + 1
        own = print_.master_type if order.role is Role.MASTER else print_.node_type
        fate = state.fates.pop(0) if state.fates else "well"
        state.machines.append(
            PaperMachine(
                id=f"p-{number}", cluster=str(claim.uuid), role=order.role, launch=order.token,
                user_data=order.user_data, state=MachineState.PENDING, number=number,
                address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", spot=order.spot,
                zone=order.zone, machine_type=order.machine_type or own, fate=fate,
                works=order.role is Role.MASTER and '"works": true' in order.user_data,
            )
        )  # fmt: skip
        made.append(f"p-{number}")
    return made


def _seen(machine: PaperMachine) -> Machine:
    made = machine.launched_at
    return Machine(
        id=machine.id,
        role=Role(machine.role),
        state=MachineState(machine.state),
        launch=machine.launch,
        name=f"machine {machine.number}",
        host_name=f"host-{machine.number}",
        public_address=machine.address if machine.role == Role.MASTER else "",
        private_address=machine.address,
        machine_type=machine.machine_type,
        image="image-12",
        zone=machine.zone,
        spot=machine.spot,
        reason=machine.reason,
        still_paid=machine.still_paid,
        launched_at=datetime.fromtimestamp(made, UTC) if made else None,
    )


def _estate(state: State, group: PaperGroup) -> Estate:
    machines = state.of(group.cluster)
    resources = [Resource("machine", each.id, detail=each.state) for each in machines]
    resources += [Resource(part, f"{group.cluster}/{part}") for part in group.parts]
    return Estate(
        cluster=UUID(group.cluster),
        name=group.name,
        portal=UUID(group.portal) if group.portal else None,
        region=group.region,
        blueprint=Blueprint(
            region=group.region, master_image="image-12", master_type="small",
            node_image="image-12", node_type="small",
        ),
        resources=(Resource("group", group.cluster), *resources),
    )  # fmt: skip
