"""One account's connections to Amazon: every call in a thread, bounded in time, told in words."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from oceanid.clouds.amazon.errors import told
from oceanid.clouds.specs import AccountSpec
from oceanid.clouds.threads import in_thread

DEFAULT_REGION: Final = "us-east-1"
CONNECT_S: Final = 5
READ_S: Final = 15
LONG_READ_S: Final = 60
"""For an order of machines, whose answer takes the longer the more there are."""
TRIES: Final = 2


class Session:
    """An account's clients, one for each service and region, made when first needed.

    Args:
        account: The account.
    """

    def __init__(self, account: AccountSpec) -> None:
        self.account = account
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._shared: Any = None

    @property
    def region(self) -> str:
        """The region of the account's own record."""
        return str(self.account.config.get("region") or DEFAULT_REGION)

    def names_region(self, region: str) -> str:
        """Where the names of all clusters of the account are reserved, whatever their region.

        Args:
            region: The cluster's; it tells which of Amazon's partitions is meant.
        """
        if chosen := self.account.config.get("names_region"):
            return str(chosen)
        if region.startswith("cn-"):
            return "cn-north-1"
        return "us-gov-west-1" if region.startswith("us-gov-") else DEFAULT_REGION

    async def call(
        self, operation: str, /, *, region: str, service: str = "ec2", **arguments: Any
    ) -> Mapping[str, Any]:
        """Ask once.

        Args:
            operation: The operation's name in Amazon's words: ``RunInstances``.
            region: Where.
            service: Whom.
            arguments: What goes with it.

        Raises:
            OceanidError: It was refused or not reached (see :mod:`oceanid.clouds.amazon.errors`).
        """
        return await in_thread(lambda: self.ask(operation, region, service, arguments))

    async def pages(
        self, operation: str, key: str, /, *, region: str, **arguments: Any
    ) -> list[Mapping[str, Any]]:
        """Ask, and for the further pages of the answer; all that stands under a key of them."""
        found: list[Mapping[str, Any]] = []
        token = ""
        while True:
            more = {"NextToken": token} if token else {}
            answer = await self.call(operation, region=region, **arguments, **more)
            found.extend(answer.get(key) or ())
            token = str(answer.get("NextToken") or "")
            if not token:
                return found

    def ask(
        self, operation: str, region: str, service: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Ask once and wait for the answer, in the caller's own thread."""
        from botocore import xform_name

        with told(f"{_PREFIX.get(service, service)}:{operation}", region):
            client = self._client(service, region)
            answer: Mapping[str, Any] = getattr(client, xform_name(operation))(**arguments)
            return answer

    def close(self) -> None:
        """Give back all connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _client(self, service: str, region: str) -> Any:
        from botocore.config import Config

        with self._lock:
            if found := self._clients.get((service, region)):
                return found
            config = self.account.config
            keys: dict[str, Any] = {}
            if not config.get("use_role"):
                keys = {
                    "aws_access_key_id": config.get("access_key_id"),
                    "aws_secret_access_key": self.account.secrets.get("secret_access_key"),
                }
            made = self._sdk(keys).client(
                service,
                region_name=region,
                endpoint_url=config.get("endpoint_url") or None,
                config=Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=LONG_READ_S if service == "ec2" else READ_S,
                    retries={"mode": "standard", "total_max_attempts": TRIES},
                    user_agent_extra="oceanid",
                    max_pool_connections=4,
                ),
            )
            self._clients[service, region] = made
            return made

    def _sdk(self, keys: dict[str, Any]) -> Any:
        import boto3
        from botocore.session import get_session

        if self._shared is None:
            core = get_session()
            core.register_component("data_loader", _loader())
            self._shared = boto3.Session(botocore_session=core, **keys)
        return self._shared


@cache
def _loader() -> Any:
    """Amazon's descriptions of its services, read once a process: EC2's alone takes a second."""
    from botocore.session import get_session

    return get_session().get_component("data_loader")


_PREFIX: Final = {"service-quotas": "servicequotas"}
