"""The chain on the small Azure, with the rights of the documentation's role."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.clouds.azure.client import AzureProcess, account_config
from tests.clouds.e2e.side import Side
from tests.contract.clouds.certificates import both

VMS: Final = "tests.clouds.vms.booter:VmBooter"
TYPED: Final = ("subscription_id", "tenant_id", "client_id", "certificate_path", "region")


class AzureSide(Side):
    """Azure.

    Args:
        booter: What boots the machines, as ``module:callable``.
    """

    cloud = "azure"

    def __init__(self, booter: str = VMS) -> None:
        self.booter = booter
        self._process: AzureProcess | None = None
        self._certificate = Path()

    def start(self, folder: Path) -> None:
        self._process = AzureProcess.start(folder / "small-azure", booter=self.booter, delay_s=0.4)
        self._certificate = both(folder / "azure.pem")
        self._azure.remote.ask("know", pem=self._certificate.read_text())

    def environment(self) -> Mapping[str, str]:
        return {
            "AZURE_AUTHORITY_HOST": self._azure.address,
            "AZURE_RESOURCE_MANAGER_URL": self._azure.address,
            "REQUESTS_CA_BUNDLE": str(self._azure.ca),
        }

    def credentials(self) -> Mapping[str, str]:
        whole = account_config(self._azure.address, self._certificate)
        return {name: whole[name] for name in TYPED}

    def choices(self) -> Mapping[str, str]:
        return {"node_type": "Standard_D2as_v5"}

    def calls(self) -> list[str]:
        return self._azure.remote.calls()

    def is_look(self, call: str) -> bool:
        return call.endswith(" GET")

    def remains(self) -> list[str]:
        found = self._azure.remote.ask("remains")
        assert isinstance(found, list)
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def _azure(self) -> AzureProcess:
        assert self._process is not None, "It has not been started."
        return self._process


SIDE: Final = AzureSide
