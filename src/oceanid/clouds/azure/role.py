"""The rights that the app needs: the least that all of it works with."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

ROLE: Final[dict[str, Any]] = json.loads(
    files("oceanid.clouds.azure").joinpath("role.json").read_text()
)
"""A custom role, as ``az role definition create`` takes it; the docs show this file."""

NEEDED: Final = tuple(str(each) for each in ROLE["Actions"])
"""Its actions."""
