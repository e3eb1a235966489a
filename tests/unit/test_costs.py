"""What the parts of a cluster cost by the hour; unknown when their prices are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oceanid.clouds.prices import Prices, RegionPrices, shipped
from oceanid.clouds.specs import Beside, Blueprint
from oceanid.services import costs
from oceanid.services.costs import Tariff
from oceanid.states import Role

HERE = RegionPrices(
    {"small": Decimal("0.10"), "large": Decimal("0.40")},
    disk_gib_month=Decimal("0.073"),
    address_hour=Decimal("0.005"),
    gateway_hour=Decimal("0.045"),
    gateway_gb=Decimal("0.04"),
)
PRINT = Blueprint("here", "image", "large", "image", "small", disk_gib=10)
BESIDE = Beside(gateways=1, addresses=1)


def table(**changed: Any) -> Prices:
    here = {"here": replace(HERE, **changed)}
    return Prices("paper", date(2026, 6, 30), here, spot_share=Decimal("0.5"))


def test_a_machine_costs_with_its_disk_and_its_address() -> None:
    by = Tariff(table(), PRINT, BESIDE)
    assert by.machine(Role.WORKER, "small", spot=False) == Decimal("0.101")
    assert by.machine(Role.WORKER, "small", spot=True) == Decimal("0.051")
    assert by.machine(Role.MASTER, "large", spot=False) == Decimal("0.406")
    assert by.machine(Role.WORKER, "odd", spot=False) is None
    everybody = Tariff(table(), PRINT, replace(BESIDE, worker_address=True))
    assert everybody.machine(Role.WORKER, "small", spot=False) == Decimal("0.106")


def test_what_stands_costs_with_workers_and_without() -> None:
    by = Tariff(table(), PRINT, BESIDE)
    assert by.ground == Decimal("0.05"), "the gateway and its address"
    assert by.of(0) == Decimal("0.456") and by.of(2) == Decimal("0.658")
    assert by.each == Decimal("0.101")
    assert by.stopped == Decimal("0.056"), "the master's disk and address, and the gateway"
    assert Tariff(table(), PRINT, replace(BESIDE, keeps_address=False)).stopped == Decimal("0.051")
    assert (by.addresses(2), by.addresses(0, has_master=False)) == (2, 1)


def test_a_disk_costs_as_what_it_is_charged() -> None:
    assert Tariff(table(), PRINT, Beside(disk_gib=20)).disk == Decimal("0.002")


def test_what_has_no_price_is_named_and_not_nothing() -> None:
    for name, part in (
        ("disk_gib_month", "disk"), ("address_hour", "address"), ("gateway_hour", "gateway")
    ):  # fmt: skip
        by = Tariff(table(**{name: None}), PRINT, BESIDE)
        assert by.missing == (part,)
        assert by.of(1) is not None, "the rest is counted, as ever"
    assert Tariff(table(), PRINT, BESIDE).missing == ()
    no_gateway = Tariff(table(gateway_hour=None), PRINT, Beside())
    assert no_gateway.missing == () and no_gateway.gateway_gb is None
    unknown = Tariff(table(), replace(PRINT, region="elsewhere"), BESIDE)
    assert unknown.of(0) is None and unknown.missing == ("disk", "address", "gateway")
    nothing = Tariff(None, PRINT, BESIDE)
    assert (nothing.of(0), nothing.each, nothing.missing) == (None, None, ())


def test_a_cloud_that_says_nothing_costs_as_before() -> None:
    by = costs.tariff("not-installed", {}, PRINT, table())
    assert by.of(1) == Decimal("0.406") + Decimal("0.101")


AZURE = Blueprint("westeurope", "i", "Standard_B2als_v2", "i", "Standard_B2als_v2")


@pytest.mark.parametrize(
    ("network", "more", "config", "expected"),
    [
        ("", {}, {}, (True, False, 1, 1)),
        ("", {}, {"addresses": "private"}, (False, False, 1, 1)),
        ("", {"master_address": "yes", "worker_address": "no"}, {}, (True, False, 1, 1)),
        ("/x", {"master_address": "yes", "worker_address": "yes"}, {}, (True, True, 0, 0)),
        ("/x", {"master_address": "no", "worker_address": "no"}, {}, (False, False, 0, 0)),
    ],
)
def test_azure_has_a_gateway_in_a_network_of_its_own(
    network: str,
    more: Mapping[str, str],
    config: Mapping[str, str],
    expected: tuple[bool, bool, int, int],
) -> None:
    by = costs.tariff("azure", config, replace(AZURE, network=network, more=more), shipped("azure"))
    told = by.beside
    assert (told.master_address, told.worker_address, told.gateways, told.addresses) == expected
    assert told.keeps_address and told.disk_gib == 32, "30 GiB are charged as 32"
    assert by.missing == () and told.unsure == ""


def test_azure_does_not_know_of_a_named_network_what_it_has() -> None:
    by = costs.tariff("azure", {}, replace(AZURE, network="/x"), shipped("azure"))
    assert by.beside.unsure and by.beside.gateways == 0


def test_a_stopped_cluster_at_azure_costs_its_disk_its_addresses_and_the_gateway() -> None:
    by = costs.tariff("azure", {}, AZURE, shipped("azure"))
    assert by.gateway == Decimal("0.045") and by.gateway_gb == Decimal("0.045")
    assert by.stopped == by.with_it(Role.MASTER) + by.ground
    assert Decimal("0.058") < by.stopped < Decimal("0.0584")


AMAZON = Blueprint("eu-central-1", "i", "t3.small", "i", "t3.small")


def test_amazon_gives_every_machine_an_address_unless_the_network_has_a_way_out() -> None:
    by = costs.tariff("amazon", {}, AMAZON, shipped("amazon"))
    address = Decimal("0.005")
    assert (by.addresses(3), by.addresses(0, is_stopped=True)) == (4, 0)
    inside = replace(AMAZON, network="vpc-1", more={"way_out": "other"})
    private = costs.tariff("amazon", {}, inside, shipped("amazon"))
    assert private.addresses(3) == 0 and private.beside.unsure == ""
    public, hidden = by.of(3), private.of(3)
    assert public is not None and hidden is not None and public - hidden == 4 * address
    named = replace(AMAZON, network="vpc-1")
    assert costs.tariff("amazon", {}, named, shipped("amazon")).beside.unsure


def test_burstable_types_are_said_to_cost_more_when_they_are_busy() -> None:
    told = costs.tariff("amazon", {}, AMAZON, shipped("amazon")).beside.varies
    assert told.startswith("t3.small:") and "busy" in told
    steady = replace(AMAZON, master_type="c7a.large", node_type="m7a.large")
    assert costs.tariff("amazon", {}, steady, shipped("amazon")).beside.varies == ""


def test_what_was_spent_since() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert costs.since(at, Decimal("0.5"), at + timedelta(minutes=90)) == Decimal("0.75")
    assert costs.since(None, Decimal("0.5"), at) == 0
    assert costs.since(at, Decimal("0.5"), at - timedelta(hours=1)) == 0
