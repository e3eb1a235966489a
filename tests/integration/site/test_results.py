"""Results functions of a site's apps: none waits for another, and none outlives its supervisor."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.integration.running import background, clean_environment, eventually, said

RESULTS = '''
import os, pathlib, time

def quick(job):
    return "quick"

def slow(job):
    """Ends when a file is there, and says in another by which process it was begun."""
    place = pathlib.Path(job.extended_properties["place"])
    with (place / "begun").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    while not (place / "go").exists():
        time.sleep(0.02)
    return "slow"
'''
EXECUTE = """
from django.contrib.auth.models import User
from oceanid.jobs import JobManager
user, _ = User.objects.get_or_create(username="ada")
for name in {names}:
    job = JobManager("mysite").create_job(
        name, user, job_type="CONDOR", attributes={{"executable": "/bin/true"}},
        process_results_function=f"mysite.results.{{name}}",
        extended_properties={{"place": {place!r}}})
    job.execute()
"""
TELL = """
import time
from oceanid.models import Job
until = time.monotonic() + 60
while True:
    told = str({{job.name: (job.status, job.result) for job in Job.objects.order_by("id")}})
    if {words!r} in told or time.monotonic() > until:
        break
    time.sleep(0.05)
print("STATES", told)
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose supervisors give up a dead one's leases after two seconds."""
    place = tmp_path_factory.mktemp("site")
    env = clean_environment()
    said([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=place, env=env)
    with (place / "mysite" / "settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS += ["oceanid"]\n')
        settings.write('OCEANID = {"SUPERVISOR": {"LEASE_S": 2, "BEAT_S": 0.5}}\n')
    (place / "mysite" / "results.py").write_text(RESULTS)
    manage(place, "migrate")
    return place


@pytest.fixture
def project(empty: Path, tmp_path: Path) -> Path:
    """A copy of it, in which nothing has run."""
    return Path(shutil.copytree(empty, tmp_path / "site"))


def manage(place: Path, *words: str) -> str:
    return said([sys.executable, "manage.py", *words], cwd=place, env=clean_environment())


def supervisor(project: Path, log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A supervisor of the site while the block lasts."""
    command = [sys.executable, "manage.py", "oceanid_supervisor"]
    return background(command, cwd=project, env=clean_environment(), log=log)


def told(project: Path, words: str) -> None:
    """Wait, in bounds, until the site's jobs are as these words say; one process does it."""
    states = manage(project, "shell", "-v", "0", "-c", TELL.format(words=words))
    assert words in states


def begun(place: Path) -> list[int]:
    """The processes that have begun the slow function."""
    try:
        return [int(line) for line in (place / "begun").read_text().splitlines()]
    except FileNotFoundError:
        return []


def test_a_slow_function_keeps_no_other_waiting(project: Path, tmp_path: Path) -> None:
    with supervisor(project, tmp_path / "log"):
        names = EXECUTE.format(names=["slow", "quick"], place=str(tmp_path))
        manage(project, "shell", "-v", "0", "-c", names)
        told(project, "'quick': ('Complete', 'quick')")
        told(project, "'slow': ('Results-Ready', None)")
        (tmp_path / "go").touch()
        told(project, "'slow': ('Complete', 'slow')")
    assert len(begun(tmp_path)) == 1


def test_a_function_ends_with_its_supervisor_and_is_called_again(
    project: Path, tmp_path: Path
) -> None:
    with supervisor(project, tmp_path / "log") as first:
        names = EXECUTE.format(names=["slow"], place=str(tmp_path))
        manage(project, "shell", "-v", "0", "-c", names)
        eventually(lambda: begun(tmp_path), within_s=60, what="the function's begin")
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        left = begun(tmp_path)[0]
        eventually(lambda: not psutil.pid_exists(left), within_s=10, what="the worker's end")
    with supervisor(project, tmp_path / "log"):
        eventually(lambda: len(begun(tmp_path)) == 2, within_s=60, what="another call")
        (tmp_path / "go").touch()
        told(project, "'slow': ('Complete', 'slow')")
