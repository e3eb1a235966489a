"""Tables of prices: the shipped ones are whole, others are read whole or not at all."""

from __future__ import annotations

import copy
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oceanid.clouds import prices
from oceanid.errors import InvalidValue

TABLE: dict[str, Any] = {
    "format": 1,
    "cloud": "amazon",
    "dated": "2026-06-30",
    "currency": "USD",
    "source": "a test",
    "spot_share": 0.5,
    "regions": {
        "eu-central-1": {
            "disk_gib_month": 0.073,
            "address_hour": 0.005,
            "machines": {"t3.small": 0.024, "m7a.large": [0.13886, 0.05]},
        }
    },
}


@pytest.mark.parametrize("cloud", ["amazon", "azure"])
def test_the_shipped_tables_are_whole_and_dated(cloud: str) -> None:
    table = prices.shipped(cloud)
    assert table is not None and table.is_shipped and table.cloud == cloud and table.source
    assert len(table.regions) >= 10
    for name, region in table.regions.items():
        assert len(region.machines) >= 30, name
        assert region.disk_gib_month and region.address_hour
        assert all(0 < price < 10 for price in region.machines.values()), name
    assert table.age_days(table.dated + timedelta(days=180)) == 180
    assert not table.is_old(table.dated + timedelta(days=180))
    assert table.is_old(table.dated + timedelta(days=181))
    assert table.age_days(table.dated - timedelta(days=1)) == 0


def test_known_list_prices() -> None:
    assert prices.lookup("amazon", "us-east-1", "m6i.large") == Decimal("0.096")
    assert prices.lookup("amazon", "eu-central-1", "t3.small") == Decimal("0.024")
    assert prices.lookup("azure", "eastus", "Standard_B2als_v2") == Decimal("0.0376")
    assert prices.lookup("azure", "westeurope", "Standard_D2s_v5") == Decimal("0.115")


def test_what_is_not_in_a_table_is_not_known() -> None:
    assert prices.lookup("moon", "crater", "x") is None
    assert prices.lookup("amazon", "nowhere", "t3.small") is None
    assert prices.lookup("amazon", "us-east-1", "x99.huge", spot=True) is None
    assert prices.shipped("../amazon") is None and prices.shipped("") is None
    table = prices.parse(TABLE)
    assert table.disk("nowhere", 30) is None and table.address("nowhere") is None


def test_spot_machines_have_their_own_price_or_a_share() -> None:
    table = prices.read(json.dumps(TABLE))
    assert prices.lookup("amazon", "eu-central-1", "m7a.large", spot=True, table=table) == (
        Decimal("0.05")
    )
    assert table.machine("eu-central-1", "t3.small", spot=True) == Decimal("0.0120")
    without = prices.parse({**TABLE, "spot_share": None})
    assert without.machine("eu-central-1", "t3.small", spot=True) is None
    assert table.disk("eu-central-1", 30) == Decimal("0.003")
    assert table.address("eu-central-1") == Decimal("0.005")


def test_a_table_is_the_same_after_it_was_kept() -> None:
    table = prices.read("\ufeff".encode() + json.dumps(TABLE).encode())
    assert prices.parse(json.loads(json.dumps(prices.data_of(table)))) == table
    shipped = prices.shipped("azure")
    assert shipped is not None
    assert prices.parse(prices.data_of(shipped), is_shipped=True) == shipped


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format is not 1"),
        ({"format": True}, "“format” is missing, or not a number"),
        ({"cloud": ""}, "“cloud” is missing"),
        ({"cloud": 7}, "“cloud” is missing, or not a text"),
        ({"dated": "yesterday"}, "“dated” is missing, or not a day"),
        ({"dated": None}, "“dated” is missing, or not a day"),
        ({"dated": "2999-01-01"}, "dated in the future"),
        ({"currency": "EUR"}, "counted in USD only"),
        ({"spot_share": 1.5}, "“spot_share” is above 1"),
        ({"spot_share": -0.1}, "“spot_share” is not between"),
        ({"regions": {}}, "no region"),
        ({"regions": []}, "“regions” is missing, or not an object"),
        ({"regions": {"x": 3}}, "“regions.x” is missing, or not an object"),
        ({"regions": {"x": {}}}, "“regions.x.machines” is missing"),
        ({"regions": {"x": {"machines": {"t": -1}}}}, "“regions.x.machines.t” is not between"),
        ({"regions": {"x": {"machines": {"t": "free"}}}}, "machines.t” is missing, or not a num"),
        ({"regions": {"x": {"machines": {"t": [1, 2, 3]}}}}, "neither a price nor two"),
        ({"regions": {"x": {"machines": {"t": []}}}}, "neither a price nor two"),
        ({"regions": {"x": {"machines": {"t": 1e9}}}}, "is not between 0 and 10,000"),
        ({"regions": {"x": {"machines": {}, "disk": 1}}}, "unknown entry “disk”"),
        ({"regions": {"x": {"machines": {"t\0": 1}}}}, "no name of a region or a type"),
        ({"regions": {"<b>": {"machines": {}}}}, "no name of a region or a type"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told.replace("(", r"\(")) as caught:
        prices.parse(copy.deepcopy(TABLE) | change)
    assert caught.value.hint


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"not json", b"[]", b"null", b"[" * 100_000, b'{"format": NaN}', "…",
     b'{"format": 1e999999999}'],
)  # fmt: skip
def test_what_is_no_table_is_refused(raw: bytes | str) -> None:
    with pytest.raises(InvalidValue):
        prices.read(raw)


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidValue, match="4,194,304 at most"):
        prices.read(b" " * (prices.MOST_BYTES + 1))


def test_a_source_is_one_short_printable_line() -> None:
    table = prices.parse({**TABLE, "source": "a\nb\ud800\0" + "c" * 999})
    assert table.source.startswith("abc") and len(table.source) == 255
    assert table.dated == date(2026, 6, 30)
