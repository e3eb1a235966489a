"""What machines, disks, addresses and gateways cost by the hour: dated tables, shipped or loaded.

A table is a JSON object::

    {"format": 1, "cloud": "amazon", "dated": "2025-12-01", "currency": "USD",
     "source": "where the figures are from", "spot_share": 0.4,
     "regions": {"eu-central-1": {"disk_gib_month": 0.0952, "address_hour": 0.005,
                 "machines": {"t3.small": 0.024, "m7a.large": [0.13886, 0.05]}}}}

A region may also tell ``gateway_hour`` and ``gateway_gb``: what a NAT gateway costs for an hour and
for each GB that goes through it. What a region does not tell is not known, never nothing.
A machine has its price on demand, or a list of that and of a typical spot price. Where the second
is missing, ``spot_share`` of the first is taken as typical; without a share it is not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Final

from oceanid.errors import InvalidValue

OLD_AFTER_DAYS: Final = 180
"""Prices older than this are told to be old wherever they are shown."""

HOURS_A_MONTH: Final = Decimal(730)
"""What both clouds count a month as."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
EXTRAS: Final = ("disk_gib_month", "address_hour", "gateway_hour", "gateway_gb")
"""What a region tells beside its machines."""
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_USD: Final = Decimal(10_000)
HINT: Final = "Begin with what “oceanid clusters prices --export CLOUD” writes, and change figures."


@dataclass(frozen=True, slots=True)
class RegionPrices:
    """What one region costs, US$.

    Args:
        machines: Per hour on demand, by type.
        spot: Per hour as spot machines, by type, where that is known by itself.
        disk_gib_month: A GiB of disk for a month; None when not known.
        address_hour: A public address for an hour; None when not known.
        gateway_hour: A NAT gateway for an hour; None when not known.
        gateway_gb: A GB through a NAT gateway; None when not known.
    """

    machines: Mapping[str, Decimal]
    spot: Mapping[str, Decimal] = field(default_factory=dict)
    disk_gib_month: Decimal | None = None
    address_hour: Decimal | None = None
    gateway_hour: Decimal | None = None
    gateway_gb: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one cloud.

    Args:
        cloud: The cloud's name.
        dated: Of what day they are.
        regions: The prices, by region.
        source: Where they are from, for a person.
        spot_share: What part of the price on demand a spot machine typically costs.
        is_shipped: Whether they came with Oceanid.
    """

    cloud: str
    dated: date
    regions: Mapping[str, RegionPrices]
    source: str = ""
    spot_share: Decimal | None = None
    is_shipped: bool = False

    def age_days(self, today: date | None = None) -> int:
        """How old they are, days; never below 0."""
        return max(0, ((today or datetime.now(UTC).date()) - self.dated).days)

    def is_old(self, today: date | None = None) -> bool:
        """Whether somebody should load newer ones."""
        return self.age_days(today) > OLD_AFTER_DAYS

    def machine(self, region: str, machine_type: str, *, spot: bool = False) -> Decimal | None:
        """What a machine costs, US$ per hour; None when that is not known."""
        here = self.regions.get(region)
        if here is None:
            return None
        on_demand = here.machines.get(machine_type)
        if not spot:
            return on_demand
        if machine_type in here.spot:
            return here.spot[machine_type]
        if on_demand is None or self.spot_share is None:
            return None
        return on_demand * self.spot_share

    def disk(self, region: str, gib: int) -> Decimal | None:
        """What a disk costs, US$ per hour; None when that is not known."""
        here = self.regions.get(region)
        if here is None or here.disk_gib_month is None:
            return None
        return here.disk_gib_month * gib / HOURS_A_MONTH

    def address(self, region: str) -> Decimal | None:
        """What a public address costs, US$ per hour; None when that is not known."""
        here = self.regions.get(region)
        return None if here is None else here.address_hour

    def gateway(self, region: str) -> Decimal | None:
        """What a NAT gateway costs, US$ per hour; None when that is not known."""
        here = self.regions.get(region)
        return None if here is None else here.gateway_hour

    def through_gateway(self, region: str) -> Decimal | None:
        """What a GB through a NAT gateway costs, US$; None when that is not known."""
        here = self.regions.get(region)
        return None if here is None else here.gateway_gb


def lookup(
    cloud: str,
    region: str,
    machine_type: str,
    *,
    spot: bool = False,
    table: Prices | None = None,
) -> Decimal | None:
    """What a machine costs, US$ per hour; None when that is not known.

    Args:
        cloud: The cloud's name.
        region: Where.
        machine_type: Its type, as the cloud calls it.
        spot: Whether the cloud may take it back; the price is then a typical one.
        table: The prices; the shipped ones when None.
    """
    prices = shipped(cloud) if table is None else table
    return None if prices is None else prices.machine(region, machine_type, spot=spot)


@cache
def shipped(cloud: str) -> Prices | None:
    """The prices of a cloud that came with Oceanid; None for a cloud of somebody else's."""
    raw = shipped_text(cloud)
    return None if raw is None else read(raw, is_shipped=True)


def shipped_text(cloud: str) -> str | None:
    """The file of a cloud's prices as it is shipped."""
    if not (cloud.isascii() and cloud.isidentifier()):
        return None
    found = files(__package__) / f"{cloud}.json"
    return found.read_text("utf-8") if found.is_file() else None


