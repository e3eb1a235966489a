"""The protocol that every cloud keeps, whoever wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from oceanid.errors import OceanidError
from oceanid.specs import CheckReport

Problems = Mapping[str, OceanidError]
"""What can't be used, by the name of the field that it belongs to."""


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


class Cloud(ABC):
    """Looks at one account of a cloud, and will make machines there.

    A cloud knows no database and no Django: it takes specs and gives reports. One instance
    serves one account. Every method that asks the cloud bounds each of its calls in time; the
    supervisor bounds the whole as well, and may cancel it anywhere.
    """

    name: ClassVar[str]
    """The name in the entry point and in account records."""

    title: ClassVar[str]
    """What a person reads."""

    def __init__(self, account: AccountSpec) -> None:
        self.account = account

    @classmethod
    def is_available(cls) -> str:
        """An empty string when this machine can use the cloud, else what is missing and the
        command that installs it."""
        return ""

    @classmethod
    def account_problems(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
        """What of an account's values can't be used, found without asking the cloud.

        An account of which nothing has been filled in has no problem yet.
        """
        return {}

    @classmethod
    def account_remarks(
        cls, config: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> tuple[str, ...]:
        """What a person should know of values that can be used: when they expire."""
        return ()

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
        """What of a cluster's values this cloud can't mean, found without asking it."""
        return {}

    @abstractmethod
    async def check(self) -> CheckReport:
        """Look at the account step by step; raises nothing for what it can tell as a step."""
