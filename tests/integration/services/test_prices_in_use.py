"""The prices in use: loaded whole or not at all, told in the audit history, and given back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from oceanid.clouds import prices as tables
from oceanid.errors import InvalidValue, NotFound, NotPermitted
from oceanid.models import AuditEvent, PriceTable
from oceanid.services import prices

pytestmark = pytest.mark.django_db


def table(**changes: Any) -> str:
    shipped = tables.shipped("amazon")
    assert shipped is not None
    found = tables.data_of(shipped) | {"dated": "2026-06-30", "source": "ours"}
    found["regions"] = {"eu-central-1": {"machines": {"t3.small": 0.5}}}
    return json.dumps(found | changes)


@pytest.fixture
def runner(db: None) -> User:
    user = User.objects.create_user("rosa")
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="oceanid", codename="run_cluster")
    )
    return user


def test_loaded_prices_hold_until_they_are_forgotten(runner: User) -> None:
    before = prices.of_cloud("amazon")
    assert before is not None and before.is_shipped
    prices.load(table(), runner)
    now = prices.of_cloud("amazon")
    assert now is not None and not now.is_shipped and now.source == "ours"
    assert now.machine("eu-central-1", "t3.small") == Decimal("0.5")
    assert now.machine("us-east-1", "t3.small") is None, "a loaded table holds alone"
    in_use = prices.all_in_use()
    assert in_use["amazon"] == now and in_use["azure"].is_shipped
    assert tables.read(prices.exported("amazon")) == now
    event = AuditEvent.objects.get(verb="load-prices")
    assert event.kind == "pricetable" and event.person == "rosa"
    told = {each["field"]: (each["before"], each["after"]) for each in event.changes}
    assert told["dated"] == (before.dated.isoformat(), "2026-06-30")
    assert prices.forget("amazon", runner) == before == prices.of_cloud("amazon")
    assert AuditEvent.objects.filter(verb="forget-prices").count() == 1
    with pytest.raises(NotFound):
        prices.forget("amazon", runner)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("{", "not JSON"),
        (table(cloud="moon"), "No cloud named “moon”"),
        (table(cloud="azure"), "prices of Azure, not of Amazon"),
        (table(dated="2020-01-01"), "those in use are newer"),
        (table(regions={"a": {"machines": {"b": "x"}}}), "regions.a.machines.b"),
    ],
)
def test_a_bad_file_changes_nothing(runner: User, raw: str, told: str) -> None:
    prices.load(table(), runner)
    before = list(PriceTable.objects.values())
    with pytest.raises(InvalidValue, match=told):
        prices.load(raw, runner, cloud="amazon")
    assert list(PriceTable.objects.values()) == before
    assert AuditEvent.objects.filter(verb="load-prices").count() == 1


def test_older_prices_are_taken_when_that_is_meant(runner: User) -> None:
    prices.load(table(), runner)
    prices.load(table(dated="2020-01-01"), runner, may_be_older=True)
    assert PriceTable.objects.get().dated.year == 2020


def test_only_who_may_run_clusters_loads_prices(viewer: User) -> None:
    with pytest.raises(NotPermitted):
        prices.load(table(), viewer)
    with pytest.raises(NotPermitted):
        prices.forget("amazon", viewer)
    assert not PriceTable.objects.exists()


def test_the_command_line_loads_without_a_person() -> None:
    prices.load(table(), None)
    assert PriceTable.objects.get().loaded_by_id is None


def test_prices_of_a_cloud_without_any() -> None:
    assert prices.of_cloud("moon") is None
    with pytest.raises(NotFound):
        prices.exported("moon")
    text = prices.exported("azure")
    assert tables.read(text) == tables.shipped("azure") or "azure" in text


@pytest.fixture
def viewer(db: None) -> User:
    return User.objects.create_user("vera")
