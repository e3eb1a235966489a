"""The overview in a real browser: charts that are drawn, read by keys, and kept up to date."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers

pytestmark = pytest.mark.browser

SEED = """
import time
from django.contrib.auth.models import User
from django.utils import timezone
from oceanid.models import Depth, FailureTally, Job, JobEvent, Scheduler, Standing, Tally
from oceanid.services.tallies import slot_of
User.objects.get_or_create(username="newcomer", defaults={"password": "!"})
admin = User.objects.get(username="admin")
place, _ = Scheduler.objects.get_or_create(
    name="a pool with a rather long name that must not widen the page", defaults={
        "engine": "htcondor", "enabled": False, "health": "DOWN", "cpus": 512,
        "health_message": "ssh: connect to host pool.example.org port 22: Connection timed out"})
now = slot_of(timezone.now())
for back in range(6, 300):
    for user in (None, admin):
        n = 3 + (back * 7) % 40
        Tally.objects.get_or_create(slot=now - back, scheduler=place, user=user, defaults={
            "complete": n, "error": back % 5, "waited": n, "wait_s": n * 60.0 * (back % 9),
            "ran": n, "run_s": n * 300.0})
        Depth.objects.get_or_create(slot=now - back, user=user, defaults={
            "waiting": back * 3, "running": 40 + back % 60})
for code in ("exit-code", "a-code-that-nobody-has-words-for", "missing-file"):
    for user in (None, admin):
        FailureTally.objects.get_or_create(
            slot=now - 20, scheduler=place, user=user, code=code, defaults={"count": len(code)})
for code, held in (("memory-limit", 12), ("held-by-hand", 1)):
    job, _ = Job.objects.get_or_create(name=f"held: {code}", defaults={
        "user": admin, "scheduler": place, "type": "CONDOR", "state": "HLD", "wanted": "RUN",
        "attempt": 1, "num_jobs": held, "tasks_made": held, "tasks_held": held,
        "reason_code": code, "creation_time": timezone.now(), "execute_time": timezone.now()})
    JobEvent.objects.create(job=job, kind="state", before="RUN", after="HLD", at=timezone.now())
for _ in range(600):  # the supervisor looks every few seconds
    if Standing.objects.filter(user=admin, held__gte=13).exists():
        print("SEEDED")
        break
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def seeded(portal: Portal, simple_job: int) -> int:
    """Figures of a day and more, beside a job that has run."""
    assert "SEEDED" in portal.run(SEED)
    return simple_job


def drawn(watched: Watched) -> None:
    """Wait for the charts."""
    watched.until("document.querySelectorAll('[data-chart] canvas').length === 3")


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_the_overview_is_open_to_everyone(watched: Watched, seeded: int) -> None:
    watched.go("/compute/")
    watched.page.wait_for_selector("#over-held:has-text('It used more memory than it asked for')")
    for path in ("/compute/", "/compute/?scope=mine&span=hour", "/compute/?span=week"):
        watched.go(path)
        drawn(watched)
        watched.page.click(".o-over__table summary")
        assert barriers(watched) == [], path
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= watched.page.viewport_size["width"], path


def test_charts_are_read_with_the_arrow_keys(watched: Watched, seeded: int) -> None:
    watched.go("/compute/")
    drawn(watched)
    page = watched.page
    page.focus("[data-chart=ended]")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    row = page.locator("#over-points tr").nth(9)
    done, failed = (row.locator("td").nth(place).text_content() for place in (0, 1))
    said = page.inner_text("[data-chart=ended] output")
    assert said.endswith(f"{done} done, {failed} failed")
    assert row.locator("th").text_content() in said
    page.keyboard.press("Home")
    first = page.inner_text("[data-chart=ended] output")
    assert first != said
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("[data-chart=ended] output") == first
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.chart") == "depth"
    assert page.inner_text("[data-chart=ended] output") == ""
    page.keyboard.press("End")
    assert page.inner_text("[data-chart=depth] output") != ""
    assert barriers(watched) == []


def test_spans_and_whose_are_chosen_by_keyboard(watched: Watched, seeded: int) -> None:
    watched.go("/compute/")
    page = watched.page
    page.locator("nav a", has_text="Week").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**span=week")
    assert page.locator("#over-points tr").count() == 56
    page.locator("nav a", has_text="Mine").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**scope=mine&span=week")
    assert page.inner_text("nav[aria-label='Whose figures'] [aria-current]") == "Mine"


def test_charts_follow_the_width_and_the_theme(watched: Watched, seeded: int) -> None:
    watched.go("/compute/")
    drawn(watched)
    page = watched.page
    ink = """() => {
        const canvas = document.querySelector('[data-chart=ended] canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) sum += data[i];
        return sum;
    }"""
    light = page.evaluate(ink)
    assert light > 0
    page.click("[data-theme-toggle]")
    watched.until(f"({ink})() !== {light}")
    page.set_viewport_size({"width": 400, "height": 900})
    watched.until(
        "document.querySelector('[data-chart=ended] .uplot').getBoundingClientRect().width < 400"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_overview_is_kept_up_to_date(watched: Watched, seeded: int) -> None:
    watched.go("/compute/?scope=mine")
    drawn(watched)
    page = watched.page
    page.evaluate("window.neverReloaded = true")
    page.focus("#over-mine header a")
    watched.portal.run(
        "from django.contrib.auth.models import User\n"
        "from oceanid.jobs import JobManager\n"
        "JobManager('trial').create_job('seen at once', User.objects.get(username='admin'), "
        "job_type='CONDOR', attributes={'executable': '/bin/true'}).execute()\n"
    )
    page.wait_for_selector("#over-mine >> text=seen at once", timeout=40_000)
    page.wait_for_selector(
        "#over-mine li:has-text('seen at once') .o-badge:has-text('Complete')", timeout=60_000
    )
    assert page.evaluate("window.neverReloaded") is True
    assert page.evaluate("document.activeElement.textContent") == "All of mine"


@pytest.mark.parametrize("watched", [(1440, "light"), (390, "dark")], indirect=True)
def test_a_newcomer_is_told_what_to_do_first(watched: Watched, seeded: int) -> None:
    key = watched.portal.run(
        "from importlib import import_module\n"
        "from django.conf import settings\n"
        "from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY\n"
        "from django.contrib.auth.models import User\n"
        "user = User.objects.get(username='newcomer')\n"
        "store = import_module(settings.SESSION_ENGINE).SessionStore()\n"
        "store[SESSION_KEY] = str(user.pk)\n"
        "store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]\n"
        "store[HASH_SESSION_KEY] = user.get_session_auth_hash()\n"
        "store.save()\n"
        "print(store.session_key)\n"
    ).strip()
    watched.page.context.add_cookies(
        [{"name": "oceanid_session", "value": key, "url": watched.portal.address}]
    )
    watched.go("/compute/")
    assert watched.page.inner_text("#over-first h2") == "You have not run anything yet"
    assert watched.page.locator("[data-chart]").count() == 0
    assert barriers(watched) == []
    width = watched.page.evaluate("document.documentElement.scrollWidth")
    assert width <= watched.page.viewport_size["width"]


def test_without_scripts_the_table_has_all_of_it(
    browser: Any, portal: Portal, session: Any, seeded: int
) -> None:
    context = browser.new_context(storage_state=session, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{portal.address}compute/")
    page.click(".o-over__table summary")
    assert page.locator("#over-points tr").count() == 48
    assert page.locator("#over-points").is_visible()
    context.close()
