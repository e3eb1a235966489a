"""An Azure account is looked at step by step, by the real SDKs, and each failure tells its cure."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from oceanid.clouds.azure import AzureCloud, session, values
from oceanid.clouds.specs import AccountSpec, ClusterSpec
from oceanid.specs import CheckReport
from oceanid.states import Health
from tests.clouds.azure.authority import CLIENT, TENANT
from tests.clouds.azure.server import SmallAzure, fault
from tests.clouds.azure.world import SUBSCRIPTION
from tests.contract.clouds.certificates import (
    both,
    certificate_of,
    pem_of,
    private_file,
    rsa_key,
)

OTHER = "44444444-4444-4444-8444-444444444444"


def look(config: dict[str, Any], password: str = "") -> CheckReport:
    secrets = {"certificate_password": password} if password else {}
    return asyncio.run(AzureCloud(AccountSpec(uuid.uuid4(), "ours", config, secrets)).check())


def last(report: CheckReport) -> tuple[str, bool, str]:
    step = report.steps[-1]
    return step.name, step.ok, f"{step.found} {step.hint}"


def account(azure: SmallAzure, pem: Path, **changes: str) -> dict[str, Any]:
    values = {
        "subscription_id": SUBSCRIPTION, "tenant_id": TENANT, "client_id": CLIENT,
        "certificate_path": str(pem), "authority": azure.address, "endpoint": azure.address,
    }  # fmt: skip
    return values | changes


@pytest.mark.parametrize("password", ["", "Xk9-geheim ü"])
def test_all_is_well(azure: SmallAzure, tmp_path: Path, password: str) -> None:
    pem = both(tmp_path / "both.pem", password=password)
    azure.know(pem.read_bytes())
    report = look(account(azure, pem), password)
    assert report.health is Health.OK, report
    assert [step.name for step in report.steps] == [
        "library", "certificate", "token", "subscription",
    ]  # fmt: skip
    assert "for 89 days" in report.steps[1].found and "“Rivers”" in report.steps[3].found
    assert azure.authority.token_given not in str(report) and "Xk9" not in str(report)
    assert azure.lines[-1] == f"GET /subscriptions/{SUBSCRIPTION}"


@pytest.mark.parametrize(
    ("change", "name", "told"),
    [
        ({"tenant_id": OTHER}, "token", "no tenant of this id"),
        ({"client_id": OTHER}, "token", "no app registration of this client id"),
        ({"subscription_id": OTHER}, "subscription", "no subscription of this id"),
        ({"client_id": ""}, "values", "The client id is missing"),
        ({"certificate_path": "/nowhere.pem"}, "values", "no file"),
    ],
)
def test_what_is_wrong_is_told_with_its_cure(
    azure: SmallAzure, tmp_path: Path, change: dict[str, str], name: str, told: str
) -> None:
    pem = both(tmp_path / "both.pem")
    azure.know(pem.read_bytes())
    report = look(account(azure, pem, **change))
    found = last(report)
    assert found[:2] == (name, False) and told in found[2], report
    assert report.health is Health.DEGRADED and report.steps[-1].hint


def test_a_certificate_that_azure_does_not_know_is_told(azure: SmallAzure, tmp_path: Path) -> None:
    azure.know(both(tmp_path / "known.pem").read_bytes())
    found = last(look(account(azure, both(tmp_path / "both.pem"))))
    assert found[:2] == ("token", False) and "Certificates & secrets" in found[2]


@pytest.mark.parametrize(
    ("state", "refuse", "told"),
    [
        ("Disabled", "", "“Rivers” is Disabled"),
        ("Enabled", "AuthorizationFailed", "Access control (IAM)"),
        ("Enabled", "TooManyRequests", "asked too often"),
        ("Enabled", "Strange", "It is Strange"),
    ],
)
def test_a_subscription_that_can_not_be_used_is_told(
    azure: SmallAzure, tmp_path: Path, state: str, refuse: str, told: str
) -> None:
    pem = both(tmp_path / "both.pem")
    azure.know(pem.read_bytes())
    azure.world.state = state
    if refuse:
        for _ in range(2):
            azure.hooks.arm(fault(error=refuse))
    found = last(look(account(azure, pem)))
    assert found[:2] == ("subscription", False) and told in found[2]


def test_an_azure_that_is_silent_or_away_is_told_in_time(
    azure: SmallAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = both(tmp_path / "both.pem")
    monkeypatch.setattr(session, "READ_S", 0.3)
    azure.is_silent = True
    report = look(account(azure, pem))
    assert report.health is Health.UNREACHABLE and last(report)[0] == "token"
    nowhere = "https://127.0.0.1:9"
    report = look(account(azure, pem, authority=nowhere, endpoint=nowhere))
    assert report.health is Health.UNREACHABLE and "HTTPS_PROXY" in last(report)[2]


def test_the_library_that_is_missing_is_told_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "LIBRARIES", ("oceanid_nothing.identity",))
    found = last(look({"subscription_id": SUBSCRIPTION}))
    assert found[:2] == ("library", False) and "pip install 'oceanid[azure]'" in found[2]


def test_a_certificate_file_is_what_azure_needs(tmp_path: Path) -> None:
    key = rsa_key()
    alone = private_file(tmp_path / "alone.pem", certificate_of(key))
    keyed = private_file(tmp_path / "key.pem", pem_of(key))
    mixed = private_file(tmp_path / "mixed.pem", pem_of(rsa_key()) + certificate_of(key))
    told = {
        both(tmp_path / "good.pem"): ("", ""),
        alone: ("certificate_path", "no private key"),
        keyed: ("certificate_path", "no certificate"),
        mixed: ("certificate_path", "does not belong"),
        both(tmp_path / "old.pem", days=-1): ("certificate_path", "expired on"),
        both(tmp_path / "locked.pem", password="x"): ("certificate_password", "protected by"),
    }
    for path, (name, expected) in told.items():
        found = AzureCloud.account_problems({"certificate_path": str(path)}, {})
        assert set(found) == ({name} if name else set()), (path, found)
        assert expected in str(found.get(name, ""))
    locked = {"certificate_path": str(tmp_path / "locked.pem")}
    wrong = AzureCloud.account_problems(locked, {"certificate_password": "y"})
    assert "does not open with this password" in str(wrong["certificate_password"])
    soon = both(tmp_path / "soon.pem", days=10)
    (remark,) = AzureCloud.account_remarks({"certificate_path": str(soon)}, {})
    assert "for 9 days" in remark and "made in time" in remark


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (ClusterSpec("alps"), set()),
        (ClusterSpec("alps", region="westeurope", zones=("1", "3")), set()),
        (ClusterSpec("alps", zones=("a",)), {"zones"}),
        (ClusterSpec("alps", master_image="ami-01234567", node_type="m7a.large"),
         {"master_image", "node_type"}),
        (ClusterSpec("alps", node_image="Debian:debian-13:13-gen2:latest",
                     master_type="Standard_D2as_v5", resource_group="our-group"), set()),
        (ClusterSpec("alps", resource_group="a/b", network="net"), {"resource_group", "network"}),
    ],
)  # fmt: skip
def test_a_clusters_values_are_azures(wanted: ClusterSpec, fields: set[str]) -> None:
    assert set(AzureCloud.cluster_problems(wanted)) == fields


def test_another_azure_is_reached_by_the_environment(
    azure: SmallAzure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = both(tmp_path / "both.pem")
    azure.know(pem.read_bytes())
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", azure.address)
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", f"{azure.address}/")
    report = look(account(azure, pem, authority="", endpoint=""))
    assert report.health is Health.OK, report
