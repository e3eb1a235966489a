"""The example, unchanged, on a real HTCondor pool over SSH that its form names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.condor import Pool
from tests.integration.portal.seen import Portal, log_in
from tests.integration.portal.test_doors import asked
from tests.integration.running import background, clean_environment, eventually, oceanid

pytestmark = pytest.mark.condor
EXAMPLES = Path(__file__).parents[3] / "examples"
RECORD = """
from oceanid.models import Scheduler
record = Scheduler.objects.create(name="The pool", engine="htcondor", config=CONFIG)
print("RECORD", record.pk)
"""
FOUND = """
from oceanid.models import Job, Task
job = Job.objects.get()
hosts = sorted(set(Task.objects.filter(job=job, node__isnull=False).values_list("host", flat=True)))
print("FOUND", job.scheduler.name, job.result["nse"], *hosts)
"""


@dataclass
class WithExample(Portal):
    """A portal that has the example."""

    @property
    def env(self) -> dict[str, str]:
        return clean_environment(
            OCEANID_HOME=str(self.home), OCEANID_APPS="hymod", PYTHONPATH=str(EXAMPLES)
        )


@pytest.fixture
def portal(home: Path) -> Iterator[WithExample]:
    home.mkdir()
    log = home.parent / "up.log"
    env = clean_environment(OCEANID_HOME=str(home), OCEANID_APPS="hymod", PYTHONPATH=str(EXAMPLES))
    with background(oceanid("up"), cwd=home, env=env, log=log) as process:
        yield WithExample(home, log, process)


def test_the_example_runs_on_the_pool_that_its_form_names(portal: WithExample) -> None:
    visitor, app = log_in(portal), f"{portal.address}apps/hymod/"
    made = re.search(
        r"RECORD (\d+)", portal.run(RECORD.replace("CONFIG", repr(Pool.running().ssh)))
    )
    assert made
    _, form, _ = asked(visitor, app)
    assert f'<option value="{made[1]}">The pool' in form
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', form)
    assert token
    wanted = {"sets": "60", "processes": "4", "seed": "1", "scheduler": made[1]}
    status, page, _ = asked(visitor, app, {"csrfmiddlewaretoken": token[1], **wanted})
    job = re.search(r"/apps/hymod/(\d+)/", page)
    assert status == 200
    assert job
    export = f"{portal.address}compute/jobs/export/?format=json&q=%23{job[1]}"

    def is_over() -> bool:
        return bool(json.loads(asked(visitor, export)[1])[0]["status"] == "Complete")

    eventually(is_over, within_s=240, what=portal.said)
    found = portal.run(FOUND).split("FOUND The pool ")[1].split()
    assert float(found[0]) > 0.5
    assert found[1:] and all(host.startswith("worker") for host in found[1:])
    _, page, _ = asked(visitor, f"{app}{job[1]}/")
    assert "<svg" in page
    assert f"{float(found[0]):.3f}" in page
