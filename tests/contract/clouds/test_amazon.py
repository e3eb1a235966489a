"""An Amazon account is looked at step by step, by the real SDK, and each failure tells its cure."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oceanid.clouds.amazon import account, session
from oceanid.clouds.amazon.cloud import AmazonCloud
from oceanid.clouds.specs import AccountSpec, ClusterSpec
from oceanid.specs import CheckReport
from oceanid.states import Health
from tests.contract.clouds.certificates import pem_of, private_file, rsa_key
from tests.contract.clouds.conftest import FakeAmazon

ACCOUNT = "123456789012"


def look(config: dict[str, Any], secret: str = "") -> CheckReport:
    secrets = {"secret_access_key": secret} if secret else {}
    return asyncio.run(AmazonCloud(AccountSpec(uuid.uuid4(), "ours", config, secrets)).check())


def last(report: CheckReport) -> tuple[str, bool, str]:
    step = report.steps[-1]
    return step.name, step.ok, f"{step.found} {step.hint}"


@pytest.fixture
def key_file(amazon: FakeAmazon, tmp_path: Path) -> Path:
    """The private half of a key pair that is there."""
    key = rsa_key()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    amazon.client("ec2").import_key_pair(KeyName="rivers", PublicKeyMaterial=public)
    return private_file(tmp_path / "rivers.pem", pem_of(key))


def test_all_is_well(amazon: FakeAmazon, key_file: Path) -> None:
    key, secret = amazon.key_of_a_user()
    amazon.guard()
    config = {
        "access_key_id": key, "user_id": ACCOUNT, "key_name": "rivers",
        "key_location": str(key_file), "region": "us-east-1", "endpoint_url": amazon.address,
    }  # fmt: skip
    report = look(config, secret)
    assert report.health is Health.OK, report
    assert [step.name for step in report.steps] == [
        "library", "login", "account", "key pair", "key file",
    ]  # fmt: skip
    assert f"arn:aws:iam::{ACCOUNT}:user/oceanid" in report.steps[1].found
    assert secret not in str(report)


@pytest.mark.parametrize(
    ("change", "secret", "name", "told"),
    [
        ({"access_key_id": "AKIA" + "A" * 16}, None, "login", "does not know this access key id"),
        ({}, "x" * 40, "login", "does not belong to the access key id"),
        ({"user_id": "9" * 12}, None, "account", f"the account {ACCOUNT}, not to 999999999999"),
        ({"key_name": "creeks"}, None, "key pair", "no key pair of this name in the region"),
        ({"key_name": "rivers"}, None, "key file", "not where its private key is"),
        ({"access_key_id": ""}, None, "values", "No access key was given"),
        ({"region": "moon"}, None, "values", "not a region"),
    ],
)
def test_what_is_wrong_is_told_with_its_cure(
    amazon: FakeAmazon, key_file: Path, change: dict[str, str], secret: str | None, name: str,
    told: str,
) -> None:  # fmt: skip
    key, real = amazon.key_of_a_user()
    amazon.guard()
    config = {"access_key_id": key, "region": "us-east-1", "endpoint_url": amazon.address}
    report = look(config | change, secret or real)
    found = last(report)
    assert found[:2] == (name, False) and told in found[2], report
    assert report.health is Health.DEGRADED and report.steps[-1].hint


def test_a_right_that_is_missing_is_named(amazon: FakeAmazon) -> None:
    key, secret = amazon.key_of_a_user(allowed=["sts:GetCallerIdentity"])
    amazon.guard()
    report = look({"access_key_id": key, "endpoint_url": amazon.address}, secret)
    assert last(report)[:2] == ("key pair", False)
    assert "ec2:DescribeKeyPairs" in report.steps[-1].hint


def test_the_key_of_another_pair_is_noticed(amazon: FakeAmazon, key_file: Path) -> None:
    key, secret = amazon.key_of_a_user()
    other = private_file(key_file.parent / "other.pem", pem_of(rsa_key()))
    config = {
        "access_key_id": key, "key_name": "rivers", "key_location": str(other),
        "endpoint_url": amazon.address,
    }  # fmt: skip
    found = last(look(config, secret))
    assert found[:2] == ("key file", False) and "is not that of the key pair" in found[2]


def test_an_amazon_that_is_away_or_silent_is_told_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "READ_S", 0.3)
    monkeypatch.setattr(session, "TRIES", 1)
    config = {"access_key_id": "AKIA" + "A" * 16}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}"
        report = look(config | {"endpoint_url": there}, "x" * 40)
    assert report.health is Health.UNREACHABLE and "HTTPS_PROXY" in report.steps[-1].hint
    report = look(config | {"endpoint_url": there}, "x" * 40)
    assert report.health is Health.UNREACHABLE and "could not be reached" in last(report)[2]


def test_a_machine_without_a_role_is_told_so(
    amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    report = look({"use_role": True, "endpoint_url": amazon.address})
    assert last(report)[:2] == ("login", False)
    assert "no role of its own" in last(report)[2]


def test_a_machine_with_a_role_needs_no_key(
    amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = amazon.key_of_a_user()
    amazon.guard()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    report = look({"use_role": True, "endpoint_url": amazon.address})
    assert report.health is Health.OK, report


def test_the_library_that_is_missing_is_told_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "find_spec", lambda name: None)
    found = last(look({"access_key_id": "AKIA" + "A" * 16}, "x" * 40))
    assert found[:2] == ("library", False) and "pip install 'oceanid[aws]'" in found[2]


@pytest.mark.parametrize(
    ("config", "secrets", "fields"),
    [
        ({}, {}, set()),
        ({"access_key_id": "AKIA" + "A" * 16}, {"secret_access_key": "x" * 40}, set()),
        ({"access_key_id": "AKIA" + "A" * 16}, {}, {"secret_access_key"}),
        ({}, {"secret_access_key": "x" * 40}, {"access_key_id"}),
        ({"use_role": True}, {}, set()),
        ({"access_key_id": "ASIA" + "A" * 16}, {"secret_access_key": "x" * 40}, {"access_key_id"}),
        ({"access_key_id": "akia" + "a" * 16}, {"secret_access_key": "x"},
         {"access_key_id", "secret_access_key"}),
        ({"user_id": "12345678901"}, {}, {"user_id"}),
        ({"user_id": "١٢٣٤٥٦٧٨٩٠١٢"}, {}, {"user_id"}),
        ({"key_name": "schlüssel"}, {}, {"key_name"}),
        ({"region": "eu-central-1"}, {}, set()),
        ({"region": "eu-central-1\n"}, {}, {"region"}),
    ],
)  # fmt: skip
def test_values_are_looked_at_before_they_are_kept(
    config: dict[str, Any], secrets: dict[str, str], fields: set[str]
) -> None:
    problems = AmazonCloud.account_problems(config, secrets)
    assert set(problems) == fields
    assert all(problem.hint for problem in problems.values())


def test_a_key_file_is_kept_as_such_a_file_must_be(tmp_path: Path) -> None:
    key = rsa_key()
    good = private_file(tmp_path / "good.pem", pem_of(key))
    wide = private_file(tmp_path / "wide.pem", pem_of(key))
    wide.chmod(0o644)
    locked = private_file(tmp_path / "locked.pem", pem_of(key, "secret"))
    public = private_file(
        tmp_path / "public", key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    )
    large = private_file(tmp_path / "large", b"x" * 100_000)
    empty = private_file(tmp_path / "empty", b"")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    told = {
        good: "",
        wide: "chmod 600",
        locked: "passphrase",
        public: "not a private key",
        large: "too large",
        empty: "not a private key",
        pipe: "is not a file",
        tmp_path: "is not a file",
        tmp_path / "none.pem": "no file",
        good / "below": "no file",
        Path("good.pem"): "not a whole path",
        Path("/dev/zero"): "is not a file",
    }
    for path, expected in told.items():
        found = AmazonCloud.account_problems({"key_location": str(path)}, {})
        text = str(found.get("key_location", ""))
        assert (expected in text) if expected else not text, (path, text)
    assert "key_location" in AmazonCloud.account_problems({"key_location": "/a\0b"}, {})


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (ClusterSpec("alps"), set()),
        (ClusterSpec("alps", region="eu-central-1", zones=("eu-central-1a",)), set()),
        (ClusterSpec("alps", region="eu-central-1", zones=("eu-west-1a",)), {"zones"}),
        (ClusterSpec("alps", master_image="Debian", node_type="large"),
         {"master_image", "node_type"}),
        (ClusterSpec("alps", node_image="ami-0123456789abcdef0", master_type="m7a.large"), set()),
        (ClusterSpec("alps", resource_group="ours", network="net"), {"resource_group", "network"}),
    ],
)  # fmt: skip
def test_a_clusters_values_are_amazons(wanted: ClusterSpec, fields: set[str]) -> None:
    assert set(AmazonCloud.cluster_problems(wanted)) == fields
