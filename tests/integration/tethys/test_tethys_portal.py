"""In a real Tethys Portal: by its configuration file alone, beside its own job manager."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import background, clean_environment, eventually, said

pytestmark = pytest.mark.tethys

CONFIGURATION = """\
settings:
  SECRET_KEY: not-a-secret-{filler}
  DEBUG: false
  ALLOWED_HOSTS: [127.0.0.1]
  INSTALLED_APPS: [oceanid]
  OCEANID:
    ADMIN_TITLE: Tethys Compute (Oceanid)
  TETHYS_PORTAL_CONFIG:
    ADDITIONAL_URLPATTERNS: [oceanid.tethys.urlpatterns]
"""
APP = """\
from tethys_sdk.base import TethysAppBase


class App(TethysAppBase):
    name = "Trial"
    description = "An app that runs jobs through Oceanid."
    package = "trial"
    index = "home"
    icon = ""
    root_url = "trial"
    color = "#16a085"
"""
RUN_A_JOB = """
import django; django.setup()
from django.contrib.auth.models import User
from oceanid.jobs import JobManager
from tethysapp.trial.app import App
user, _ = User.objects.get_or_create(username="ada")
manager = JobManager(App)
job = manager.create_job("in tethys", user, job_type="CONDOR", attributes={
    "executable": "/bin/sh", "arguments": ["-c", "echo from a Tethys app"]})
job.execute()
job.wait(timeout_s=60)
print("STATUS", job.status, job.app)
print("LOGS", job.get_logs()["output"])
from tethys_compute.models import TethysJob
print("THEIRS", TethysJob.objects.count())
"""
SESSION = """
import django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("root"))
print("SESSION", client.cookies["sessionid"].value)
"""


SYNCHRONOUS = """
from wsgiref.simple_server import make_server
from django.core.wsgi import get_wsgi_application
server = make_server("127.0.0.1", 0, get_wsgi_application())
print("PORT", server.server_port)
server.serve_forever()
"""


class Portal:
    """A Tethys Portal in a directory of its own."""

    def __init__(self, place: Path, programs: Path) -> None:
        self.place = place
        self.programs = programs
        self.env = clean_environment(
            HOME=str(place),
            TETHYS_HOME=str(place),
            PYTHONPATH=str(place / "apps"),
            DJANGO_SETTINGS_MODULE="tethys_portal.settings",
        )

    def run(self, *words: str) -> str:
        return said(
            [self.programs / words[0], *words[1:]], cwd=self.place, env=self.env, timeout_s=300
        )


@pytest.fixture(scope="module")
def tethys(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    place = tmp_path_factory.mktemp("tethys")
    (place / "portal_config.yml").write_text(CONFIGURATION.format(filler="x" * 50))
    app = place / "apps" / "tethysapp" / "trial"
    app.mkdir(parents=True)
    (app / "__init__.py").touch()
    (app / "app.py").write_text(APP)
    portal = Portal(place, Path(os.environ["OCEANID_TEST_TETHYS"]) / "bin")
    portal.run("tethys", "db", "migrate")
    return portal


@pytest.fixture(scope="module")
def address(tethys: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("daphne") / "log"
    command = [
        tethys.programs / "daphne",
        *("-b", "127.0.0.1", "-p", str(port), "tethys_portal.asgi:application"),
    ]
    with background(command, cwd=tethys.place, env=tethys.env, log=log):
        found = f"http://127.0.0.1:{port}/"

        def serves() -> bool:
            try:
                return bool(visit(f"{found}compute/healthz", "").status == 200)
            except OSError:
                return False

        eventually(serves, within_s=60, what=log.read_text())
        yield found


def visit(address: str, session: str) -> urllib.request.addinfourl:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(address, headers={"Cookie": f"sessionid={session}"})
    answer: urllib.request.addinfourl = opener.open(asked, timeout=30)
    return answer


@pytest.fixture(scope="module")
def session(tethys: Portal) -> str:
    found = re.search(r"SESSION (\w+)", tethys.run("python", "-c", SESSION))
    assert found
    return found[1]


def test_its_own_migrate_makes_our_tables_beside_its_own(tethys: Portal) -> None:
    with sqlite3.connect(tethys.place / "tethys_platform.sqlite") as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert {"oceanid_job", "tethys_compute_tethysjob"} <= tables


def test_checks_are_silent_at_warning(tethys: Portal) -> None:
    told = tethys.run("django-admin", "check", "--fail-level", "WARNING")
    assert "WARNINGS" not in told


def test_a_configuration_that_does_not_reach_our_pages_is_told(tethys: Portal) -> None:
    file = tethys.place / "portal_config.yml"
    right = file.read_text()
    file.write_text(right.replace("oceanid.tethys.urlpatterns", "oceanid.tethys.mistyped"))
    try:
        told = tethys.run("django-admin", "check")
    finally:
        file.write_text(right)
    assert "oceanid.W002" in told
    assert "ADDITIONAL_URLPATTERNS" in told


def test_our_pages_are_served_with_their_own_policy(address: str, session: str) -> None:
    page = visit(f"{address}compute/jobs/", session)
    assert page.status == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    theirs = visit(f"{address}admin/", session)
    assert theirs.headers["Content-Security-Policy"] is None
    stranger = visit(f"{address}compute/jobs/", "")
    assert "/accounts/login/" in stranger.url


def test_the_admin_shows_our_section_under_its_configured_heading(
    address: str, session: str
) -> None:
    index = visit(f"{address}admin/", session).read().decode()
    assert "Tethys Compute (Oceanid)" in index
    assert "/admin/tethys_compute/" in index
    for page in ("job", "scheduler"):
        assert visit(f"{address}admin/oceanid/{page}/", session).status == 200


def fill_in(page: str, session: str, values: dict[str, str]) -> str:
    """Post a form of the site admin as a browser would; the page that comes of it."""
    form = visit(page, session)
    cookie = re.search(r"csrftoken=(\w+)", form.headers["Set-Cookie"])
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form.read().decode())
    assert cookie and token
    body = {"csrfmiddlewaretoken": token[1], **values}
    return told(page, f"{session}; csrftoken={cookie[1]}", body)


def told(page: str, session: str, body: dict[str, str] | None = None) -> str:
    """The page that an address leads to, with the messages that were given on the way."""
    data = urllib.parse.urlencode(body).encode() if body else None
    headers = {"Cookie": f"sessionid={session}", "Referer": page}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Standing())
    answer = opener.open(urllib.request.Request(page, data, headers), timeout=30)
    if answer.status == 302:
        kept = re.search(r"messages=([^;]+)", " ".join(answer.headers.get_all("Set-Cookie")))
        there = urllib.parse.urljoin(page, answer.headers["Location"])
        answer = visit(there, f"{session}; messages={kept[1] if kept else ''}")
    return str(answer.read().decode())


class Standing(urllib.request.HTTPErrorProcessor):
    """Goes nowhere by itself, so that what it was given on the way can be taken along."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


