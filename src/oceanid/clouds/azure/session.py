"""One app's way into one subscription: Microsoft's clients, each call bounded in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from oceanid.clouds.azure.refusals import ARM_CURES, Missing, told
from oceanid.clouds.azure.values import REQUIRED, missing_library
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.threads import in_thread
from oceanid.errors import CloudError, InvalidValue

if TYPE_CHECKING:
    from azure.identity import CertificateCredential
    from azure.mgmt.compute import ComputeManagementClient
    from azure.mgmt.network import NetworkManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient

T = TypeVar("T")
AUTHORITY: Final = "https://login.microsoftonline.com"
ENDPOINT: Final = "https://management.azure.com"
AUTHORITY_VARIABLE: Final = "AZURE_AUTHORITY_HOST"
ENDPOINT_VARIABLE: Final = "AZURE_RESOURCE_MANAGER_URL"
"""By these the portal is sent to another Azure: that of a government, of China, of a test."""
CONNECT_S: Final = 5
READ_S: Final = 15


class Session:
    """The clients of an account; made when they are first needed, for their import is slow.

    Nothing is tried again by the SDK: what goes wrong is told, and whoever asked knows when to
    ask again.
    """

    def __init__(self, account: AccountSpec) -> None:
        self.account = account
        self._lock = threading.Lock()

    @property
    def subscription(self) -> str:
        """The subscription's id."""
        return str(self.account.config.get("subscription_id") or "")

    @property
    def endpoint(self) -> str:
        """Where Azure is asked."""
        told = self.account.config.get("endpoint") or os.environ.get(ENDPOINT_VARIABLE)
        return str(told or ENDPOINT).rstrip("/")

    @property
    def scope(self) -> str:
        """What a token is for."""
        return f"{self.endpoint}/.default"

    @property
    def limits(self) -> dict[str, Any]:
        """How long a call may take, and how often it is made."""
        return {"connection_timeout": CONNECT_S, "read_timeout": READ_S, "retry_total": 0}

    @cached_property
    def credential(self) -> CertificateCredential:
        """The app's."""
        return new_credential(self.account, self.limits)

    @cached_property
    def compute(self) -> ComputeManagementClient:
        """Machines, sets of machines, images, sizes."""
        from azure.mgmt.compute import ComputeManagementClient

        return ComputeManagementClient(self.credential, self.subscription, **self._how())

    @cached_property
    def network(self) -> NetworkManagementClient:
        """Networks, addresses, firewalls."""
        from azure.mgmt.network import NetworkManagementClient

        return NetworkManagementClient(self.credential, self.subscription, **self._how())

    @cached_property
    def resources(self) -> ResourceManagementClient:
        """Groups, and everything by its tags."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        return ResourceManagementClient(self.credential, self.subscription, **self._how())

    async def call(
        self, ask: Callable[[], T], cures: Mapping[str, tuple[str, str]] = ARM_CURES
    ) -> T:
        """Ask, in a thread; what goes wrong is told as the house's errors."""

        def asked() -> T:
            with self._lock:
                self._open()
            with told(cures):
                return ask()

        return await in_thread(asked)

    async def found(self, ask: Callable[[], T]) -> T | None:
        """Ask for something that may be missing."""
        try:
            return await self.call(ask)
        except Missing:
            return None

    def get(self, path: str, api_version: str) -> dict[str, Any]:
        """What no client knows of, by its path; blocks."""
        from azure.core.rest import HttpRequest

        request = HttpRequest("GET", path, params={"api-version": api_version})
        answer = self.resources.send_request(request)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def close(self) -> None:
        """Give back connections."""
        for name in ("compute", "network", "resources", "credential"):
            if name in self.__dict__:
                getattr(self, name).close()

    def _open(self) -> None:
        """Make the clients, alone: two threads must not make two credentials."""
        if "resources" in self.__dict__:
            return
        if problem := missing_library():
            raise CloudError(problem)
        for name, words in REQUIRED.items():
            if not self.account.config.get(name):
                raise InvalidValue(
                    "The account's {words} is missing.", hint="Give it and save.", words=words
                )
        for name in ("credential", "compute", "network", "resources"):
            getattr(self, name)

    def _how(self) -> dict[str, Any]:
        return {"base_url": self.endpoint, "credential_scopes": [self.scope], **self.limits}


def new_credential(account: AccountSpec, limits: Mapping[str, Any]) -> CertificateCredential:
    """What opens the tenant of an account."""
    from azure.identity import CertificateCredential

    config = account.config
    told = config.get("authority") or os.environ.get(AUTHORITY_VARIABLE)
    authority = str(told or AUTHORITY).rstrip("/")
    return CertificateCredential(
        str(config["tenant_id"]),
        str(config["client_id"]),
        str(config["certificate_path"]),
        password=account.secrets.get("certificate_password") or None,
        authority=authority,
        disable_instance_discovery=authority != AUTHORITY,
        **limits,
    )
