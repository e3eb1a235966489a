"""The hook by which an emulated cloud boots its machines, and one that boots nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final, Literal, Protocol

State = Literal["pending", "running", "stopped", "gone"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a machine is.

    Args:
        private: Its address among the cloud's machines; it keeps it while it is stopped.
        public: Its address for the world, that of the portal; "" for one that has none.
        host_name: What it calls itself, unless its user-data say otherwise.
    """

    private: str
    public: str
    host_name: str


class Booter(Protocol):
    """Makes the machines of an emulated cloud.

    Every method may be called from any thread and returns at once: what it began goes on by
    itself, and ``state`` tells. All but ``boot`` do nothing for a machine that is not there.
    """

    def boot(self, machine_id: str, user_data: str, role_hint: str) -> Addresses:
        """Make a machine and begin to boot it; the same id again gives the same machine.

        Args:
            machine_id: What the cloud calls it.
            user_data: What cloud-init gets, as text (an emulator undoes base64 first).
            role_hint: ``MAS`` or ``WOR``, as in the tag ``oceanid-role``: port 22 of a master is
                open to the world, and nothing else.
        """
        ...

    def stop(self, machine_id: str) -> None:
        """Shut it down; its disk and its addresses stay."""
        ...

    def start(self, machine_id: str) -> None:
        """Boot a stopped one again."""
        ...

    def end(self, machine_id: str) -> None:
        """Remove it with its disk."""
        ...

    def console(self, machine_id: str) -> str:
        """What it wrote to its console so far; "" when it is gone."""
        ...

    def state(self, machine_id: str) -> State:
        """What it does; ``gone`` also for one that was never there."""
        ...


class PaperBooter:
    """Boots nothing: machines are running at once, at addresses where nothing answers.

    Args:
        net: The first private address; the public ones are as many in 198.18.0.0/15.
        slow: Whether machines stay ``pending`` until ``come_up`` is called.
    """

    _PUBLIC: Final = IPv4Address("198.18.0.0")

    def __init__(self, *, net: str = "10.200.0.0", slow: bool = False) -> None:
        self._first = IPv4Address(net)
        self._slow = slow
        self._lock = threading.Lock()
        self._made = 0
        self._machines: dict[str, _Paper] = {}

    def boot(self, machine_id: str, user_data: str, role_hint: str) -> Addresses:
        with self._lock:
            known = self._machines.get(machine_id)
            if known is not None:
                return known.addresses
            self._made += 1
            private = str(self._first + self._made)
            addresses = Addresses(
                private=private,
                public=str(self._PUBLIC + self._made),
                host_name=f"ip-{private.replace('.', '-')}",
            )
            self._machines[machine_id] = _Paper(
                addresses, user_data, role_hint, "pending" if self._slow else "running"
            )
            return addresses

    def come_up(self, machine_id: str) -> None:
        """Let a pending machine be running."""
        self._change(machine_id, "running", "pending")

    def stop(self, machine_id: str) -> None:
        self._change(machine_id, "stopped", "pending", "running")

    def start(self, machine_id: str) -> None:
        self._change(machine_id, "pending" if self._slow else "running", "stopped")

    def end(self, machine_id: str) -> None:
        with self._lock:
            self._machines.pop(machine_id, None)

    def console(self, machine_id: str) -> str:
        with self._lock:
            known = self._machines.get(machine_id)
            return f"paper machine {machine_id}: {known.state}\n" if known else ""

    def state(self, machine_id: str) -> State:
        with self._lock:
            known = self._machines.get(machine_id)
            return known.state if known else "gone"

    def user_data(self, machine_id: str) -> str:
        """What a machine was booted with; "" when it is gone."""
        with self._lock:
            known = self._machines.get(machine_id)
            return known.user_data if known else ""

    def _change(self, machine_id: str, to: State, *when: State) -> None:
        with self._lock:
            known = self._machines.get(machine_id)
            if known is not None and known.state in when:
                self._machines[machine_id] = replace(known, state=to)


@dataclass(frozen=True, slots=True)
class _Paper:
    addresses: Addresses
    user_data: str
    role: str
    state: State
