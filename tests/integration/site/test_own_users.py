"""A site whose people have e-mail addresses for names and UUIDs for keys."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.running import background, clean_environment, eventually, said

MODELS = """
import uuid
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

class People(BaseUserManager):
    def create_user(self, email, password=None, **more):
        person = self.model(email=email, **more)
        person.set_password(password)
        person.save()
        return person

class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = People()
"""
SETTINGS = """
INSTALLED_APPS += ["people", "oceanid"]
AUTH_USER_MODEL = "people.Person"
OCEANID = {"RETENTION": {"BY_USER": {"ada@example.org": 0}}}
"""
URLS = """
from django.urls import include
urlpatterns += [path("compute/", include("oceanid.urls"))]
"""
RUN_JOBS = """
from django.contrib.auth import get_user_model
from oceanid.jobs import JobManager
people = [get_user_model().objects.create_user(f"{name}@example.org") for name in ("ada", "bob")]
jobs = [JobManager("mysite").create_job(
    f"run of {person.email}", person, job_type="CONDOR", attributes={"executable": "/bin/true"}
) for person in people]
for job in jobs:
    job.execute()
print("STATUS", [job.wait(timeout_s=60) for job in jobs])
"""
LEFT = """
from oceanid.models import Outbox
print("LEFT", Outbox.objects.exists())
"""
VISIT = """
from django.contrib.auth import get_user_model
from django.test import Client
from oceanid.models import Job
from oceanid.services import notices, retention, sharing
from oceanid.web.hub import Audience, Reader
ada = get_user_model().objects.get(email="ada@example.org")
client = Client(headers={"host": "127.0.0.1"})
client.force_login(ada)
page = client.get("/compute/jobs/").content.decode()
print("OWN", "run of ada" in page, "run of bob" in page)
print("LIVE", client.get("/compute/live/changes/?after=0").status_code)
bob = get_user_model().objects.get(email="bob@example.org")
theirs = Job.objects.get(user=bob)
sharing.share(theirs, name="ada@example.org", is_group=False, right="view", actor=bob)
page = client.get("/compute/jobs/?scope=groups").content.decode()
print("SHARED", "run of bob" in page, client.get(f"/compute/jobs/{theirs.pk}/").status_code)
heard = Reader(theirs.events.latest("pk").pk - 1).read(with_shares=True)
last = heard.changes[-1]
print("HEARD", [last.is_for(Audience(each.pk)) for each in (ada, bob)], last.users == {ada.pk})
print("TOLD", notices.unread(ada), notices.unread(bob))
print("LIST", "run of ada" in client.get("/compute/notifications/").content.decode())
print("KEPT", client.post("/compute/notifications/settings/", {"min_run_s": "60"}).status_code)
ada.is_staff = ada.is_superuser = True
ada.save()
page = client.get("/compute/jobs/?scope=all").content.decode()
print("ALL", "run of ada" in page, "bob@example.org" in page)
print("ADMIN", client.get("/admin/oceanid/job/").status_code)
print("PAST", [job.name for job in retention.expired()])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    env = clean_environment()
    said([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=place, env=env)
    said([sys.executable, "manage.py", "startapp", "people"], cwd=place, env=env)
    (place / "people" / "models.py").write_text(MODELS)
    for name, more in (("settings", SETTINGS), ("urls", URLS)):
        with (place / "mysite" / f"{name}.py").open("a") as file:
            file.write(more)
    manage(place, "makemigrations", "people")
    manage(place, "migrate")
    return place


def manage(place: Path, *words: str) -> str:
    return said([sys.executable, "manage.py", *words], cwd=place, env=clean_environment())


def test_jobs_run_and_are_seen_whatever_the_key_of_a_user(project: Path, tmp_path: Path) -> None:
    assert "No changes" in manage(project, "makemigrations", "--check", "--dry-run")
    command = [sys.executable, "manage.py", "oceanid_supervisor"]
    log = tmp_path / "supervisor.log"
    with background(command, cwd=project, env=clean_environment(), log=log):
        told = manage(project, "shell", "-v", "0", "-c", RUN_JOBS)
        assert "STATUS ['Complete', 'Complete']" in told, told + log.read_text()
        eventually(
            lambda: "LEFT False" in manage(project, "shell", "-v", "0", "-c", LEFT),
            within_s=30,
            what="both are told",
        )
    visited = eventually(
        lambda: manage(project, "shell", "-v", "0", "-c", VISIT), within_s=5, what="a visit"
    )
    assert "OWN True False" in visited, visited
    assert "LIVE 200" in visited
    assert "SHARED True 200" in visited
    assert "HEARD [True, True] True" in visited
    assert "TOLD 1 1" in visited
    assert "LIST True" in visited
    assert "KEPT 302" in visited
    assert "ALL True True" in visited
    assert "ADMIN 200" in visited
    assert "PAST ['run of ada@example.org']" in visited
