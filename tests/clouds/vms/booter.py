"""The hook that makes an emulated cloud's machines really boot."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

from tests.clouds.booter import Addresses, State
from tests.clouds.vms import processes
from tests.clouds.vms.ground import VmError, missing, run
from tests.clouds.vms.machine import VirtualMachine
from tests.clouds.vms.network import Network, free_numbers
from tests.clouds.vms.tree import build

DISK: Final = Path("/var/tmp/oceanid-vms")
MEMORY: Final = Path("/dev/shm/oceanid-vms")
ROOMY: Final = 8 << 30
"""With so much free memory machines have their disks in it: they boot a third quicker."""


def _home() -> Path:
    if given := os.environ.get("OCEANID_VMS_DIR"):
        return Path(given)
    shared = shutil.disk_usage(MEMORY.parent).free if MEMORY.parent.is_dir() else 0
    return MEMORY if min(shared, psutil.virtual_memory().available) > ROOMY else DISK


HOME: Final = _home()
TREES: Final = Path(os.environ.get("CONDOR_POOL_ROOT", str(DISK / "trees")))
MASTER: Final = "MAS"


@dataclass
class _Known:
    machine: VirtualMachine
    addresses: Addresses
    wanted: State = "running"
    is_busy: bool = True
    problem: str = ""
    turn: threading.Lock = field(default_factory=threading.Lock)


class VmBooter:
    """Boots machines in a network of their own; all of them end when it is closed.

    It needs root, and some seconds for the first machine's tree if that is not built yet.

    Raises:
        VmError: Machines can't be booted here; with the cure.
    """

    def __init__(self) -> None:
        if problem := missing():
            raise VmError(problem)
        sweep()
        self._tree = build(TREES)
        self._folder, self._network = _new_network()
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._last = 0
        self._free: list[int] = []
        atexit.register(self.close)

    def __enter__(self) -> VmBooter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all machines, and remove the network."""
        atexit.unregister(self.close)
        with ThreadPoolExecutor(8) as beside:
            list(beside.map(self.end, list(self._known)))
        _remove(self._folder, self._network)

    def boot(self, machine_id: str, user_data: str, role_hint: str) -> Addresses:
        with self._lock:
            if known := self._known.get(machine_id):
                return known.addresses
            if self._free:
                number = self._free.pop(0)
            else:
                self._last = number = self._last + 1
            if number > 250:
                raise VmError("No more than 250 machines can be booted at a time.")
            private = self._network.private(number)
            folder = self._folder / "machines" / private
            machine = VirtualMachine(folder, self._tree, self._network, number)
            addresses = Addresses(private, self._network.public(number), machine.host_name)
            known = self._known[machine_id] = _Known(machine, addresses)

        def make() -> None:
            machine.make(machine_id=machine_id, user_data=user_data)
            machine.power_on()
            self._network.publish(number, is_master=role_hint == MASTER)

        self._beside(known, make)
        return addresses

    def stop(self, machine_id: str) -> None:
        known = self._known.get(machine_id)
        if known and known.wanted == "running":
            known.wanted = "stopped"
            self._beside(known, known.machine.power_off)

    def start(self, machine_id: str) -> None:
        known = self._known.get(machine_id)
        if known and known.wanted == "stopped":
            known.wanted = "running"
            self._beside(known, known.machine.power_on)

    def end(self, machine_id: str) -> None:
        with self._lock:
            known = self._known.pop(machine_id, None)
        if known is None:
            return
        with known.turn:
            self._network.forget(known.machine.number)
            known.machine.remove()
        with self._lock:
            self._free.append(known.machine.number)

    def console(self, machine_id: str) -> str:
        known = self._known.get(machine_id)
        return known.machine.console() + known.problem if known else ""

    def state(self, machine_id: str) -> State:
        known = self._known.get(machine_id)
        if known is None:
            return "gone"
        if known.is_busy:
            return "running" if known.wanted == "stopped" else "pending"
        return "running" if known.machine.is_up else "stopped"

    def machine(self, machine_id: str) -> VirtualMachine:
        """A machine itself, for those who look inside or attack from there."""
        return self._known[machine_id].machine

    def _beside(self, known: _Known, work: Callable[[], None]) -> None:
        def in_turn() -> None:
            with known.turn:
                try:
                    work()
                except VmError as problem:
                    known.problem = f"\n{problem}\n"
                finally:
                    known.is_busy = False

        known.is_busy = True
        threading.Thread(target=in_turn, name="oceanid-vm").start()


def sweep() -> None:
    """Remove what harnesses left that were killed; never what belongs to one that lives."""
    for folder in (each for home in {HOME, DISK, MEMORY} for each in home.glob("net-*")):
        if not processes.recorded(folder / "owner"):
            _remove(folder, Network(folder, int(folder.name.partition("-")[2])))


def _new_network() -> tuple[Path, Network]:
    for number in free_numbers():
        folder = HOME / f"net-{number}"
        # It has its owner from the moment it is there, or another harness would sweep it away.
        HOME.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="new-", dir=HOME))
        made.chmod(0o755)
        processes.record(made / "owner", os.getpid())
        (made / "machines").mkdir()
        try:
            made.rename(folder)
        except OSError:
            run("rm", "-rf", str(made))
            continue
        network = Network(folder, number)
        try:
            network.up()
        except VmError:
            _remove(folder, network)
            raise
        return folder, network
    raise VmError("No network is free: python -m tests.clouds.vms down")


def _remove(folder: Path, network: Network) -> None:
    for place in (folder / "machines").glob("*"):
        number = int(place.name.rpartition(".")[2])
        VirtualMachine(place, Path("/"), network, number).remove()
    network.down()
    run("rm", "-rf", "--one-file-system", str(folder))
