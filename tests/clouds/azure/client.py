"""A small Azure in a process of its own, and what a test asks of it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clouds.azure.authority import CLIENT, TENANT
from tests.clouds.azure.world import SUBSCRIPTION


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

    def ask(self, what: str, **body: Any) -> Any:
        """``calls``, ``remains``, ``hook``, ``disarm``, ``set``, ``allow``, ``know``, ``evict``,
        ``power``, ``blocked``, ``release``: see :class:`tests.clouds.azure.server.SmallAzure`."""
        request = urllib.request.Request(
            f"{self.address}/_/{what}", json.dumps(body).encode(), method="POST"
        )
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, timeout=70, context=context) as answer:
            return json.loads(answer.read())["found"]

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


def account_config(address: str, certificate: Path, **changes: str) -> dict[str, str]:
    """The options of an account in a small Azure."""
    return {
        "subscription_id": SUBSCRIPTION, "tenant_id": TENANT, "client_id": CLIENT,
        "certificate_path": str(certificate), "authority": address, "endpoint": address,
        "region": "westeurope",
    } | changes  # fmt: skip
