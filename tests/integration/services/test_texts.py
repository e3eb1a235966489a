"""Texts that a database can't hold are kept as far as they can be, on either database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from oceanid.errors import InvalidSpecification
from oceanid.models import Job, JobEvent
from oceanid.services import observe, reports, results
from oceanid.specs import Observation
from oceanid.states import TaskState
from tests.property.house import House
from tests.property.scripted import COMPLETE, RUNNING

ODD = "a\0b\ud800c"
KEPT = "a\N{REPLACEMENT CHARACTER}b?c"


def test_what_an_engine_says(house: House, job: Callable[..., Any]) -> None:
    made = job()
    made.execute()
    house.work()
    (process,) = house.world.alive()
    seen = Observation(
        process.batch, 0, TaskState.HELD, timezone.now(), reason=ODD, hint=ODD, host=ODD
    )
    observe.apply(house.supervisor.hold, house.scheduler.pk, [seen], None)
    assert made.tasks.get().reason == KEPT
    assert Job.objects.get().status_message == KEPT
    assert JobEvent.objects.filter(kind="task").get().message == KEPT


def test_what_a_job_and_its_results_function_say(house: House, job: Callable[..., Any]) -> None:
    made = job(process_results_function="operator.truth")
    made.execute()
    reports.report_progress(made, 5, ODD)
    reports.set_status(made, "is " + ODD, message=ODD)
    assert Job.objects.get().progress_message == KEPT
    assert Job.objects.get().status == "is " + KEPT
    house.work()
    for state in (RUNNING, COMPLETE):
        for process in house.world.alive():
            house.world.move(process, state, exit_code=0)
    house.deliver(10)
    (reading,) = results.due()
    results.fail(house.results, reading, "Boom\n" + ODD, most_tries=2)
    assert Job.objects.get().results_error.endswith(KEPT)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize(
    "field",
    [
        lambda text: {"description": text},
        lambda text: {"extended_properties": {"deep": [{text: 1}]}},
        lambda text: {"environment": {"A": text}},
        lambda text: {"remote_input_files": [f"/tmp/{text}"]},
        lambda text: {"label": text},
    ],
)
def test_what_an_app_says_is_refused_in_words(
    job: Callable[..., Any], field: Callable[[str], dict[str, Any]], text: str
) -> None:
    with pytest.raises(InvalidSpecification):
        job(**field(text)).execute()
    assert not Job.objects.exists()
