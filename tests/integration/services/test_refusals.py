"""Why an engine refused a batch is told, also when only a later look finds it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oceanid.errors import EngineError
from oceanid.models import Job
from oceanid.specs import BatchSpec, Found, Settlement
from tests.property.house import House
from tests.property.scripted import Fate, ScriptedEngine


def test_a_refusal_that_a_later_look_finds_is_told(
    house: House, job: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settle(engine: ScriptedEngine, batch: BatchSpec) -> Settlement:
        engine.world.dead.add(batch.batch)
        refusal = EngineError("It is not wanted here.", hint="Ask for less.")
        return Settlement(Found.NEVER, refusal=refusal)

    made = job()
    made.execute()
    house.world.fates = [Fate.DOWN]
    house.work()
    monkeypatch.setattr(ScriptedEngine, "settle", settle)
    house.work()
    now = Job.objects.get(pk=made.pk)
    assert now.status == "Error"
    assert (now.status_message, now.hint) == ("It is not wanted here.", "Ask for less.")
