"""The classic templates that Tethys apps know by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_BASE: Final = {
    "universe": "vanilla",
    "output": "logs/stdout.$(Process)",
    "error": "logs/stderr.$(Process)",
}

CLASSIC_TEMPLATES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "vanilla_base": MappingProxyType(_BASE),
        "vanilla_transfer_files": MappingProxyType(
            {
                **_BASE,
                "should_transfer_files": "YES",
                "when_to_transfer_output": "ON_EXIT_OR_EVICT",
            }
        ),
        "vanilla_nfs": MappingProxyType({**_BASE, "should_transfer_files": "NO"}),
    }
)
"""Attributes by template name; an app's own attributes win over them."""
