"""Ends wait for their outputs, for as long as somebody wants them."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oceanid.engines.htcondor.ends import Ends
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.manifest import Entry, Wanted
from oceanid.engines.htcondor.remote import Remote
from oceanid.engines.htcondor.shell import LocalShell
from oceanid.specs import Observation
from oceanid.states import TaskState

WANTED = Wanted(
    success=0, folder="/job", sandboxed=True, append=False, keep_folders=False, outputs=None,
    remaps=(),
)  # fmt: skip


@pytest.mark.asyncio
async def test_outputs_of_a_batch_that_is_forgotten_are_not_tried_for_ever(tmp_path: Path) -> None:
    shell = LocalShell()
    remote = Remote(shell, str(tmp_path / "oceanid"))
    ends = Ends(remote, Ledger(remote), tmp_path, wake=lambda: None)
    gone, other = uuid.uuid4(), uuid.uuid4()
    for batch in (gone, other):
        end = Observation(batch, 0, TaskState.COMPLETE, datetime.now(UTC), exit_code=0)
        ends.add(end, Entry(WANTED, "", ""), None)
    working = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    ends.forget(gone)
    assert ends, "the other one waits still"
    ends.forget(other)
    assert not ends
    await asyncio.wait(working, timeout=30)
    assert all(task.done() for task in working)
    await ends.close()
    await shell.close()
