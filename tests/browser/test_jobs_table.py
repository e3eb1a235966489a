"""Tables of an app's jobs in a real browser: in a page of ours, and in one that is not."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import Watched
from tests.browser.test_list import EVERY_LOOK, fits, focused, made
from tests.browser.test_pages import barriers

pytestmark = pytest.mark.browser
__all__ = ["made"]
PLAIN = "/apps/plain/"


@EVERY_LOOK
def test_tables_and_their_menus_are_open_to_everyone(
    watched: Watched, made: list[int], calibration: int
) -> None:
    page = watched.page
    for path, table in (("/apps/hymod/", "calibrations"), (PLAIN, "all")):
        watched.go(path)
        page.click(f"#{table} tbody tr:first-child .o-jt__do button >> nth=0")
        page.wait_for_selector(f"#{table} [data-jt-menu]:popover-open")
        assert barriers(watched) == [], path
        assert fits(watched)
        menu = page.locator(f"#{table} [data-jt-menu]:popover-open").bounding_box()
        assert menu["x"] >= 0 and menu["x"] + menu["width"] <= page.viewport_size["width"]
        page.keyboard.press("Escape")
        assert focused(watched).startswith(f"{table}-do-")


def test_a_table_follows_its_jobs_in_a_page_that_is_not_ours(
    watched: Watched, made: list[int]
) -> None:
    watched.go(PLAIN)
    page, job = watched.page, made[-1]
    page.evaluate("window.neverReloaded = true")
    page.wait_for_selector(f"#all-row-{job} .o-badge")
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={job}).stop()")
    page.wait_for_selector(f"#all-row-{job} .o-badge:has-text('Aborted')", timeout=30_000)
    assert page.evaluate("window.neverReloaded") is True
    assert page.locator("script[src*=htmx]").count() == 0


def test_buttons_are_pressed_by_keyboard_and_ask_before_they_end_something(
    watched: Watched, made: list[int]
) -> None:
    watched.go(PLAIN)
    page, job = watched.page, made[-1]
    page.wait_for_selector(f"#all-row-{job} .o-badge")
    page.focus(f"#all-do-{job}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#all [data-jt-menu]:popover-open button:focus")
    assert page.evaluate("document.activeElement.textContent") == "Terminate…"
    page.keyboard.press("Enter")
    page.wait_for_selector("#all [data-jt-ask][open] >> text=Terminate this job?")
    page.wait_for_selector(f"#all [data-jt-ask][open] >> text=#{job}")
    assert barriers(watched) == []
    page.keyboard.press("Enter")  # the harmless answer has the focus
    page.wait_for_selector("#all [data-jt-ask]", state="hidden")
    page.focus(f"#all-do-{job}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#all [data-jt-menu]:popover-open button:focus")
    page.keyboard.press("Enter")
    page.click("#all [data-jt-yes]")
    page.wait_for_selector("#all [data-jt-said]:has-text('The job will be stopped.')")
    page.wait_for_selector(f"#all-row-{job} .o-badge:has-text('Aborted')", timeout=30_000)


def test_an_apps_own_actions_and_dialogs(watched: Watched, made: list[int]) -> None:
    watched.go(PLAIN)
    page, job = watched.page, made[-1]
    page.click(f"#all-do-{job}")
    page.click(f"#all-menu-{job} >> text=Note it")
    page.wait_for_selector("#all [data-jt-said]:has-text('Noted bulk')")
    page.wait_for_selector(f"#all-row-{job} >> text=noted")
    page.click(f"#all-do-{job}")
    page.click(f"#all-menu-{job} >> text=Details")
    page.wait_for_selector(f"#all dialog[open] >> text=Details of {job}")
    page.keyboard.press("Escape")
    page.click(f"#all-do-{job}")
    page.click(f"#all-menu-{job} >> text=View logs")
    page.wait_for_selector("#all dialog[open] >> text=What happened")
    assert barriers(watched) == []
    page.click("#all dialog[open] >> text=Close")


def test_each_table_has_its_own_search_order_and_pages(watched: Watched, made: list[int]) -> None:
    watched.go(PLAIN)
    page = watched.page
    assert page.locator("#all tbody tr").count() == 3
    before = page.inner_html("#failed [data-jt-body]")
    page.click("#all-next")
    page.wait_for_selector("#all-previous")
    assert page.url.endswith(PLAIN)
    page.fill("#all input[type=search]", f"{made[1]}")
    page.wait_for_selector(f"#all-row-{made[1]}")
    page.wait_for_selector("#all tbody tr:nth-child(2)", state="detached")
    page.fill("#all input[type=search]", "nothing has this name")
    page.wait_for_selector("#all >> text=No job matches.")
    assert page.inner_html("#failed [data-jt-body]") == before


def test_without_scripts_pages_and_questions_still_work(watched: Watched, made: list[int]) -> None:
    state = watched.page.context.storage_state()
    context = watched.page.context.browser.new_context(
        java_script_enabled=False, storage_state=state
    )
    page = context.new_page()
    page.goto(watched.portal.address + PLAIN.lstrip("/"))
    page.click("#all-next")
    page.wait_for_url(re.compile("all-after="))
    page.wait_for_selector("#all-previous")
    job = int(page.locator("#all tbody tr").first.get_attribute("id").rpartition("-")[2])
    page.click(f"#all-do-{job}")
    page.click(f"#all-menu-{job} >> text=Terminate")
    page.wait_for_selector("h1:has-text('Terminate')")
    page.click("main button:has-text('Terminate')")
    page.wait_for_url(re.compile("all-after="))
    context.close()
