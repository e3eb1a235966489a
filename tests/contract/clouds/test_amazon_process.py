"""The emulated Amazon as a process of its own: it outlives who asks it, and is told over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanid.clouds.amazon.cloud import AmazonCloud
from oceanid.clouds.specs import AccountSpec, ClusterSpec
from tests.clouds.hooks import Fault, Remote
from tests.contract.clouds.amazon_stage import KEY
from tests.integration.running import eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture
def address() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clouds.amazon.serve"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    assert process.wait(timeout=20) == 0


def resolve(address: str) -> str:
    config = {"access_key_id": KEY, "region": "eu-central-1", "endpoint_url": address}
    secrets = {"secret_access_key": "x" * 40}
    cloud = AmazonCloud(AccountSpec(uuid.UUID(int=1), "emulated", config, secrets))
    return asyncio.run(cloud.resolve(ClusterSpec("alps"))).node_image


def test_it_counts_stands_still_and_is_told_to_go_on(address: str) -> None:
    remote = Remote(address)
    assert resolve(address).startswith("ami-")
    calls = remote.calls()
    assert calls[0] == "DescribeInstanceTypes" and len(calls) == 5
    assert remote.ask("remains") == []
    remote.arm(Fault(at=1, act="block"))
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(resolve(address)), daemon=True)
    asking.start()
    eventually(lambda: remote.waiting() == 1, within_s=20, what="somebody stands at the call")
    assert not found
    remote.release()
    asking.join(timeout=20)
    assert found and found[0].startswith("ami-"), "the SDK asks again"
    assert remote.calls() == calls + calls, "what the SDK tries again is one call"
