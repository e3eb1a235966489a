"""What a machine must be told before it boots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SUBMITTER: Final = "oceanid"
"""The account on the master that jobs are submitted and run as; it has no other rights."""

KEEPER: Final = "oceanid-keeper"
"""The account on the master that looks at the pool, drains, and has worker tokens made, by one
command that sudo allows; no job runs as this one."""


@dataclass(frozen=True, slots=True)
class MasterPlan:
    """A master's.

    Args:
        cluster: The cluster's name.
        public_key: The OpenSSH public key that opens both accounts.
        host_key: The machine's own ed25519 SSH key, as PEM in OpenSSH's format; known before
            the machine is.
        host_public_key: Its public half.
        works: Whether the master takes jobs from the start.
    """

    cluster: str
    public_key: str
    host_key: str = field(repr=False)
    host_public_key: str
    works: bool


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """A worker's; the same for all workers of an order.

    Args:
        cluster: The cluster's name.
        master_address: The master's private address.
        token: What lets it join the pool; it takes its next ones by itself.
        spot: Whether the cloud may take the machine back; jobs can ask for one or the other.
    """

    cluster: str
    master_address: str
    token: str = field(repr=False)
    spot: bool = False
