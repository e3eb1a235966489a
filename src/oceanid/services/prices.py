"""The prices in use: what an administrator has loaded, else what is shipped."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from oceanid.clouds import prices
from oceanid.clouds.prices import Prices
from oceanid.clouds.registry import installed, title_of
from oceanid.errors import InvalidValue, NotFound
from oceanid.models import PriceTable
from oceanid.services import audit, policy

LOAD = "oceanid.run_cluster"


def of_cloud(cloud: str) -> Prices | None:
    """The prices in use for a cloud: one query; None when there are none at all."""
    row = PriceTable.objects.filter(cloud=cloud).first()
    return prices.shipped(cloud) if row is None else prices.parse(row.prices)


def all_in_use() -> dict[str, Prices]:
    """The prices in use, by cloud: one query."""
    found = {entry.name: prices.shipped(entry.name) for entry in installed()}
    found |= {row.cloud: prices.parse(row.prices) for row in PriceTable.objects.all()}
    return {cloud: table for cloud, table in found.items() if table is not None}


def load(raw: bytes | str, actor: Any, *, cloud: str = "", may_be_older: bool = False) -> Prices:
    """Use the prices of a file from now on; what costs so far stays as it was counted.

    Args:
        raw: What is in the file, see :mod:`oceanid.clouds.prices`.
        actor: Who loads it; None for the command line, where whoever can run it may.
        cloud: The cloud that it must be of; "" for any that is installed.
        may_be_older: Whether prices that are older than those in use are taken too.

    Raises:
        InvalidValue: It can't be used; the prices in use stay.
        NotPermitted: The person may not.
    """
    if actor is not None:
        policy.require_permission(actor, LOAD, "load prices")
    table = prices.read(raw)
    if table.cloud not in {entry.name for entry in installed()}:
        known = ", ".join(sorted(entry.name for entry in installed()))
        raise InvalidValue(
            "No cloud named “{cloud}” is installed.",
            hint="These are: {known}.",
            cloud=table.cloud[:50],
            known=known,
        )
    if cloud and table.cloud != cloud:
        raise InvalidValue(
            "These are prices of {cloud}, not of {cloud2}.",
            hint="Choose the other file.",
            cloud=title_of(table.cloud),
            cloud2=title_of(cloud),
        )
    with transaction.atomic():
        audit.begin()
        before = of_cloud(table.cloud)
        if before is not None and table.dated < before.dated and not may_be_older:
            raise InvalidValue(
                "These prices are of {dated}; those in use are newer, of {before_dated}.",
                hint="Say that older ones are meant, or load a newer file.",
                dated=table.dated,
                before_dated=before.dated,
            )
        PriceTable.objects.update_or_create(
            cloud=table.cloud,
            defaults={
                "dated": table.dated,
                "prices": prices.data_of(table),
                "source": table.source,
                "loaded_at": timezone.now(),
                "loaded_by_id": getattr(actor, "pk", None),
            },
        )
        _told(actor, "load-prices", table.cloud, before, table)
    return table


def forget(cloud: str, actor: Any) -> Prices | None:
    """Use the shipped prices of a cloud again; gives them.

    Raises:
        NotFound: No others were loaded.
        NotPermitted: The person may not.
    """
    if actor is not None:
        policy.require_permission(actor, LOAD, "change prices")
    with transaction.atomic():
        audit.begin()
        row = PriceTable.objects.filter(cloud=cloud).first()
        if row is None:
            raise NotFound("No prices were loaded for this cloud; the shipped ones are in use.")
        before, after = prices.parse(row.prices), prices.shipped(cloud)
        row.delete()
        _told(actor, "forget-prices", cloud, before, after)
    return after


def exported(cloud: str) -> str:
    """The prices in use as a file that can be changed and loaded again.

    Raises:
        NotFound: There are none.
    """
    row = PriceTable.objects.filter(cloud=cloud).first()
    if row is not None:
        return json.dumps(row.prices, indent=1, ensure_ascii=False) + "\n"
    text = prices.shipped_text(cloud)
    if text is None:
        raise NotFound(
            "There are no prices of “{cloud}”.", hint="Load some from a file.", cloud=cloud
        )
    return text


def _told(actor: Any, verb: str, cloud: str, before: Prices | None, after: Prices | None) -> None:
    changes = audit.differences(_described(before), _described(after))
    audit.write(actor, verb, audit.Thing("pricetable", cloud, title_of(cloud)), changes=changes)


def _described(table: Prices | None) -> dict[str, date | str | int]:
    if table is None:
        return {}
    types = sum(len(each.machines) for each in table.regions.values())
    return {
        "dated": table.dated, "source": table.source, "regions": len(table.regions),
        "prices": types,
    }  # fmt: skip
