"""What the cloud of paper is: a file that outlives whoever asks it, and what goes wrong in it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from oceanid.errors import (
    CapacityShort,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    QuotaExceeded,
)
from oceanid.states import MachineState, Role

FAULTS: Final = {
    "unavailable": CloudUnavailable("The cloud can't be reached."),
    "throttled": CloudThrottled("The cloud is asked too often."),
    "denied": CloudDenied("The account may not do this.", hint="Give it the right."),
    "capacity": CapacityShort("The cloud has no such machines left."),
    "quota": QuotaExceeded("The account's quota is used up.", hint="Ask for a higher one."),
    "broken": CloudError("The cloud answered what it never should."),
}


class Crash(BaseException):
    """The process that asked is no more; for tests that have no process to kill."""


@dataclass
class PaperMachine:
    """One machine of paper.

    Args:
        id: Its id.
        cluster: The uuid of its cluster, in its tags.
        role, launch: As in its tags.
        user_data: What it boots with.
        state: What it does.
        address: Its private address.
        number: Counts machines up; the older, the smaller.
        spot, zone, machine_type: As made.
        looks: How often it has been looked at in this state.
        fate: ``well``; ``mute`` never joins a pool; ``fails`` ends up FAILED.
        joined: Whether it has booted and answers: a worker in its pool, a master by SSH.
        draining: Whether it takes no new jobs.
        works: Of a master: whether it takes jobs.
        reason: Why it failed.
        still_paid: Whether it shut itself down, and costs as if it ran.
        launched_at: When it was made, by the second; 0 when the cloud does not tell.
    """

    id: str
    cluster: str
    role: str
    launch: str
    user_data: str
    state: str
    address: str
    number: int
    spot: bool = False
    zone: str = ""
    machine_type: str = ""
    looks: int = 0
    fate: str = "well"
    joined: bool = False
    draining: bool = False
    works: bool = False
    reason: str = ""
    still_paid: bool = False
    launched_at: float = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it works or is about to."""
        return MachineState(self.state).is_alive


@dataclass
class PaperJob:
    """One job in the queue of a cluster's pool.

    Args:
        id: Its number.
        master: The machine whose queue it is in.
        looks: How many looks at its pool it runs for; negative: until it is told to end.
        machine: Where it runs; "" while it waits.
        done: Whether it has ended.
    """

    id: int
    master: str
    looks: int
    machine: str = ""
    done: bool = False


@dataclass
class PaperGroup:
    """What stands of a cluster beside its machines.

    Args:
        cluster, name, portal: Its tags.
        parts: What has been made so far.
        region: Where.
    """

    cluster: str
    name: str
    portal: str
    parts: list[str] = field(default_factory=list)
    region: str = "paper-1"


@dataclass
class Arm:
    """What goes wrong at a call that is counted off.

    Args:
        left: How many calls go well before.
        when: ``before`` or ``after`` it was done.
        act: A name of :data:`FAULTS`; ``crash``; or ``kill``, which kills the asking process.
        only: Only calls of this name are counted; "" for all.
    """

    left: int
    when: str
    act: str
    only: str = ""


