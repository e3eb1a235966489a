"""The local engine keeps the engines' contract."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from oceanid.engines.base import Engine
from oceanid.engines.local import LocalEngine
from oceanid.engines.testing import EngineContract
from oceanid.specs import SchedulerSpec


class TestLocalEngine(EngineContract):
    """Every rule of the suite, on processes of this machine."""

    def make_engine(self, spool: Path) -> Engine:
        record = UUID("00000000-0000-4000-8000-000000000001")
        return LocalEngine(SchedulerSpec(record, "local", str(spool)))
