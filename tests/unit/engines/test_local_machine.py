"""What the local engine says of its machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import pytest

from oceanid.engines.local import LocalEngine
from oceanid.specs import SchedulerSpec


def test_a_user_without_a_name_as_containers_have_is_told_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    engine = LocalEngine(SchedulerSpec(uuid4(), "local", str(tmp_path / "spool"), {}))
    report = asyncio.run(engine.check())
    (found,) = (step for step in report.steps if step.name == "user")
    assert found.ok and found.found == "Tasks run as 54321."
