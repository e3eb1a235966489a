"""What the parts of a cluster are called in Azure, and the tags that they carry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from oceanid.clouds.specs import Claim, Launch
from oceanid.states import Role

CLUSTER: Final = "oceanid-cluster"
NAME: Final = "oceanid-name"
PORTAL: Final = "oceanid-portal"
ROLE: Final = "oceanid-role"
LAUNCH: Final = "oceanid-launch"
_INITIAL: Final = {Role.MASTER: "m", Role.WORKER: "w"}


@dataclass(frozen=True, slots=True)
class Names:
    """Those of one cluster in one subscription."""

    subscription: str
    claim: Claim

    @property
    def stem(self) -> str:
        """What every name begins with."""
        return f"oceanid-{self.claim.name}"

    @property
    def group(self) -> str:
        """The resource group that all is in."""
        return self.claim.blueprint.resource_group or self.stem

    @property
    def group_id(self) -> str:
        """Its whole id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def has_own_group(self) -> bool:
        """Whether the group is made for the cluster, and deleted with it."""
        return self.claim.blueprint.has_own_group

    @property
    def has_own_network(self) -> bool:
        """Whether the network is."""
        return not self.claim.blueprint.network

    @property
    def tags(self) -> dict[str, str]:
        """What everything carries."""
        claim = self.claim
        return {CLUSTER: str(claim.uuid), NAME: claim.name, PORTAL: str(claim.portal)}

    def part(self, kind: str, suffix: str) -> str:
        """The whole id of a part.

        Args:
            kind: Its type, as in ``Microsoft.Network/natGateways``.
            suffix: What its name ends with.
        """
        return f"{self.group_id}/providers/{kind}/{self.stem}-{suffix}"

    @property
    def subnet_id(self) -> str:
        """Where machines are."""
        if not self.has_own_network:
            return self.claim.blueprint.network
        return f"{self.part('Microsoft.Network/virtualNetworks', 'net')}/subnets/machines"

    def set_id(self, name: str) -> str:
        """The whole id of a scale set."""
        return f"{self.group_id}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"

    def of_order(self, order: Launch) -> str:
        """The name of what an order makes: always the same for one order, so that it can't make
        anything twice."""
        # Azure puts nine characters behind a set's name, and takes 64 in all.
        return f"{self.stem[:32]}-{_INITIAL[order.role]}-{self._mark(order)}"

    def computer(self, order: Launch) -> str:
        """What a machine calls itself, or what that begins with; at most 15 characters."""
        own = re.sub(r"[^a-z0-9-]", "", self.claim.name.lower())[:8].strip("-") or "node"
        return f"{own}-{_INITIAL[order.role]}{self._mark(order)[:4]}"

    def machine_tags(self, order: Launch) -> dict[str, str]:
        """What machines carry, and what is theirs."""
        return {**self.tags, ROLE: str(order.role.value), LAUNCH: order.token}

    def are_ours(self, tags: Mapping[str, str] | None) -> bool:
        """Whether tags are this cluster's."""
        return bool(tags) and (tags or {}).get(CLUSTER) == str(self.claim.uuid)

    def _mark(self, order: Launch) -> str:
        return hashlib.sha256(f"{self.claim.uuid}/{order.token}".encode()).hexdigest()[:12]


def word_of(value: object) -> str:
    """The word of one of the SDK's enums, or of a text that it does not know; "" for None."""
    return str(getattr(value, "value", value) or "")


def last_of(resource_id: str | None) -> str:
    """The name at the end of a whole id; "" for none."""
    return (resource_id or "").rstrip("/").rpartition("/")[2]


def group_of(resource_id: str) -> str:
    """The resource group in a whole id; "" when there is none."""
    found = re.search(r"/resourceGroups/([^/]+)", resource_id, re.IGNORECASE)
    return found[1] if found else ""


def uuid_of(text: str | None) -> UUID | None:
    """A uuid in a tag; None when it is none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None
