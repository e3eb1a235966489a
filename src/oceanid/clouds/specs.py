"""What passes between the house and its clouds: frozen values, without Django."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from oceanid.states import MachineState, Role


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What a cloud needs to know of an account.

    Args:
        uuid: The record's identity.
        name: What administrators call it.
        config: Its options.
        secrets: Its secrets, decrypted.
    """

    uuid: UUID
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What is wanted of a cluster; "" and None mean that it is left to the defaults.

    Args:
        name: Unique in the account.
        size: The number of machines, the master included.
        region: Where.
        zones: Zones of the region, in the order of preference.
        master_image, node_image: What the machines boot.
        master_type, node_type: How large they are.
        spot: Whether the workers may be machines that the cloud takes back.
        network: An existing network to be used.
        resource_group: An existing group to be used.
    """

    name: str
    size: int = 1
    region: str = ""
    zones: tuple[str, ...] = ()
    master_image: str = ""
    master_type: str = ""
    node_image: str = ""
    node_type: str = ""
    spot: bool = False
    network: str = ""
    resource_group: str = ""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An SSH key of an account, in a file on the portal's machine.

    Args:
        path: The private key's file.
        public_key: Its public half, as in ``authorized_keys``.
        passphrase: What opens it; "" when it is open.
    """

    path: str
    public_key: str
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large machines of one type are.

    Args:
        cpus: Processors.
        memory_mib: Memory in MiB.
    """

    cpus: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a cluster is made of, everything concrete: found out once, kept for its whole life.

    Args:
        region: Where.
        zones: Zones in the order of preference; empty when the cloud shall choose.
        master_image, node_image: Concrete ids of images; never "latest".
        master_type, node_type: Types of machines.
        master_shape, node_shape: How large these are.
        spot: Whether workers may be taken back by the cloud.
        network: An existing network's or subnet's id, "" for one of the cluster's own.
        resource_group: On Azure the group that all is in; "" elsewhere.
        has_own_group: Whether that group is made for the cluster, and deleted with it.
        disk_gib: The size of each machine's disk, GiB.
        more: What else this cloud wants to remember of its findings.
    """

    region: str
    master_image: str
    master_type: str
    node_image: str
    node_type: str
    zones: tuple[str, ...] = ()
    master_shape: Shape = Shape(1, 1024)
    node_shape: Shape = Shape(1, 1024)
    spot: bool = False
    network: str = ""
    resource_group: str = ""
    has_own_group: bool = True
    disk_gib: int = 30
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a cluster's machines have with them, and what stands beside them, that costs.

    Args:
        disk_gib: What the disk of a machine is charged as, GiB; None for the blueprint's size.
        master_address, worker_address: Whether such a machine has a public address.
        keeps_address: Whether it keeps, and pays, that address while it is stopped.
        gateways: How many NAT gateways stand as long as the cluster does.
        addresses: How many public addresses of no machine stand as long as it does.
        unsure: What of this is only known once its cloud was asked, a sentence; "" for nothing.
        varies: What may cost more than a table of prices can tell, a sentence; "" for nothing.
    """

    disk_gib: int | None = None
    master_address: bool = True
    worker_address: bool = False
    keeps_address: bool = True
    gateways: int = 0
    addresses: int = 0
    unsure: str = ""
    varies: str = ""

    def has_address(self, role: Role, *, is_stopped: bool = False) -> bool:
        """Whether a machine pays for a public address."""
        if is_stopped and not self.keeps_address:
            return False
        return self.master_address if role is Role.MASTER else self.worker_address


class Notes(Protocol):
    """A cluster's small memory, kept in the database: what a cloud must know again after a crash
    (tokens of calls, handles of operations under way). Never a secret."""

    def get(self, name: str) -> str:
        """What was kept; "" when nothing was."""
        ...

    async def keep(self, name: str, value: str) -> None:
        """Keep a value; it is committed when this returns. "" forgets it.

        Raises:
            LeaseLost: Another supervisor drives the cluster now; make no further call.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """One cluster, as its cloud finds and marks all that belongs to it.

    Every resource that is made carries the tags ``oceanid-cluster`` (the uuid), ``oceanid-name``
    and ``oceanid-portal``; every machine also ``oceanid-role`` and ``oceanid-launch``.

    Args:
        uuid: The cluster's identity, for ever.
        name: Its name, unique in the account.
        portal: The identity of the portal that owns it.
        blueprint: What it is made of.
        notes: Its memory.
    """

    uuid: UUID
    name: str
    portal: UUID
    blueprint: Blueprint
    notes: Notes


