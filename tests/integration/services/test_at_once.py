"""Several people press buttons of one job at the same instant: real threads, real transactions."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from pytest_django import Settings

from oceanid.errors import IllegalTransition, OceanidError
from oceanid.jobs import JobManager
from oceanid.models import Job
from oceanid.services import jobs as services
from tests.integration.supervisor.house import QUICK, in_order, supervising

pytestmark = pytest.mark.django_db(transaction=True)
Wish = Callable[[Job], None]
PEOPLE = 8


@pytest.fixture(autouse=True)
def _house(settings: Settings, tmp_path: Path) -> None:
    settings.OCEANID = {
        "DATA_DIR": str(tmp_path / "data"),
        "SUPERVISOR": dict(QUICK),
        "LOCAL": {"CPUS": 2, "DISK_RESERVE_MIB": 1},
    }


@pytest.fixture
def draft() -> Any:
    """A saved job that nobody has executed."""
    ann = User.objects.create_user("ann")
    job = JobManager("floods").create_job(
        "run", ann, job_type="CONDOR", executable="/bin/sleep", arguments="0.02",
        transfer_executable=False,
    )  # fmt: skip
    job.save()
    return job


def at_once(job: Job, wishes: Sequence[Wish]) -> Counter[str]:
    """Let each wish be made by a person of its own, all at one instant; how many were granted,
    and how many refused by which code."""
    gate = threading.Barrier(len(wishes))
    answers: Counter[str] = Counter()

    def press(wish: Wish) -> None:
        own = Job.objects.get(pk=job.pk)
        gate.wait(30)
        try:
            wish(own)
            answers[f"{wish.__name__} granted"] += 1
        except OceanidError as refusal:
            answers[f"{wish.__name__} {refusal.slug}"] += 1
        except Exception as problem:  # noqa: BLE001 - shown by the assertion on the answers
            answers[f"{wish.__name__} {problem!r}"] += 1
        finally:
            connections.close_all()

    people = [threading.Thread(target=press, args=(wish,)) for wish in wishes]
    for each in people:
        each.start()
    for each in people:
        each.join(60)
    return answers


def told(job: Job, message: str) -> int:
    """How many of a job's events say something."""
    return job.events.filter(message=message).count()


def test_a_draft_that_all_execute_is_executed_once(draft: Job) -> None:
    answers = at_once(draft, [services.execute] * PEOPLE)
    assert answers["execute granted"] == 1
    assert answers["execute illegal-transition"] == PEOPLE - 1
    draft.refresh_from_db()
    assert (draft.status, draft.attempt, draft.events.count()) == ("Submitted", 1, 1)


@pytest.mark.parametrize("state", ["COM", "ERR", "ABT"])
def test_an_ended_job_that_all_resubmit_and_stop_is_resubmitted_once(
    draft: Job, state: str
) -> None:
    services.execute(draft)
    for attempt in range(2, 6):
        Job.objects.filter(pk=draft.pk).update(state=state, wanted="RUN", due_at=None, backlog=0)
        answers = at_once(draft, [services.resubmit, services.stop] * (PEOPLE // 2))
        assert answers["resubmit granted"] == 1, answers
        assert answers["resubmit illegal-transition"] == PEOPLE // 2 - 1, answers
        assert answers["stop granted"] == PEOPLE // 2, answers
        draft.refresh_from_db()
        assert (draft.status, draft.attempt) == ("Submitted", attempt)
        assert draft.wanted in ("RUN", "STO")
        assert draft.backlog == 1
        assert told(draft, "Resubmitted.") == attempt - 1


def test_a_running_job_that_all_stop_and_resubmit_is_stopped_once(draft: Job) -> None:
    services.execute(draft)
    answers = at_once(draft, [services.stop, services.resubmit] * (PEOPLE // 2))
    assert answers == {
        "stop granted": PEOPLE // 2,
        "resubmit illegal-transition": PEOPLE // 2,
    }
    draft.refresh_from_db()
    assert (draft.wanted, draft.attempt) == ("STO", 1)
    assert told(draft, "Stop was asked for.") == 1


def test_a_storm_of_wishes_beside_a_supervisor_leaves_everything_in_order(draft: Job) -> None:
    chance = random.Random(4)
    verbs: list[Wish] = [services.stop, services.resubmit, services.pause, services.resume]
    services.execute(draft)
    with supervising():
        for _ in range(12):
            answers = at_once(draft, chance.choices(verbs, k=4))
            odd = [each for each in answers if not each.endswith(("granted", "illegal-transition"))]
            assert not odd
        job = draft
        job.refresh_from_db()
        if job.state not in ("COM", "ERR", "ABT"):
            services.resume(job) if job.wanted == "PAU" else None
        assert job.wait(30) in ("Complete", "Aborted")
        with pytest.raises(IllegalTransition):
            services.pause(job)
    in_order()
    # A resume of what had not begun to run leads back to Submitted, too.
    submitted = job.events.filter(kind="state", after="SUB")
    started = submitted.filter(before__in=["PEN", "COM", "ERR", "ABT"]).count()
    assert job.attempt == started
    runs = Counter(job.tasks.values_list("attempt", flat=True))
    assert set(runs.values()) <= {1}