def read(raw: bytes | str, *, is_shipped: bool = False) -> Prices:
    """Read a file of prices; all of it or nothing.

    Raises:
        InvalidValue: It is not a table of prices; the message says at which place.
    """
    if len(raw) > MOST_BYTES:
        raise InvalidValue(
            "The file has {count:,} bytes; a table of prices has {most_bytes:,} at most.",
            hint="Keep only the regions and types that you use.",
            count=len(raw),
            most_bytes=MOST_BYTES,
        )
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        data = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except UnicodeDecodeError as problem:
        raise InvalidValue("The file is not text in UTF-8.", hint=HINT) from problem
    except (json.JSONDecodeError, RecursionError) as problem:
        line = f", line {problem.lineno}" if isinstance(problem, json.JSONDecodeError) else ""
        raise InvalidValue("The file is not JSON{line}.", hint=HINT, line=line) from problem
    return parse(data, is_shipped=is_shipped)


def data_of(table: Prices) -> dict[str, Any]:
    """A table as JSON can hold it; :func:`parse` reads it again."""
    return {
        "format": 1,
        "cloud": table.cloud,
        "dated": table.dated.isoformat(),
        "currency": "USD",
        "source": table.source,
        "spot_share": None if table.spot_share is None else float(table.spot_share),
        "regions": {name: _region_data(each) for name, each in table.regions.items()},
    }


def _region_data(here: RegionPrices) -> dict[str, Any]:
    found: dict[str, Any] = {
        "machines": {
            kind: [float(price), float(here.spot[kind])] if kind in here.spot else float(price)
            for kind, price in here.machines.items()
        }
    }
    for key in EXTRAS:
        value: Decimal | None = getattr(here, key)
        if value is not None:
            found[key] = float(value)
    return found


def parse(data: Any, *, is_shipped: bool = False) -> Prices:
    """What a table says, as it stands in a file or in the database.

    Raises:
        InvalidValue: It is not a table of prices; the message says at which place.
    """
    whole = _object(data, "the table")
    if _number(whole.get("format"), "format") != 1:
        raise InvalidValue("The table's format is not 1, the one known here.", hint=HINT)
    if _text(whole.get("currency", "USD"), "currency") != "USD":
        raise InvalidValue("Prices are counted in USD only.", hint="Convert them first.")
    regions = _object(whole.get("regions"), "regions")
    if not regions:
        raise InvalidValue("The table has no region.", hint=HINT)
    share = whole.get("spot_share")
    found = Prices(
        cloud=_text(whole.get("cloud"), "cloud"),
        dated=_day(whole.get("dated")),
        regions={_name(name): _region(each, name) for name, each in regions.items()},
        source=_text(whole.get("source", ""), "source")[:255],
        spot_share=None if share is None else _number(share, "spot_share"),
        is_shipped=is_shipped,
    )
    if found.spot_share is not None and found.spot_share > 1:
        raise InvalidValue("“spot_share” is above 1.", hint="Two fifths is 0.4.")
    return found


def _region(data: Any, name: str) -> RegionPrices:
    here = _object(data, f"regions.{name}")
    machines, spot = {}, {}
    for kind, given in _object(here.get("machines"), f"regions.{name}.machines").items():
        place = f"regions.{name}.machines.{kind}"
        prices = given if isinstance(given, list) else [given]
        if not 1 <= len(prices) <= 2:
            raise InvalidValue("“{place}” is neither a price nor two.", hint=HINT, place=place)
        machines[_name(kind)] = _number(prices[0], place)
        if len(prices) == 2:
            spot[kind] = _number(prices[1], place)
    unknown = sorted(set(here) - {"machines", *EXTRAS})
    if unknown:
        raise InvalidValue(
            "“regions.{name}” has an unknown entry “{unknown}”.",
            hint=HINT,
            name=name,
            unknown=unknown[0],
        )
    rest = {
        key: None if here.get(key) is None else _number(here[key], f"regions.{name}.{key}")
        for key in EXTRAS
    }
    return RegionPrices(machines, spot, **rest)


def _name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidValue(
            "“{name!a}” is no name of a region or a type.", hint=HINT, name=name[:60]
        )
    return name


def _object(data: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise InvalidValue("“{place}” is missing, or not an object.", hint=HINT, place=place)
    return data


def _text(data: Any, place: str) -> str:
    if not isinstance(data, str) or (place == "cloud" and not data.strip()):
        raise InvalidValue("“{place}” is missing, or not a text.", hint=HINT, place=place)
    return "".join(each for each in data.strip() if each.isprintable())


def _number(data: Any, place: str) -> Decimal:
    try:
        value = Decimal(str(data)) if isinstance(data, int | float | str | Decimal) else None
    except InvalidOperation:
        value = None
    if value is None or isinstance(data, bool) or not value.is_finite():
        raise InvalidValue("“{place}” is missing, or not a number.", hint=HINT, place=place)
    if not 0 <= value < MOST_USD:
        raise InvalidValue(
            "“{place}” is not between 0 and {most_usd:,}.",
            hint="In US dollars.",
            place=place,
            most_usd=MOST_USD,
        )
    return value


def _day(data: Any) -> date:
    try:
        day = date.fromisoformat(data) if isinstance(data, str) else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidValue("“dated” is missing, or not a day such as 2026-06-30.", hint=HINT)
    if day > datetime.now(UTC).date():
        raise InvalidValue("The prices are dated in the future.", hint="Look at “dated”.")
    return day


def _no_number(word: str) -> Any:
    raise InvalidValue("“{word}” is not a price.", hint="Leave out what is not known.", word=word)