@dataclass(frozen=True, slots=True)
class Ground:
    """What must stand before machines do.

    Args:
        public_key: The OpenSSH public key that opens the master.
        ssh_from: Networks (CIDR) from which the master's port 22 can be reached; nothing else of
            any machine can be reached from outside.
    """

    public_key: str
    ssh_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Launch:
    """One order of machines, written down before it is given.

    Args:
        token: Its identity, at most 64 letters, digits and hyphens: the same token never makes
            machines twice, however often the order is given.
        role: What the machines are for.
        count: How many, at least 1; fewer may come (see :class:`Launched`).
        user_data: What they boot with, as text (cloud-init); at most 16 KiB.
        spot: Whether the cloud may take them back.
        zone: In which zone; "" when the cloud shall choose.
        machine_type: Their type, when not the blueprint's; "" for the blueprint's.
    """

    token: str
    role: Role
    count: int
    user_data: str = field(repr=False)
    spot: bool = False
    zone: str = ""
    machine_type: str = ""


@dataclass(frozen=True, slots=True)
class Launched:
    """What came of an order.

    Args:
        machines: The ids of those that were made and can be told already; all that come show in
            the next looks, by their tag.
        got: How many were accepted in all; fewer than asked when capacity was short.
        short_because: Why fewer came; "" when all did.
        under_way: Whether the cloud has not told yet what comes of it, and may still refuse:
            the same order is to be given again soon.
    """

    machines: tuple[str, ...]
    got: int
    short_because: str = ""
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, as a look finds it.

    Args:
        id: What the cloud calls it in calls.
        role: What it is for.
        state: What it does.
        launch: The token of the order that made it.
        name: What a person sees in the cloud's console.
        host_name: The name that the machine gives itself: HTCondor's slots carry it.
        public_address, private_address: "" when it has none, or none yet.
        machine_type, image, zone: As made.
        spot: Whether the cloud may take it back.
        launched_at: When, aware.
        reason: Why it stopped or failed, in the cloud's words.
        still_paid: Whether it costs as if it ran although it is stopped, until
            :meth:`Cloud.stop` is asked for.
    """

    id: str
    role: Role
    state: MachineState
    launch: str = ""
    name: str = ""
    host_name: str = ""
    public_address: str = ""
    private_address: str = ""
    machine_type: str = ""
    image: str = ""
    zone: str = ""
    spot: bool = False
    launched_at: datetime | None = None
    reason: str = ""
    still_paid: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """All machines of a cluster that are not gone, and the orders that are still being carried
    out.

    Args:
        machines: Those with the cluster's tag, also such that no order of ours is known for.
        is_standing: Whether anything else of the cluster stands (its network, its group), as far
            as this look can tell; None when it can't.
    """

    machines: tuple[Machine, ...] = ()
    is_standing: bool | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing in the account that carries our tags.

    Args:
        kind: The cloud's word: ``instance``, ``volume``, ``security-group``, ``resource-group``.
        id: What the cloud calls it.
        name: What a person sees.
        detail: Its state or size, in a few words.
    """

    kind: str
    id: str
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Estate:
    """All that carries the tags of one cluster, whoever's portal it is.

    Args:
        cluster: The uuid in the tags.
        name: The cluster's name in the tags.
        portal: The portal's uuid in the tags.
        region: Where it is.
        blueprint: What it seems to be made of; enough to look at it and to dismantle it.
        resources: All of it.
    """

    cluster: UUID
    name: str
    portal: UUID | None
    region: str
    blueprint: Blueprint
    resources: tuple[Resource, ...]
