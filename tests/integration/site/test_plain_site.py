"""A Django project made from nothing becomes a site that runs jobs."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.integration.running import background, clean_environment, eventually, said

SETTINGS = '\nINSTALLED_APPS += ["oceanid"]\n'
URLS = """
from django.urls import include
urlpatterns += [path("compute/", include("oceanid.urls"))]
"""
RUN_A_JOB = r"""
from django.contrib.auth.models import User
from oceanid.jobs import JobManager
user = User.objects.create_user("ada")
jobs = JobManager("mysite")
job = jobs.create_job("run {id}", user, job_type="CONDOR", num_jobs=2, attributes={
    "executable": "/bin/sh", "arguments": "\"-c 'echo process $0' $(Process)\""})
job.execute()
assert job.status == "Submitted", job.status
job.wait(timeout_s=60)
print("STATUS", job.status, job.name == f"run {job.id}")
logs = job.get_logs()
print("LOGS", logs["0"]["output"], logs["1"]["output"])
"""
VISIT = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={"host": "127.0.0.1"})
print("STRANGER", client.get("/compute/jobs/").status_code)
client.force_login(User.objects.create_superuser("root"))
print("LIST", client.get("/compute/jobs/").status_code)
print("ADMIN", client.get("/admin/oceanid/job/").status_code)
print("HEALTH", client.get("/compute/healthz").json(), client.get("/compute/readyz").json())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    env = clean_environment()
    said([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=place, env=env)
    with (place / "mysite" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    with (place / "mysite" / "urls.py").open("a") as urls:
        urls.write(URLS)
    manage(place, "migrate")
    return place


def manage(place: Path, *words: str, expect: int | None = 0) -> str:
    return said(
        [sys.executable, "manage.py", *words], cwd=place, env=clean_environment(), expect=expect
    )


def test_checks_are_silent_at_warning_in_a_plain_site(project: Path) -> None:
    told = manage(project, "check", "--fail-level", "WARNING", "--database", "default")
    assert "WARNINGS" not in told
    assert "ERRORS" not in told
    assert "oceanid.I001" in told


def test_migrations_are_complete_in_a_plain_site(project: Path) -> None:
    assert "No changes" in manage(project, "makemigrations", "--check", "--dry-run")


def test_a_wrong_key_is_told_with_a_hint_before_anything_runs(project: Path) -> None:
    settings = project / "mysite" / "settings.py"
    before = settings.read_text()
    settings.write_text(before + '\nOCEANID = {"RETENTIO": {}}\n')
    try:
        told = manage(project, "check", expect=1)
    finally:
        settings.write_text(before)
    assert "RETENTIO" in told
    assert "RETENTION" in told
    assert "Traceback" not in told


def test_a_job_runs_to_its_end_and_the_supervisor_stops_cleanly(
    project: Path, tmp_path: Path
) -> None:
    log = tmp_path / "supervisor.log"
    command = [sys.executable, "manage.py", "oceanid_supervisor"]
    with background(command, cwd=project, env=clean_environment(), log=log) as supervisor:
        told = manage(project, "shell", "-v", "0", "-c", RUN_A_JOB)
        assert "STATUS Complete True" in told, told + log.read_text()
        assert "process 0" in told
        assert "process 1" in told
        visited = eventually(
            lambda: manage(project, "shell", "-v", "0", "-c", VISIT), within_s=5, what="a visit"
        )
        assert "STRANGER 302" in visited, visited
        assert "LIST 200" in visited
        assert "ADMIN 200" in visited
        assert "'status': 'ready'" in visited
        doctor = manage(project, "oceanid_doctor")
        assert "alive" in doctor
        began = time.monotonic()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=10) == 0, log.read_text()
        assert time.monotonic() - began < 5
    assert "Traceback" not in log.read_text()
