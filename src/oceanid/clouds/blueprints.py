"""Blueprints as JSON, the way the database keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from oceanid.clouds.specs import Blueprint, Shape

_KNOWN = {field.name for field in fields(Blueprint)}


def written(blueprint: Blueprint) -> dict[str, Any]:
    """A blueprint as plain JSON values."""
    return asdict(blueprint) | {"zones": list(blueprint.zones), "more": dict(blueprint.more)}


def read(data: Mapping[str, Any]) -> Blueprint:
    """What :func:`written` wrote; what this version does not know is left out."""
    known = {name: value for name, value in data.items() if name in _KNOWN}
    for name in ("master_shape", "node_shape"):
        if isinstance(known.get(name), Mapping):
            known[name] = Shape(**known[name])
    known["zones"] = tuple(known.get("zones", ()))
    return Blueprint(**known)
