"""Amazon's EC2 as a cloud of the house."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from oceanid.clouds.amazon import (
    account,
    dismantle,
    findings,
    ground,
    machines,
    networks,
    preflight,
    survey,
)
from oceanid.clouds.amazon.session import Session
from oceanid.clouds.base import Cloud, Problems
from oceanid.clouds.looking import looked
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


class AmazonCloud(Cloud):
    """Amazon's EC2, by the SDK boto3.

    A cluster is a launch template for the master and one for its workers (their names are the
    cluster's reservation), two security groups, and machines in the default network or in one
    that is named. Nothing else is made, so nothing else can be left behind.
    """

    name: ClassVar[str] = "amazon"
    title: ClassVar[str] = "Amazon"

    def __init__(self, account: AccountSpec) -> None:
        super().__init__(account)
        self._session = Session(account)

    @classmethod
    def is_available(cls) -> str:
        """What is missing of the SDK, and how to get it."""
        return account.missing_library()

    @classmethod
    def account_problems(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Problems:
        """Formats, what is missing beside the rest, and the key file."""
        return account.account_problems(config, secrets)

    @classmethod
    def cluster_problems(cls, wanted: ClusterSpec) -> Problems:
        """Formats of images, types, region, zones and network."""
        return account.cluster_problems(wanted)

    @classmethod
    def beside(cls, blueprint: Blueprint, config: Mapping[str, Any]) -> Beside:
        """A public address for each machine that gets out by the internet gateway only.

        It goes back when the machine stops (EC2 user guide, "EC2 instance IP addressing"), and
        costs as long as it is there (VPC user guide, "Pricing for VPC": public IPv4 addresses).
        """
        has = blueprint.more.get("way_out", networks.GATEWAY) == networks.GATEWAY
        unsure = ""
        if blueprint.network and "way_out" not in blueprint.more:
            unsure = "Whether machines get public addresses is known once the network was seen."
        return Beside(
            master_address=has, worker_address=has, keeps_address=False, unsure=unsure,
            varies=findings.dearer_when_busy(blueprint.master_type, blueprint.node_type),
        )  # fmt: skip

    @classmethod
    def ssh_key(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
        """The file that Key Location names."""
        return account.ssh_key(config, secrets)

    async def check(self) -> CheckReport:
        """Whether the key is Amazon's, of the account that was typed, and finds the key pair."""
        return await in_thread(
            lambda: looked(lambda look: account.look_at_account(self._session, look))
        )

    async def identity(self) -> str:
        """The account's twelve digits, as STS tells them: whoever has a key may ask."""
        region = self._session.region
        said = await self._session.call("GetCallerIdentity", region=region, service="sts")
        return str(said["Account"])

    async def resolve(self, wanted: ClusterSpec) -> Blueprint:
        """Find out images, types, zones and the network; see :mod:`.findings`."""
        return await findings.resolve(self._session, wanted)

    async def preflight(self, claim: Claim, *, size: int) -> tuple[Step, ...]:
        """Ask Amazon whether it would; see :mod:`.preflight`."""
        return await preflight.preflight(self._session, claim, size)

    async def look(self, claim: Claim) -> Inventory:
        """One call: the machines that carry the cluster's tag."""
        return await machines.look(self._session, claim)

    async def prepare(self, claim: Claim, ground_: Ground) -> bool:
        """Reserve the name, and make the templates and the security groups."""
        return await ground.prepare(self._session, claim, ground_)

    async def launch(self, claim: Claim, order: Launch) -> Launched:
        """Order machines; the order's token makes it one order for ever."""
        return await machines.launch(self._session, claim, order)

    async def terminate(self, claim: Claim, ids: tuple[str, ...]) -> None:
        """End machines; their disks, cards and addresses go with them."""
        await machines.terminate(self._session, claim, ids)

    async def stop(self, claim: Claim, ids: tuple[str, ...]) -> None:
        """Stop machines."""
        await machines.stop(self._session, claim, ids)

    async def start(self, claim: Claim, ids: tuple[str, ...]) -> None:
        """Start stopped machines."""
        await machines.start(self._session, claim, ids)

    async def dismantle(self, claim: Claim) -> bool:
        """Remove all, the name's reservation last."""
        return await dismantle.dismantle(self._session, claim)

    async def console(self, claim: Claim, machine: str) -> str:
        """What a machine wrote to its console."""
        return await machines.console(self._session, claim, machine)

    async def survey(self) -> tuple[Estate, ...]:
        """All that carries our tags, in every region that is switched on."""
        return await survey.survey(self._session)

    async def close(self) -> None:
        """Give back connections."""
        self._session.close()
