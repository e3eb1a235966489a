"""The cloud itself: each method of the contract, in a room of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from oceanid.clouds.azure import costing, values
from oceanid.clouds.azure.checking import look_at_account
from oceanid.clouds.azure.dismantling import dismantled
from oceanid.clouds.azure.ending import started, stopped, terminated
from oceanid.clouds.azure.finding import resolved
from oceanid.clouds.azure.grounds import prepared
from oceanid.clouds.azure.orders import launched
from oceanid.clouds.azure.preflight import preflighted
from oceanid.clouds.azure.session import Session
from oceanid.clouds.azure.surveying import surveyed
from oceanid.clouds.azure.watching import Seen, console_of, looked
from oceanid.clouds.base import Cloud, Problems
from oceanid.clouds.keyfiles import public_half
from oceanid.clouds.looking import looked as account_looked
from oceanid.clouds.specs import (
    AccountSpec,
    Beside,
    Blueprint,
    Claim,
    ClusterSpec,
    Estate,
    Ground,
    Inventory,
    KeyFile,
    Launch,
    Launched,
)
from oceanid.clouds.threads import in_thread
from oceanid.specs import CheckReport, Step


class AzureCloud(Cloud):
    """Azure, by Microsoft's own SDKs."""

    name: ClassVar[str] = "azure"
    title: ClassVar[str] = "Azure"

    def __init__(self, account: AccountSpec) -> None:
        super().__init__(account)
        self._session = Session(account)
        self._seen: dict[UUID, Seen] = {}

    @classmethod
    def is_available(cls) -> str:
        """What is missing of the SDKs, and how to get them."""
        return values.missing_library()

    @classmethod
    def account_problems(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
        """Formats, and the certificate's file."""
        return values.account_problems(config, secrets)

    @classmethod
    def account_remarks(
        cls, config: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Until when the certificate is good."""
        path = str(config.get("certificate_path") or "")
        return (values.good_until(path, secrets),) if path else ()

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
        """Formats of images, sizes, region, zones, network and group."""
        return values.cluster_problems(wanted)

    @classmethod
    def beside(cls, blueprint: Blueprint, config: Mapping[str, Any]) -> Beside:
        """The NAT gateway of a network of its own, addresses, and disks as they are charged."""
        return costing.beside(blueprint, config)

    @classmethod
    def ssh_key(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
        """The RSA key in the file that Certificate Path names."""
        path = str(config.get("certificate_path") or "")
        password = secrets.get("certificate_password", "")
        return KeyFile(path, public_half(path, password), password) if path else None

    async def check(self) -> CheckReport:
        """Whether the certificate opens the tenant, and the subscription can be read."""
        session = self._session
        return await in_thread(lambda: account_looked(lambda look: look_at_account(session, look)))

    async def identity(self) -> str:
        """The subscription."""
        return self._session.subscription.lower()

    async def resolve(self, wanted: ClusterSpec) -> Blueprint:
        """Concrete versions of images, sizes with their shapes, subnet and group."""
        return await resolved(self._session, wanted)

    async def preflight(self, claim: Claim, *, size: int) -> tuple[Step, ...]:
        """Providers, rights, name, sizes, images, quota."""
        return await preflighted(self._session, claim, size)

    async def look(self, claim: Claim) -> Inventory:
        """The machines of the group that carry the tags."""
        return await looked(self._session, claim, self._seen.setdefault(claim.uuid, Seen()))

    async def prepare(self, claim: Claim, ground: Ground) -> bool:
        """Group, security groups, and a network with a NAT gateway unless there is one."""
        return await prepared(self._session, claim, ground)

    async def launch(self, claim: Claim, order: Launch) -> Launched:
        """A machine for the master's order, a scale set for each order of workers."""
        return await launched(self._session, claim, order)

    async def terminate(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """By their names; with their disks, cards and addresses."""
        await terminated(self._session, claim, machines)

    async def stop(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Deallocate them."""
        await stopped(self._session, claim, machines)

    async def start(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Start them."""
        await started(self._session, claim, machines)

    async def dismantle(self, claim: Claim) -> bool:
        """The whole group; of a group that is not the cluster's, what carries its tags."""
        gone = await dismantled(self._session, claim)
        if gone:
            self._seen.pop(claim.uuid, None)
        return gone

    async def console(self, claim: Claim, machine: str) -> str:
        """The end of its boot diagnostics' serial log."""
        return await console_of(self._session, claim, machine)

    async def survey(self) -> tuple[Estate, ...]:
        """All groups and resources of the subscription that carry Oceanid's tags."""
        return await surveyed(self._session)

    async def close(self) -> None:
        """Give back connections."""
        await in_thread(self._session.close)
