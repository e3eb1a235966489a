"""The HTCondor engine keeps its contract on real pools: on the submit host and over SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from oceanid.engines.base import Engine
from oceanid.engines.testing import EngineContract
from tests.contract.condor import HereEngine, HTCondorEngine, Pool, record, remove

pytestmark = pytest.mark.condor


class _OnAPool(EngineContract):
    timeout_s = 150.0
    overrun_s = 600.0  # HTCondor looks once a minute
    rounds = 3
    uuid: UUID

    @pytest.fixture
    def tmp_path(self) -> Iterator[Path]:
        """A folder that every node sees: without a sandbox a task runs in it."""
        self.uuid = uuid4()
        folder = Pool.running().folder()
        yield folder
        remove(folder)


class TestHere(_OnAPool):
    """Every rule, with the engine on the submit host."""

    def make_engine(self, spool: Path) -> Engine:
        return HereEngine(record(spool, self.uuid))


class TestOverSsh(_OnAPool):
    """Every rule, over SSH."""

    def make_engine(self, spool: Path) -> Engine:
        return HTCondorEngine(record(spool, self.uuid, **Pool.running().ssh))
