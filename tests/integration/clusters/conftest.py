"""A house with a cluster of paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from tests.clouds.paper_house import PaperHouse, offer

MakeHouse = Callable[..., PaperHouse]


@pytest.fixture
def make_house(
    db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeHouse]:
    """Makes a house whose cluster has these fields."""
    settings.OCEANID = {**settings.OCEANID, "DATA_DIR": str(tmp_path / "data")}
    offer(monkeypatch)
    made: list[PaperHouse] = []

    def make(**fields: Any) -> PaperHouse:
        made.append(PaperHouse(tmp_path / "paper", **fields))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: MakeHouse) -> PaperHouse:
    """One with a cluster of three machines, which run."""
    made = make_house()
    made.settles()
    assert made.row.state == "RUN", made.told()
    return made
