"""The chain on an emulated Amazon, with the rights of the documentation's policy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.clouds.amazon.emulator import ROOT_KEY
from tests.clouds.e2e.side import Side
from tests.clouds.hooks import Remote

ROOT: Final = Path(__file__).parents[3]
REGION: Final = "eu-central-1"
KEY: Final = "AKIA" + "E" * 16
SECRET: Final = "e" * 40
VMS: Final = "tests.clouds.vms.booter:VmBooter"
START_S: Final = 240
END_S: Final = 60


class AmazonSide(Side):
    """Amazon.

    Args:
        booter: What boots the machines, as ``module:callable``.
    """

    cloud = "amazon"

    def __init__(self, booter: str = VMS) -> None:
        self.booter = booter
        self._process: subprocess.Popen[str] | None = None
        self._address = ""
        self._account = ""
        self._pem = Path()

    def start(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.clouds.amazon.serve", "--booter", self.booter]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(folder / "amazon.log").open("w"),
            text=True,
        )
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()
        if not self._address:
            raise AssertionError((folder / "amazon.log").read_text()[-3000:])
        self._account = str(Remote(self._address).ask("account"))
        self._pem = self._key_pair(folder)

    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._address,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def credentials(self) -> Mapping[str, str]:
        return {
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "user_id": self._account,
            "region": REGION,
            "key_name": "portal",
            "key_location": str(self._pem),
        }

    def choices(self) -> Mapping[str, str]:
        return {"node_type": "t3.small"}

    def calls(self) -> list[str]:
        return Remote(self._address).calls()

    def is_look(self, call: str) -> bool:
        return call.startswith(("Describe", "Get"))

    def remains(self) -> list[str]:
        found = Remote(self._address).ask("remains")
        assert isinstance(found, list)
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _key_pair(self, folder: Path) -> Path:
        """A key pair as the console makes one: its private half is only there at this moment."""
        import boto3

        ec2 = boto3.client(
            "ec2",
            endpoint_url=self._address,
            region_name=REGION,
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=SECRET,
        )
        made = ec2.create_key_pair(KeyName="portal", KeyType="rsa")
        path = folder / "portal.pem"
        path.touch(mode=0o600)
        path.write_text(made["KeyMaterial"])
        return path


SIDE: Final = AmazonSide
