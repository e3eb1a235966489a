"""Every page in a real browser: no complaint, no barrier, at any width, in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


def barriers(watched: Watched) -> list[str]:
    """What axe finds against WCAG 2.2 AA; its script comes from the test, past the policy."""
    watched.page.evaluate(AXE + "; null")
    found = watched.page.evaluate(
        # Without its preloading, which writes styles into the page, past the policy.
        "rules => axe.run(document, {preload: false, runOnly: {type: 'tag', values: rules}})",
        RULES,
    )
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        for node in each["nodes"][:3]
    ]


def addresses(calibration: int, simple_job: int) -> list[str]:
    return [
        "/compute/jobs/",
        "/compute/jobs/?q=nothing+has+this+name",
        "/compute/jobs/?scope=groups",
        f"/compute/jobs/{calibration}/",
        f"/compute/jobs/{simple_job}/",
        f"/compute/jobs/{simple_job}/files/",
        f"/compute/jobs/{simple_job}/delete/",
        "/",
        "/apps/hymod/",
        f"/apps/hymod/{calibration}/",
        "/password/",
    ]


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_every_page_is_open_to_everyone(
    watched: Watched, calibration: int, simple_job: int
) -> None:
    found = []
    for path in addresses(calibration, simple_job):
        watched.go(path)
        watched.page.wait_for_selector("main")
        found += [f"{path} {each}" for each in barriers(watched)]
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= watched.page.viewport_size["width"], path
    assert found == []


def test_a_missing_page_is_designed_too(watched: Watched) -> None:
    watched.go("/compute/jobs/999999999/")
    assert watched.page.inner_text("h1") == "Not found"
    assert barriers(watched) == []
    assert all("404" in each for each in watched.complaints)
    watched.complaints.clear()


def test_a_node_and_its_output(watched: Watched, calibration: int) -> None:
    watched.go(f"/compute/jobs/{calibration}/")
    watched.page.click("#job-nodes tbody a >> nth=0")
    watched.page.wait_for_selector("#job-output")
    assert barriers(watched) == []


def test_the_list_is_searched_sorted_and_filtered_by_keyboard_alone(
    watched: Watched, simple_job: int
) -> None:
    watched.go("/compute/jobs/")
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "o-skip"
    page.focus("#q")
    page.keyboard.type("<img")
    page.wait_for_url(re.compile(r"q=%3Cimg"))
    page.wait_for_selector(f"#job-row-{simple_job}")
    assert page.evaluate("document.activeElement.id") == "q"
    page.focus(f"#job-row-{simple_job} a")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/compute/jobs/{simple_job}/"))
    assert page.inner_text("#h-job").startswith("<img src=x")
    page.go_back()
    page.wait_for_selector(f"#job-row-{simple_job}")
    assert page.input_value("#q") == "<img"


def test_deleting_asks_once_more_and_can_be_left_with_escape(
    watched: Watched, simple_job: int
) -> None:
    watched.go(f"/compute/jobs/{simple_job}/")
    page = watched.page
    page.focus("button[popovertarget=confirm-delete]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#confirm-delete:popover-open")
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    assert barriers(watched) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#confirm-delete", state="hidden")


def test_light_and_dark_are_chosen_and_kept(watched: Watched) -> None:
    watched.go("/compute/jobs/")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = watched.page.evaluate(ground)
    watched.page.click("[data-theme-toggle]")
    chosen = watched.page.evaluate(ground)
    assert chosen != before
    watched.page.reload()
    assert watched.page.evaluate(ground) == chosen


def test_a_job_is_started_and_seen_live_to_its_plot(watched: Watched) -> None:
    watched.go("/apps/hymod/")
    page = watched.page
    page.fill("input[name=sets]", "120")
    page.fill("input[name=processes]", "6")
    page.click("main button[type=submit]")
    page.wait_for_url(re.compile(r"/apps/hymod/\d+/"))
    job = int(re.findall(r"/(\d+)/", page.url)[0])
    calibrating = page.url
    other = page.context.new_page()
    other.goto(f"{watched.portal.address}compute/jobs/{job}/")
    other.evaluate("window.neverReloaded = true")
    other.wait_for_selector("#job-head .o-badge:has-text('Complete')", timeout=120_000)
    assert other.evaluate("window.neverReloaded") is True
    assert other.inner_text("#job-nodes tbody").count("Done") == 3
    other.close()
    assert page.url == calibrating
    page.wait_for_selector("main svg", timeout=60_000)
    assert barriers(watched) == []


def test_the_list_follows_a_job_without_being_loaded_again(watched: Watched) -> None:
    watched.go("/compute/jobs/")
    page = watched.page
    made = watched.portal.run(
        "from django.contrib.auth.models import User\n"
        "from oceanid.jobs import JobManager\n"
        "job = JobManager('trial').create_job('live', User.objects.get(username='admin'), "
        "job_type='CONDOR', attributes={'executable': '/bin/sleep', 'arguments': '300'})\n"
        "job.execute()\n"
        "print('JOB', job.pk)\n"
    )
    job = int(made.split("JOB ")[1])
    page.reload()
    page.evaluate("window.neverReloaded = true")
    row = f"#job-row-{job} .o-badge"
    page.wait_for_selector(f"{row}:has-text('Running')", timeout=30_000)
    page.wait_for_selector("[data-live-sign]:not([data-state=lost])")
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={job}).stop()")
    page.wait_for_selector(f"{row}:has-text('Aborted')", timeout=30_000)
    assert page.evaluate("window.neverReloaded") is True


def test_the_site_admin_is_in_the_same_frame_and_complains_about_nothing(
    watched: Watched, simple_job: int
) -> None:
    for path in ("", "oceanid/job/", f"oceanid/job/{simple_job}/change/", "oceanid/scheduler/add/"):
        watched.go(f"/admin/{path}")
        assert watched.page.inner_text("#site-name").strip() == "Tethys Compute"
    watched.page.wait_for_selector("textarea[name=new_secrets]")
    assert watched.page.input_value("textarea[name=new_secrets]") == ""
