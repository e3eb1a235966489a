"""Emulated clouds on the loopback, reached by the real SDKs."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.azure.server import SmallAzure
from tests.contract.clouds.azure_stage import AzureStage

EVERYTHING = ["sts:GetCallerIdentity", "ec2:DescribeKeyPairs"]


@dataclass
class FakeAmazon:
    """An emulated Amazon, and a client of it for whatever a test prepares."""

    address: str

    def client(self, service: str) -> Any:
        """A client that may do everything."""
        import boto3

        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="preparing",
            aws_secret_access_key="preparing",
        )

    def key_of_a_user(self, *, allowed: list[str] = EVERYTHING) -> tuple[str, str]:
        """An access key of a new user, who may do this much."""
        iam = self.client("iam")
        iam.create_user(UserName="oceanid")
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="oceanid", PolicyName="all", PolicyDocument=document)
        made = iam.create_access_key(UserName="oceanid")["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def guard(self) -> None:
        """From now on, signatures and permissions are checked."""
        self._post("reset-auth", b"0")

    def forget(self) -> None:
        """Be as new."""
        self._post("reset-auth", b"Infinity")
        self._post("reset", b"")

    def _post(self, what: str, body: bytes) -> None:
        request = urllib.request.Request(
            f"{self.address}/moto-api/{what}", body, {"Content-Type": "text/plain"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@pytest.fixture(scope="session", autouse=True)
def _clients_of_one_class() -> Iterator[None]:
    """The SDK writes the class of a service's clients anew for each client, all of EC2's 700
    operations; here, where each crash makes new clients, it is written once."""
    from botocore.client import ClientCreator

    written: dict[str, type] = {}
    real = ClientCreator._create_client_class

    def once(self: Any, service_name: str, *given: Any, **more: Any) -> type:
        if service_name not in written:
            written[service_name] = real(self, service_name, *given, **more)
        return written[service_name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientCreator, "_create_client_class", once)
        yield


@pytest.fixture(scope="session")
def amazon_server() -> Iterator[FakeAmazon]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield FakeAmazon(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def amazon(amazon_server: FakeAmazon, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    """An Amazon without anything in it; what the machine itself knows of Amazon is hidden."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    amazon_server.forget()
    yield amazon_server
    amazon_server.forget()


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallAzure]:
    """An Azure that the SDKs trust."""
    made = SmallAzure(tmp_path / "small-azure")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.ca))
    yield made
    made.stop()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureStage]:
    """A fresh subscription in a small Azure."""
    made = AzureStage(tmp_path, monkeypatch)
    yield made
    made.close()
