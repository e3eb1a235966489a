"""A small Azure in a process of its own, and an account in one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.clouds.azure.authority import CLIENT, TENANT
from tests.clouds.azure.world import SUBSCRIPTION
from tests.clouds.hooks import Remote


@dataclass
class AzureProcess:
    """A running one.

    Args:
        address: Where it listens.
        ca: Whom a client must trust; give it as ``REQUESTS_CA_BUNDLE``.
        process: The process.
    """

    address: str
    ca: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, *, booter: str = "", delay_s: float = 0.0) -> AzureProcess:
        """Start one, and wait until it listens."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.clouds.azure.serve", "--folder", str(folder),
             "--booter", booter, "--delay", str(delay_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        return cls(told["address"], Path(told["ca"]), process)

    @property
    def remote(self) -> Remote:
        """Its hooks, and what else can be asked of it (``SmallAzure.control``)."""
        return Remote(self.address, ca=str(self.ca))

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.terminate()  # a forked child may hold the other end of its standard input
        self.process.wait(60)


def account_config(address: str, certificate: Path, **changes: str) -> dict[str, str]:
    """The options of an account in a small Azure."""
    return {
        "subscription_id": SUBSCRIPTION, "tenant_id": TENANT, "client_id": CLIENT,
        "certificate_path": str(certificate), "authority": address, "endpoint": address,
        "region": "westeurope",
    } | changes  # fmt: skip
