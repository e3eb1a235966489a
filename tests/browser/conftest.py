"""A real portal and a real Chromium, once for all tests of this directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clouds import paper_plugin
from tests.conftest import chromium
from tests.integration.running import background, clean_environment, eventually, oceanid, said

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
APPS = Path(__file__).parent / "apps"
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Portal:
    """A portal that runs, and how to get in."""

    address: str
    password: str
    home: Path
    env: dict[str, str]

    def run(self, script: str) -> str:
        """Run Python inside the portal's site; what it printed."""
        words = oceanid("manage", "shell", "-v", "0", "-c", script)
        return said(words, cwd=self.home, env=self.env)


@dataclass
class Watched:
    """A page in a browser, and everything that went wrong in it."""

    page: Any
    portal: Portal
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Keep what the console, scripts and the Content-Security-Policy complain about."""
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', event => "
            "console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI))"
        )

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def until(self, script: str, argument: Any = None) -> None:
        """Wait until a script says yes. Playwright's own way asks again by eval, which a strict
        Content-Security-Policy does not let pass."""
        eventually(lambda: self.page.evaluate(script, argument), within_s=20, what=script)

    def go(self, path: str) -> None:
        """Open an address of the portal."""
        self.page.goto(self.portal.address + path.lstrip("/"))

    def log_in(self) -> None:
        """Log in as the administrator."""
        self.go("/login/")
        self.page.fill("input[name=username]", "admin")
        self.page.fill("input[name=password]", self.portal.password)
        self.page.click("button[type=submit], input[type=submit]")
        self.page.wait_for_load_state()


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    home = tmp_path_factory.mktemp("portal")
    log = home / "up.log"
    (home / "settings.toml").write_text(paper_plugin.SETTINGS)
    env = clean_environment(
        OCEANID_HOME=str(home),
        OCEANID_APPS="hymod,plain",
        PYTHONPATH=os.pathsep.join(
            (str(EXAMPLES), str(APPS), paper_plugin.install(home / "plugin"))
        ),
    )
    try:
        with background(oceanid("up"), cwd=home, env=env, log=log):
            eventually(lambda: "Password:" in log.read_text(), within_s=90, what="the portal is up")
            text = log.read_text()
            address = re.search(r"^Oceanid is at (\S+)$", text, re.MULTILINE)
            password = re.search(r"^Password:\s+(\S+)$", text, re.MULTILINE)
            assert address and password
            yield Portal(address[1], password[1], home, env)
    finally:
        said(oceanid("stop", "--jobs"), cwd=home, env=env, expect=None)


@pytest.fixture(scope="session")
def browser(portal: Portal) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def session(browser: Any, portal: Portal) -> Any:
    """The cookies of somebody who logged in."""
    context = browser.new_context()
    Watched(page := context.new_page(), portal).log_in()
    state = page.context.storage_state()
    context.close()
    return state


@pytest.fixture
def watched(
    browser: Any, portal: Portal, session: Any, request: pytest.FixtureRequest
) -> Iterator[Watched]:
    """A page of somebody who logged in; the test fails when it complained about anything."""
    look: tuple[int, str] = getattr(request, "param", (1440, "light"))
    context = browser.new_context(
        storage_state=session, viewport={"width": look[0], "height": 900}, color_scheme=look[1]
    )
    context.set_default_timeout(20_000)
    found = Watched(context.new_page(), portal)
    found.watch()
    yield found
    context.close()
    assert found.complaints == []


@pytest.fixture(scope="session")
def calibration(portal: Portal) -> int:
    """A calibration that has ended, started by the example's own code."""
    script = (
        "from django.contrib.auth.models import User\n"
        "from hymod import calibrations\n"
        "job = calibrations.start(User.objects.get(username='admin'), sets=60, processes=6, "
        "seed=1, scheduler=None)\n"
        "job.wait(timeout_s=120)\n"
        "print('JOB', job.pk, job.status)\n"
    )
    found = re.search(r"JOB (\d+) Complete", portal.run(script))
    assert found
    return int(found[1])


@pytest.fixture(scope="session")
def simple_job(portal: Portal) -> int:
    """An array job that has ended, with output, a failure, and a name that wants to be a script."""
    script = (
        "from django.contrib.auth.models import User\n"
        "from oceanid.jobs import JobManager\n"
        "from oceanid.submit import Macro\n"
        "job = JobManager('trial').create_job('<img src=x onerror=alert(1)> a run', "
        "User.objects.get(username='admin'), job_type='CONDOR', num_jobs=12, "
        "attributes={'executable': '/bin/sh', 'arguments': "
        "['-c', 'echo line; test $0 -ne 5', Macro('$(Process)')]})\n"
        "job.execute(); job.wait(timeout_s=120)\n"
        "print('JOB', job.pk)\n"
    )
    found = re.search(r"JOB (\d+)", portal.run(script))
    assert found
    return int(found[1])
