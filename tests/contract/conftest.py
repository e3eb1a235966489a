"""What tests on a pool share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.condor import Pool, remove


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every node of the pool sees."""
    made = Pool.running().folder()
    yield made
    remove(made)
