"""A real supervisor serves the wish for a look at an account; one that hangs delays nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from oceanid.clouds import registry
from oceanid.clouds.base import Cloud
from oceanid.clouds.specs import AccountSpec
from oceanid.models import AuditEvent, CloudAccount
from oceanid.services import accounts
from oceanid.specs import CheckReport
from oceanid.states import JobState
from tests.clouds.azure.authority import CLIENT, TENANT
from tests.clouds.azure.server import SmallAzure
from tests.clouds.azure.world import SUBSCRIPTION
from tests.contract.clouds.certificates import both
from tests.contract.clouds.conftest import FakeAmazon, amazon, amazon_server, azure
from tests.integration.running import eventually
from tests.integration.supervisor.house import QUICK, Running, reaches, supervising

__all__ = ["amazon", "amazon_server", "azure"]
pytestmark = pytest.mark.django_db(transaction=True)


class Broken(Cloud):
    """A stranger's cloud that raises what it never should."""

    name = "broken"
    title = "Broken"

    async def check(self) -> CheckReport:
        raise ZeroDivisionError("nothing to divide")


@pytest.fixture
def boss(transactional_db: None) -> User:
    return User.objects.create_superuser("boss")


@pytest.fixture
def supervisor(_house: None, settings: Settings) -> Iterator[Running]:
    clocks = dict(QUICK) | {"STEP_TIMEOUT_S": 12.0, "SWEEP_S": 60.0}
    settings.OCEANID = {**settings.OCEANID, "SUPERVISOR": clocks}
    with supervising() as running:
        yield running


def keep(cloud: str, name: str, config: dict[str, Any], **secrets: str) -> CloudAccount:
    return accounts.save(CloudAccount(cloud=cloud, name=name, config=config), None, given=secrets)


def looked(account: CloudAccount, *, within_s: float = 60) -> CloudAccount:
    def look() -> bool:
        account.refresh_from_db()
        return account.check_wanted_at is None and account.checked_at is not None

    eventually(look, within_s=within_s, what=f"{account} is looked at")
    return account


def test_accounts_of_both_clouds_are_looked_at_when_a_person_wants_it(
    amazon: FakeAmazon, azure: SmallAzure, supervisor: Running, boss: User, tmp_path: Path
) -> None:
    key, secret = amazon.key_of_a_user()
    amazon.guard()
    ours = keep(
        "amazon", "ours", {"access_key_id": key, "endpoint_url": amazon.address},
        secret_access_key=secret,
    )  # fmt: skip
    pem = both(tmp_path / "both.pem")
    azure.know(pem.read_bytes())
    theirs = keep("azure", "theirs", {
        "subscription_id": SUBSCRIPTION, "tenant_id": TENANT, "client_id": CLIENT,
        "certificate_path": str(pem), "authority": azure.address, "endpoint": azure.address,
    })  # fmt: skip
    assert ours.health == theirs.health == "UNK"
    accounts.want_check(ours, boss)
    accounts.want_check(theirs, boss)
    assert looked(ours).health == "OK", ours.report
    assert looked(theirs).health == "OK", theirs.report
    assert [step["name"] for step in theirs.report][-1] == "subscription"
    assert AuditEvent.objects.filter(verb="test", person="boss").count() == 2


def test_one_that_hangs_delays_neither_another_account_nor_a_job(
    amazon: FakeAmazon, supervisor: Running, boss: User, shell: Callable[..., Any]
) -> None:
    key, secret = amazon.key_of_a_user()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hangs = keep(
            "amazon", "hangs", {"access_key_id": key, "endpoint_url": there},
            secret_access_key=secret,
        )  # fmt: skip
        well = keep(
            "amazon", "well", {"access_key_id": key, "endpoint_url": amazon.address},
            secret_access_key=secret,
        )  # fmt: skip
        accounts.want_check(hangs, boss)
        accounts.want_check(well, boss)
        job = shell("true")
        job.execute()
        looked(well)
        reaches(job, JobState.COMPLETE)
        looked(hangs)
        assert hangs.health == "DOWN"
        assert "did not answer within 12 s" in hangs.report[0]["found"]


def test_a_broken_cloud_is_told_and_the_next_wish_is_served(
    supervisor: Running, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = (*registry.installed(), registry.Entry("broken", Broken, ""))
    monkeypatch.setattr(registry, "installed", lambda: entries)
    broken = keep("broken", "broken", {})
    gone = CloudAccount.objects.create(cloud="gone", name="gone")
    for _ in range(2):
        CloudAccount.objects.update(checked_at=None)
        accounts.want_check(broken, boss)
        accounts.want_check(gone, boss)
        assert "nothing to divide" in looked(broken).report[0]["found"]
        assert "No cloud named “gone”" in looked(gone).report[0]["found"]


def test_what_was_found_of_former_values_is_not_kept(
    amazon: FakeAmazon, boss: User, transactional_db: None
) -> None:
    account = keep("amazon", "ours", {"use_role": True, "endpoint_url": amazon.address})
    accounts.want_check(account, boss)
    ((pk, since),) = accounts.wanted()
    account.refresh_from_db()
    account.config = {**account.config, "region": "eu-west-1"}
    accounts.save(account, boss)
    ((_pk, again),) = accounts.wanted()
    assert pk == _pk and again > since, "it is still wanted, of the new values"


def test_the_secrets_are_no_part_of_what_an_account_says_of_itself() -> None:
    import uuid

    spec = AccountSpec(uuid.uuid4(), "ours", {}, {"secret_access_key": "Xk9-secret"})
    assert "Xk9" not in repr(spec)
