"""Many people and supervisors at once: nothing waits for itself, nothing finds the database locked,
and the books are right at the end; also under the options of a plain Django site."""

from __future__ import annotations

import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from pytest_django import Settings

from oceanid.engines import registry
from oceanid.errors import OceanidError
from oceanid.jobs import JobManager
from oceanid.models import Job, Scheduler
from oceanid.services import batches, dispatch, intents, leases, observe, results, retention
from oceanid.services.leases import Hold
from oceanid.specs import BatchSpec, Handle, Observation
from oceanid.states import TaskState, Wanted
from tests.integration.supervisor.house import in_order
from tests.property.scripted import CAPACITY, ScriptedEngine

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12
WISHES = ("stop", "pause", "resume", "resubmit", "delete", "retry_results")


@pytest.fixture(params=["ours", "plain"])
def options(
    request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path
) -> Iterator[str]:
    """This site's database, or on SQLite one with the options that Django has by itself."""
    if request.param == "ours" or connection.vendor != "sqlite":
        yield request.param
        return
    known = connections.settings["default"]
    kept = {name: known[name] for name in ("NAME", "OPTIONS")}
    connection.ensure_connection()
    with closing(sqlite3.connect(tmp_path / "plain.sqlite3")) as plain:
        connection.connection.backup(plain)
        plain.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    known |= {"NAME": str(tmp_path / "plain.sqlite3"), "OPTIONS": {"timeout": 20}}
    connection.settings_dict |= known
    try:
        yield request.param
    finally:
        connection.close()
        known |= kept
        connection.settings_dict |= kept


@pytest.fixture
def made(
    options: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Scheduler]:
    """Two schedulers, and some jobs at each."""
    settings.OCEANID = {"DATA_DIR": str(tmp_path), "RETENTION": {"DAYS": 0}}
    found = (registry.Entry("scripted", ScriptedEngine, ""), *registry.installed())
    monkeypatch.setattr(registry, "installed", lambda: found)
    User.objects.create_user("ann")
    return [Scheduler.objects.create(name=name, engine="scripted") for name in ("a", "b")]


def together(*works: Callable[[], None]) -> None:
    """Do all of it at once, each in a thread with a connection of its own; no error is lost."""
    problems: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - told below
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive(), "something waits for ever"
    if problems:
        raise problems[0]


class Supervises:
    """Drives a scheduler whose tasks all end at once, by the services alone."""

    def __init__(self, scheduler: Scheduler, chance: random.Random) -> None:
        self.scheduler, self.chance = scheduler, chance
        hold = leases.acquire(f"scheduler:{scheduler.pk}", uuid.uuid4(), ttl_s=3600)
        assert hold is not None
        self.hold: Hold = hold
        self.flying: list[BatchSpec] = []

    def round(self) -> None:
        """One round of work."""
        prepared = dispatch.prepare(self.hold, self.scheduler.pk, CAPACITY, lambda job: 3)
        for spec, _job in prepared:
            batches.save_handle(self.hold, Handle(spec.batch, {"known": True}))
            self.flying.append(spec)
        for state in (TaskState.RUNNING, self.chance.choice([TaskState.COMPLETE, TaskState.ERROR])):
            seen = [
                Observation(spec.batch, item.proc, state, timezone.now(), exit_code=0)
                for spec in self.flying
                for item in spec.items
            ]
            observe.apply(self.hold, self.scheduler.pk, seen, {"seen": len(seen)})
        self.flying.clear()
        for job in intents.due(self.scheduler.pk):
            self._attend(job)
        batches.forgotten(self.hold, [handle.batch for handle in batches.over(self.scheduler.pk)])
        for job in results.due():
            results.finish(self.hold, job, 1)

    def _attend(self, job: Job) -> None:
        if job.wanted in (Wanted.STOP, Wanted.DELETE):
            if intents.take_away(self.hold, job, again_s=0) and job.wanted == Wanted.DELETE:
                intents.remove(self.hold, job)
        else:
            intents.reckon(self.hold, job, again_s=0)


def test_people_and_supervisors_at_once_leave_the_books_in_order(made: list[Scheduler]) -> None:
    supervisors = [Supervises(each, random.Random(number)) for number, each in enumerate(made)]

    def person(seed: int) -> Callable[[], None]:
        chance = random.Random(seed)

        def live() -> None:
            ann = User.objects.get()
            for _ in range(ROUNDS):
                _execute_some(ann, made, chance)
                for job in list(Job.objects.order_by("?")[:3]):
                    with suppress(OceanidError):
                        getattr(job, chance.choice(WISHES))()

        return live

    def supervising(supervisor: Supervises) -> Callable[[], None]:
        return lambda: [supervisor.round() for _ in range(ROUNDS)] and None

    together(*map(person, range(3)), *map(supervising, supervisors), retention.apply)
    for job in Job.objects.filter(wanted=Wanted.PAUSE.value).active():
        job.resume()  # type: ignore[attr-defined]
    for _ in range(100):
        for supervisor in supervisors:
            supervisor.round()
        if not Job.objects.active().exists():
            break
    assert not Job.objects.active().exists()
    in_order()


def _execute_some(ann: Any, schedulers: list[Scheduler], chance: random.Random) -> None:
    jobs = JobManager("floods")
    drafts = [
        jobs.create_job(
            "run {id}", ann, job_type="CONDOR", executable="/bin/true",
            num_jobs=chance.randint(1, 3), scheduler=chance.choice(schedulers),
            process_results_function=chance.choice([None, "operator.truth"]),
        )
        for _ in range(3)
    ]  # fmt: skip
    drafts[0].save()
    drafts[1].save()
    chance.shuffle(drafts)
    with suppress(OceanidError):  # somebody may have deleted a draft
        jobs.execute_many(drafts)


@pytest.mark.parametrize("verb", ["execute", "resubmit"])
def test_of_many_who_wish_the_same_at_once_one_succeeds(made: list[Scheduler], verb: str) -> None:
    job = JobManager("floods").create_job(
        "run", User.objects.get(), job_type="CONDOR", executable="/bin/true", scheduler=made[0]
    )
    job.save()
    if verb == "resubmit":
        job.stop()
    succeeded: list[int] = []

    def wish(number: int) -> Callable[[], None]:
        def act() -> None:
            mine = Job.objects.get(pk=job.pk)
            with suppress(OceanidError):
                getattr(mine, verb)()
                succeeded.append(number)

        return act

    together(*map(wish, range(6)))
    assert len(succeeded) == 1
    assert Job.objects.get().attempt == 1
    assert Job.objects.get().events.filter(kind="state", after="SUB").count() == 1