def test_the_section_is_in_its_order_and_its_forms_work_and_tell(
    address: str, session: str
) -> None:
    admin = f"{address}admin/oceanid/"
    index = visit(admin, session).read().decode()
    names = ("Clusters", "Schedulers", "Jobs", "Settings", "Cloud accounts", "Audit history")
    places = [index.index(f">{name}<") for name in names]
    assert places == sorted(places)
    page = f"{admin}setting/amazon/change/"
    refused = fill_in(page, session, {"access_key_id": "no", "user_id": "123456789012"})
    assert "This is not an access key id" in refused and 'value="123456789012"' in refused
    secret = "Xk9" + "s" * 37
    values = {"access_key_id": "AKIA" + "Q" * 16, "secret_access_key": secret}
    saved = fill_in(page, session, values)
    assert "was changed successfully" in saved, "its frame shows no messages, ours do"
    assert secret not in visit(page, session).read().decode()
    account = re.search(
        r"cloudaccount/(\d+)/change", visit(f"{admin}cloudaccount/", session).read().decode()
    )
    assert account
    refused = told(f"{admin}cloudaccount/{account[1]}/delete/", session)
    assert "is the default account" in refused
    assert secret not in visit(f"{admin}auditevent/", session).read().decode()
    assert visit(f"{admin}auditevent/export/", session).read().startswith(b"time,person")


def test_pages_stream_live_under_its_server(address: str, session: str) -> None:
    stream = visit(f"{address}compute/live/", session)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.read(1)
    stream.close()


def test_pages_ask_again_under_a_server_that_can_not_stream(
    tethys: Portal, session: str, tmp_path: Path
) -> None:
    log = tmp_path / "wsgi.log"
    command = [tethys.programs / "python", "-u", "-c", SYNCHRONOUS]
    with background(command, cwd=tethys.place, env=tethys.env, log=log):
        port = eventually(lambda: re.search(r"PORT (\d+)", log.read_text()), within_s=60, what="")
        address = f"http://127.0.0.1:{port[1]}/compute/"
        assert b'data-live="poll"' in visit(f"{address}jobs/", session).read()
        assert "jobs" in json.load(visit(f"{address}live/changes/?since=0", session))
        with pytest.raises(urllib.error.HTTPError, match="501"):
            visit(f"{address}live/", session)


def test_a_tethys_app_runs_a_job_through_our_manager(tethys: Portal, tmp_path: Path) -> None:
    log = tmp_path / "supervisor.log"
    command = [tethys.programs / "django-admin", "oceanid_supervisor"]
    with background(command, cwd=tethys.place, env=tethys.env, log=log) as supervisor:
        told = tethys.run("python", "-c", RUN_A_JOB)
        assert "STATUS Complete trial" in told, told + log.read_text()
        assert "from a Tethys app" in told
        assert "THEIRS 0" in told
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(timeout=10) == 0