@dataclass
class State:
    """All of it."""

    machines: list[PaperMachine] = field(default_factory=list)
    groups: list[PaperGroup] = field(default_factory=list)
    orders: dict[str, list[str]] = field(default_factory=dict)
    jobs: list[PaperJob] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    armed: list[Arm] = field(default_factory=list)
    room: dict[str, int] = field(default_factory=dict)
    fates: list[str] = field(default_factory=list)
    made: int = 0
    boot_looks: int = 1
    join_looks: int = 1
    denied: bool = False
    deaf: bool = False
    ghosts: dict[str, float] = field(default_factory=dict)
    """Addresses of machines that are gone and that their pool still tells of: drained, with a
    job, last heard of then."""
    quota: int = 5_000

    def at(self, machine: str) -> PaperMachine | None:
        """A machine by its id; None when it is gone."""
        return next((each for each in self.machines if each.id == machine), None)

    def of(self, cluster: str) -> list[PaperMachine]:
        """A cluster's machines."""
        return [each for each in self.machines if each.cluster == cluster]

    def master_of(self, cluster: str) -> PaperMachine | None:
        """The master of a cluster that answers; None when none does."""
        for each in self.of(cluster):
            if each.role == Role.MASTER and each.joined and each.state == MachineState.RUNNING:
                return each
        return None

    def is_in_pool(self, machine: PaperMachine, master: PaperMachine) -> bool:
        """Whether a machine executes jobs of a master's."""
        if machine.id == master.id:
            return machine.works
        return (
            machine.cluster == master.cluster
            and machine.joined
            and machine.state == MachineState.RUNNING
            and machine.user_data.find(f"token of {master.id}") >= 0
        )

    def pass_time(self) -> None:
        """One look goes by: boots, joins, stops, ends and jobs go on by one step."""
        for each in list(self.machines):
            each.looks += 1
            _move(self, each)
        for job in self.jobs:
            if job.machine and job.looks > 0:
                job.looks -= 1
                if job.looks == 0:
                    job.machine, job.done = "", True
        self.match()

    def match(self) -> None:
        """Waiting jobs begin on machines that are free; one job a machine."""
        busy = {job.machine for job in self.jobs if job.machine}
        for job in self.jobs:
            master = self.at(job.master)
            if job.done or job.machine or master is None or not master.joined:
                continue
            for each in self.of(master.cluster):
                free = each.id not in busy and not each.draining
                if free and self.is_in_pool(each, master):
                    job.machine = each.id
                    busy.add(each.id)
                    break

    def strike(self, machine: PaperMachine) -> None:
        """A machine stops to work: a job on it is killed, and waits again."""
        self.match()  # a job may begin in the very last instant
        for job in self.jobs:
            if job.machine == machine.id:
                job.machine = ""
                self.killed.append(job.id)
        machine.joined = False


def _move(state: State, machine: PaperMachine) -> None:
    now = MachineState(machine.state)
    if now is MachineState.PENDING and machine.looks > state.boot_looks:
        failed = machine.fate == "fails"
        machine.state = MachineState.FAILED if failed else MachineState.RUNNING
        machine.reason = "The host failed." if failed else ""
        machine.looks = 0
    elif now is MachineState.RUNNING and not machine.joined:
        machine.joined = machine.fate == "well" and machine.looks > state.join_looks
    elif now is MachineState.STOPPING and machine.looks > 1:
        machine.state, machine.looks = MachineState.STOPPED, 0
    elif now is MachineState.ENDING and machine.looks > 1:
        state.machines.remove(machine)


class World:
    """The file, for as many processes as want it.

    Args:
        folder: Where it is; made when it is missing.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "world.json"

    @contextmanager
    def open(self) -> Iterator[State]:
        """The state, alone; what was changed is kept when the block ends, also by an error."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = _read(self.file)
            try:
                yield state
            finally:
                part = self.file.with_suffix(".part")
                part.write_text(json.dumps(asdict(state)))
                part.replace(self.file)

    def read(self) -> State:
        """The state, as it is now."""
        with self.open() as state:
            return state

    @contextmanager
    def call(self, name: str) -> Iterator[State]:
        """One call: counted, and struck by what was armed for it.

        Raises:
            CloudError: What was armed, or the account is denied.
        """
        with self.open() as state:
            state.calls.append(name)
            arm = _due(state, name)
            denied = state.denied
        if arm is not None and arm.when == "before":
            _act(arm.act)
        if denied:
            raise FAULTS["denied"]
        with self.open() as state:
            yield state
        if arm is not None and arm.when == "after":
            _act(arm.act)

    def arm(self, act: str, *, left: int = 0, when: str = "before", only: str = "") -> None:
        """Let something go wrong at the call after so many others; see :class:`Arm`."""
        with self.open() as state:
            state.armed.append(Arm(left, when, act, only))

    def disarm(self) -> None:
        """Nothing goes wrong any more."""
        with self.open() as state:
            state.armed.clear()


def _due(state: State, name: str) -> Arm | None:
    due = None
    for arm in list(state.armed):
        if arm.only not in ("", name):
            continue
        if arm.left == 0 and due is None:
            due = arm
            state.armed.remove(arm)
        else:
            arm.left -= 1
    return due


def _act(act: str) -> None:
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "crash":
        raise Crash
    fault = FAULTS[act]
    raise type(fault)(fault.message, hint=fault.hint)


def _read(file: Path) -> State:
    if not file.exists():
        return State()
    told: dict[str, Any] = json.loads(file.read_text())
    return State(
        **told
        | {
            "machines": [PaperMachine(**each) for each in told["machines"]],
            "groups": [PaperGroup(**each) for each in told["groups"]],
            "jobs": [PaperJob(**each) for each in told["jobs"]],
            "armed": [Arm(**each) for each in told["armed"]],
        }
    )
