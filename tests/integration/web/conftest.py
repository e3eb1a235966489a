"""People and jobs that the tests of the pages share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from oceanid.models import BulkAction, CloudAccount, Job, JobEvent, Scheduler
from oceanid.services import accounts, bulk_actions, leases
from oceanid.services.leases import Hold

MakeJob = Callable[..., Job]


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("olga", password="olga")


@pytest.fixture
def other(db: None) -> User:
    return User.objects.create_user("otto", password="otto")


@pytest.fixture
def team(db: None) -> Group:
    return Group.objects.create(name="hydrologists")


@pytest.fixture
def member(team: Group) -> User:
    user = User.objects.create_user("mia", password="mia")
    user.groups.add(team)
    return user


@pytest.fixture
def viewer(db: None) -> User:
    return User.objects.create_user("vera", password="vera")


@pytest.fixture
def staff(db: None) -> User:
    user = User.objects.create_user("stan", password="stan", is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="oceanid", codename="view_all_jobs")
    )
    return user


@pytest.fixture
def operator(db: None) -> User:
    user = User.objects.create_user("opal", password="opal", is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="oceanid", codename="act_on_all_jobs")
    )
    return user


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_superuser("ada", password="ada")


@pytest.fixture
def boss(client: Client, administrator: User) -> Client:
    """The administrator's browser."""
    client.force_login(administrator)
    return client


@pytest.fixture
def account(db: None) -> CloudAccount:
    """An account at a cloud."""
    return accounts.save(CloudAccount(cloud="amazon", name="Ours"), None)


@pytest.fixture
def local(db: None) -> Scheduler:
    return Scheduler.objects.create(name="local", engine="local")


@pytest.fixture
def make_job(owner: User, local: Scheduler) -> MakeJob:
    """Makes a row as it would be found: the state that a test needs, written directly."""

    def make(name: str = "run", **fields: Any) -> Job:
        values: dict[str, Any] = {
            "user": owner,
            "type": "BASIC",
            "scheduler": local,
            "creation_time": timezone.now(),
            "name": name,
            "name_key": name.casefold()[:100],
        }
        return Job.objects.create(**(values | fields))

    return make


@contextmanager
def turn(person: User | None) -> Iterator[Client]:
    """A person's turn (None: somebody who has not logged in), taken back at its end: whoever comes
    next finds all as it was."""
    client = Client()
    with transaction.atomic():
        if person is not None:
            client.force_login(person)
        yield client
        transaction.set_rollback(True)


def shown(answer: Any) -> str:
    """What a browser is given."""
    return str(answer.content.decode())


def happen(job: Job, **fields: Any) -> JobEvent:
    """Something happens to a job."""
    return JobEvent.objects.create(job=job, kind="state", at=timezone.now(), **fields)


@pytest.fixture
def many_jobs(owner: User, local: Scheduler) -> list[Job]:
    """130 jobs: equal names and states, times that are missing or the same."""
    now = timezone.now()
    states = ["COM", "ERR", "RUN", "SUB", "PEN"]
    rows = []
    for number in range(130):
        state = states[number % len(states)]
        started = now - timedelta(minutes=number // 3) if state in ("COM", "ERR", "RUN") else None
        name = f"Lauf {number % 40:02d}"
        rows.append(
            Job(
                user=owner,
                scheduler=local,
                type="BASIC",
                app="floods" if number % 2 else "hymod",
                name=name,
                name_key=name.casefold(),
                state=state,
                creation_time=now - timedelta(hours=130 - number),
                start_time=started,
                completion_time=now if state in ("COM", "ERR") else None,
            )
        )
    return list(Job.objects.bulk_create(rows))


@pytest.fixture
def hold(db: None) -> Hold:
    """What a supervisor has while it keeps the house."""
    found = leases.acquire("house", uuid.uuid4(), ttl_s=600)
    assert found is not None
    return found


def finish(hold: Hold, action: BulkAction) -> None:
    """Do what the supervisor does until there is nothing more to do."""
    for _ in range(10_000):
        if not bulk_actions.advance(hold, action.pk):
            break
    action.refresh_from_db()
