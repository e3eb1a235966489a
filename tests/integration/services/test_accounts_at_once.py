"""Several administrators keep accounts and clusters at the same moment: one default, none lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from django.db import connection

from oceanid.errors import InvalidValue
from oceanid.models import AuditEvent, CloudAccount, Cluster
from oceanid.services import accounts, clusters

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Run each in a thread, all let go together; what each gave or raised."""
    found: list[object] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(number: int) -> None:
        gate.wait()
        try:
            found[number] = calls[number]()
        except Exception as problem:  # noqa: BLE001 - looked at by the test
            found[number] = problem
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_of_accounts_made_at_once_one_is_the_default() -> None:
    calls = [
        lambda name=f"account {number}": accounts.save(
            CloudAccount(cloud="amazon", name=name), None
        )
        for number in range(8)
    ]
    found = at_once(calls)
    assert [each for each in found if isinstance(each, Exception)] == []
    assert CloudAccount.objects.count() == 8
    assert CloudAccount.objects.filter(is_default=True).count() == 1


def test_of_defaults_chosen_at_once_one_stays() -> None:
    rows = [
        accounts.save(CloudAccount(cloud="azure", name=f"account {number}"), None)
        for number in range(6)
    ]
    found = at_once([lambda row=row: accounts.make_default(row, None) for row in rows])
    assert found == [None] * 6
    assert CloudAccount.objects.filter(is_default=True).count() == 1


def test_secrets_given_at_once_are_all_kept() -> None:
    account = accounts.save(
        CloudAccount(cloud="azure", name="ours", config={"region": "westeurope"}), None
    )

    def give(name: str) -> None:
        row = CloudAccount.objects.get(pk=account.pk)
        accounts.save(row, None, given={name: f"Xk9-{name}"})

    found = at_once([lambda name=name: give(name) for name in "abcdef"])
    assert found == [None] * 6
    account.refresh_from_db()
    assert account.secrets == {name: f"Xk9-{name}" for name in "abcdef"}


def test_of_clusters_of_one_name_made_at_once_one_is_kept_and_told() -> None:
    account = accounts.save(CloudAccount(cloud="amazon", name="ours"), None)
    calls = [lambda: clusters.save(Cluster(account=account, name="alps"), None)] * 6
    found = at_once(calls)
    assert sum(isinstance(each, Cluster) for each in found) == 1
    assert sum(isinstance(each, InvalidValue) for each in found) == 5
    assert Cluster.objects.count() == 1 and not AuditEvent.objects.exists()
