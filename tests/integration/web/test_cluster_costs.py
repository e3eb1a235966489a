"""What clusters cost: told on their pages, with the prices that are loaded for it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from oceanid.clouds import prices as tables
from oceanid.models import (
    AuditEvent,
    Cluster,
    ClusterNode,
    PriceTable,
)
from tests.integration.web.conftest import shown
from tests.integration.web.paper_cluster import (
    CLUSTERS,
    HOSTILE,
    PRICES,
    page,
    prepared,
    running,
)

__all__ = ["prepared", "running"]
pytestmark = pytest.mark.django_db


def test_an_unknown_price_is_said_to_be_unknown(boss: Client, running: Cluster) -> None:
    ClusterNode.objects.filter(name="idle").update(usd_per_hour=None)
    text = shown(boss.get(page(running)))
    figures = text[text.index('id="cl-figures"') : text.index('id="cl-steps"')]
    assert "price not known" in figures
    assert "price not known" in shown(boss.get(CLUSTERS))


def test_the_page_tells_by_its_parts_what_it_costs_and_has_cost_up_to_now(
    boss: Client, running: Cluster
) -> None:
    ClusterNode.objects.filter(name="broken").delete()
    ClusterNode.objects.filter(name="idle").update(state="STO", usd_stopped=Decimal("0.25"))
    ten_hours_ago = timezone.now() - timedelta(hours=10)
    Cluster.objects.update(cost_at=ten_hours_ago, usd_beside=Decimal("0.125"))
    text = shown(boss.get(page(running)))
    costs = text[text.index('id="cl-costs"') : text.index('id="cl-nodes"')]
    for part in ("the master", "2 workers", "4 disks", "3 public addresses", "30 GiB"):
        assert part in costs, part
    assert "US$&nbsp;1.88" in costs, "three that run, the rest of one, and what stands beside"
    figures = text[text.index('id="cl-figures"') : text.index('id="cl-steps"')]
    assert "US$&nbsp;22.25" in figures, "3.50 were written down ten hours ago"
    assert "US$&nbsp;0.250" in text[text.index(">idle<") :], "it does not run"
    assert "US$&nbsp;1.88" in shown(boss.get(CLUSTERS))


def test_a_page_that_is_open_hears_what_it_has_cost_since(boss: Client, running: Cluster) -> None:
    Cluster.objects.update(cost_at=timezone.now() + timedelta(hours=1))
    live = page(running, "live")
    tag = boss.get(live)["ETag"]
    assert boss.get(live, headers={"If-None-Match": tag}).status_code == 304
    Cluster.objects.update(cost_at=timezone.now() - timedelta(minutes=6))
    fresh = boss.get(live, headers={"If-None-Match": tag})
    assert fresh.status_code == 200 and "US$&nbsp;3.70" in shown(fresh)


def test_what_is_not_in_the_prices_is_named(boss: Client, running: Cluster) -> None:
    given = {"format": 1, "cloud": "amazon", "dated": "2026-01-02", "regions": {
        "eu-central-1": {"disk_gib_month": 0.1, "machines": {"c7a.2xlarge": 1}}}}  # fmt: skip
    file = SimpleUploadedFile("p.json", json.dumps(given).encode())
    boss.post(PRICES, {"do": "load", "file": file})
    text = shown(boss.get(page(running)))
    costs = text[text.index('id="cl-costs"') : text.index('id="cl-nodes"')]
    assert "does not tell it: public addresses" in costs and "price not known" in costs


def test_old_prices_are_warned_of_and_fresh_ones_are_not(
    boss: Client, running: Cluster, administrator: User
) -> None:
    assert "That is long ago" in shown(boss.get(page(running)))
    today = timezone.now().date()
    given = {"format": 1, "cloud": "amazon", "dated": str(today), "regions": {
        "eu-central-1": {"machines": {"m7a.large": 1}}}}  # fmt: skip
    file = SimpleUploadedFile("p.json", json.dumps(given).encode())
    assert boss.post(PRICES, {"do": "load", "file": file}).status_code == 302
    text = shown(boss.get(page(running)))
    assert f"Prices of {today.isoformat()}, 0 days old." in text and "long ago" not in text


def test_prices_are_loaded_told_downloaded_and_given_back(boss: Client) -> None:
    text = shown(boss.get(PRICES))
    assert "They came with Oceanid" in text and "prices of machines in 15 regions" in text
    answer = boss.get(f"{PRICES}amazon/")
    assert answer["Content-Disposition"] == 'attachment; filename="prices-amazon.json"'
    data = json.loads(answer.content)
    data |= {"dated": "2026-01-02", "source": HOSTILE}
    file = SimpleUploadedFile("p.json", json.dumps(data).encode())
    assert "of 2026-01-02 are in use" in shown(
        boss.post(PRICES, {"do": "load", "file": file}, follow=True)
    )
    text = shown(boss.get(PRICES))
    assert "ada" in text and "<script>alert" not in text and "&lt;script&gt;" in text
    assert tables.read(boss.get(f"{PRICES}amazon/").content).dated.isoformat() == "2026-01-02"
    boss.post(PRICES, {"do": "forget", "cloud": "amazon"})
    assert not PriceTable.objects.exists()
    assert AuditEvent.objects.filter(kind="pricetable", origin="admin").count() == 2
    assert "the shipped ones are in use" in shown(
        boss.post(PRICES, {"do": "forget", "cloud": "amazon"})
    )
    assert boss.get(f"{PRICES}moon/").status_code == 404


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b"x" * 5_000_000, HOSTILE.encode()])
def test_a_bad_file_of_prices_is_told_and_changes_nothing(boss: Client, raw: bytes) -> None:
    answer = boss.post(PRICES, {"do": "load", "file": SimpleUploadedFile("p.json", raw)})
    assert answer.status_code == 400 and "errornote" in shown(answer)
    assert "<script>alert" not in shown(answer) and not PriceTable.objects.exists()
