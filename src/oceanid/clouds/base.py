"""The protocol that every cloud keeps, whoever wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

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
from oceanid.clouds.userdata import rendered
from oceanid.clouds.userdata.plans import MasterPlan, WorkerPlan
from oceanid.errors import OceanidError, UnsupportedCapability
from oceanid.specs import CheckReport, Step

Problems = Mapping[str, OceanidError]
"""What can't be used, by the name of the field that it belongs to."""


class Cloud(ABC):
    """Makes and ends machines in one account of a cloud.

    A cloud knows no database and no Django: it takes specs and gives reports. One instance
    serves one account and is closed when it is no longer needed. Every method that asks the cloud
    bounds each of its calls in time; the supervisor bounds the whole as well, may cancel it
    anywhere, and may be killed before and after any call. So:

    * every method is idempotent: called again, with the same arguments, after any crash, it goes
      on where it was, makes nothing twice and leaves nothing that a later look does not find;
    * everything that is made carries the claim's tags from the call that makes it, never by a
      second call;
    * what is long under way in the cloud is not waited for beyond some seconds: a later look or
      a later call of the same method tells;
    * the number of calls does not grow with the number of machines, beyond pages of answers.

    What goes wrong is raised as one of :class:`CloudUnavailable` (not reached: says nothing),
    :class:`CloudThrottled`, :class:`CapacityShort`, :class:`QuotaExceeded`, :class:`CloudDenied`,
    :class:`NameTaken`, or another :class:`CloudError`, each with its cure as the hint.
    """

    name: ClassVar[str]
    """The name in the entry point and in account records."""

    title: ClassVar[str]
    """What a person reads."""

    engine: ClassVar[str] = "htcondor"
    """The engine, by its entry point, whose pool runs on the machines of a cluster: its class
    gives the :class:`~oceanid.engines.pools.Pool`, its name goes into the scheduler's record."""

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

    @classmethod
    def cluster_defaults(cls, config: Mapping[str, Any]) -> ClusterSpec:
        """What a cluster of an account gets where nothing is said, as far as that is known without
        asking the cloud: region and types, for a plan to reckon with."""
        return ClusterSpec(name="")

    @classmethod
    def beside(cls, blueprint: Blueprint, config: Mapping[str, Any]) -> Beside:
        """What costs beside the hours of the machines, told without asking the cloud.

        Args:
            blueprint: What a cluster is made of; before :meth:`resolve` it is what is likely,
                and :attr:`Blueprint.more` is empty.
            config: The account's options.
        """
        return Beside()

    @classmethod
    def ssh_key(cls, config: Mapping[str, Any], secrets: Mapping[str, str]) -> KeyFile | None:
        """The account's own SSH key, which opens the masters of clusters that have none of their
        own; None when the account names none.

        Raises:
            InvalidValue: It names one that can't be used.
        """
        return None

    def scheduler_options(self) -> Mapping[str, Any]:
        """Options of a master's scheduler record beside its host, account and keys."""
        return {}

    def user_data(self, plan: MasterPlan | WorkerPlan) -> str:
        """What a machine of this plan boots with; cloud-init's, where nothing else is said."""
        return rendered(plan)

    @abstractmethod
    async def check(self) -> CheckReport:
        """Look at the account step by step; raises nothing for what it can tell as a step."""

    async def identity(self) -> str:
        """Which account of the cloud the credentials are of: the same for other credentials of the
        same one. A cluster is only ever touched with credentials of the account that it was made
        with, or it would seem to be gone and its machines would be nobody's.

        Returns:
            "" where the cloud knows no such thing: then any credentials will do.
        """
        return ""

    async def resolve(self, wanted: ClusterSpec) -> Blueprint:
        """Find out everything that was left open: concrete images, types, zones, shapes.

        Makes nothing. Asked once for a cluster; the answer is kept for its whole life.

        Raises:
            InvalidValue: An image, a type, a zone or a network does not exist; with the cure.
        """
        raise self._only_looks()

    async def preflight(self, claim: Claim, *, size: int) -> tuple[Step, ...]:
        """What would fail: permission, quota, an image or type that is not there, a taken name.

        Makes nothing.

        Args:
            claim: The cluster, which need not exist.
            size: How many machines, the master included.

        Returns:
            Each thing that was looked at, in order; those that are not well with their cure.
        """
        raise self._only_looks()

    async def look(self, claim: Claim) -> Inventory:
        """All machines of a cluster: one call (and its further pages) while nothing changed."""
        raise self._only_looks()

    async def prepare(self, claim: Claim, ground: Ground) -> bool:
        """Make all that machines need: group, network, firewall, key, templates, identities.

        Returns:
            True when everything stands; False when it is under way: call again.

        Raises:
            NameTaken: The name belongs to another cluster, of this portal or another one.
        """
        raise self._only_looks()

    async def launch(self, claim: Claim, order: Launch) -> Launched:
        """Give an order; the same order again answers for the same machines.

        Machines of size one disk each, encrypted, deleted with the machine; metadata service v2
        only; no public address for workers unless the network gives no other way out.

        Raises:
            CapacityShort: Not one machine is to be had; the order is over and a new one, with
                another token, may name another zone, type or price.
            QuotaExceeded: Not one machine is allowed; the order is over.
        """
        raise self._only_looks()

    async def terminate(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """End these machines, by their ids, and what is theirs alone (disk, card, address).

        A request: later looks tell. An id that is gone already is no error.
        """
        raise self._only_looks()

    async def stop(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Stop machines so that they cost no more than their disks; a request."""
        raise self._only_looks()

    async def start(self, claim: Claim, machines: tuple[str, ...]) -> None:
        """Start stopped machines; a request.

        Raises:
            CapacityShort: There is no room for them at the moment.
        """
        raise self._only_looks()

    async def dismantle(self, claim: Claim) -> bool:
        """Remove everything of a cluster: machines, disks, addresses, network, group, templates.

        Never touches what does not carry the claim's tags: an existing network or group that the
        cluster was put into stays, with all that others have in it.

        Returns:
            True when nothing is left; False when it is under way: call again.
        """
        raise self._only_looks()

    async def console(self, claim: Claim, machine: str) -> str:
        """The last of what a machine wrote to its console; "" when there is nothing yet."""
        raise self._only_looks()

    async def survey(self) -> tuple[Estate, ...]:
        """All that carries our tags in the account, in every region that the account uses.

        Finds resources also when the cluster's rows are lost, whoever's portal made them.
        """
        raise self._only_looks()

    async def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back connections; the instance is not used any more."""

    def _only_looks(self) -> OceanidError:
        return UnsupportedCapability(
            "{title} can only be looked at by this version; it can't make machines.",
            title=self.title,
        )
