"""The list of jobs in a real browser: keys, columns, views, many at once, exports."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers

pytestmark = pytest.mark.browser
EVERY_LOOK = pytest.mark.parametrize(
    "watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}"
)
LIST = "/compute/jobs/?scope=mine&q=bulk"
MAKE = """
from django.contrib.auth.models import Group, User
from oceanid.jobs import JobManager
admin = User.objects.get(username="admin")
admin.groups.add(Group.objects.get_or_create(name="hydrologists")[0])
jobs = [
    JobManager("plain").create_job(
        f"bulk {number:02d}", admin, job_type="CONDOR", extended_properties={"site": "Imst"},
        attributes={"executable": "/bin/sleep", "arguments": "900"},
    )
    for number in range(COUNT)
]
JobManager("plain").execute_many(jobs)
print("MADE", " ".join(str(job.pk) for job in jobs))
"""
UNMAKE = """
from oceanid.models import Job, SavedView
for job in Job.objects.filter(name_key__startswith="bulk"):
    job.delete()
SavedView.objects.all().delete()
"""


@pytest.fixture
def made(portal: Portal, request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """Jobs that run for long, the oldest first; removed afterwards."""
    count = getattr(request, "param", 5)
    found = re.search(r"MADE ([\d ]+)", portal.run(MAKE.replace("COUNT", str(count))))
    assert found
    yield [int(each) for each in found[1].split()]
    portal.run(UNMAKE)


def fits(watched: Watched) -> bool:
    width: int = watched.page.evaluate("document.documentElement.scrollWidth")
    return width <= int(watched.page.viewport_size["width"])


def focused(watched: Watched) -> str:
    found: str = watched.page.evaluate("document.activeElement.id")
    return found


def ticked(watched: Watched) -> list[int]:
    boxes = "[...document.querySelectorAll('[data-pick]:checked')].map(box => Number(box.value))"
    found: list[int] = watched.page.evaluate(boxes)
    return found


@EVERY_LOOK
def test_the_list_and_its_dialogs_are_open_to_everyone(watched: Watched, made: list[int]) -> None:
    page = watched.page
    found = []
    watched.go(LIST + "&columns=status,extended_properties.site,reason,took")
    for name in ("", "views", "columns", "export", "keys"):
        if name:
            page.click(f"[popovertarget={name}]:not([popovertargetaction])")
            page.wait_for_selector(f"#{name}:popover-open")
        found += [f"{name} {each}" for each in barriers(watched)]
        assert fits(watched), name
        if name:
            page.keyboard.press("Escape")
            page.wait_for_selector(f"#{name}", state="hidden")
    page.check(f"#job-pick-{made[0]}")
    found += barriers(watched)
    assert found == []


def test_everything_in_the_list_is_done_by_keys(watched: Watched, made: list[int]) -> None:
    watched.go(LIST)
    page, newest = watched.page, made[::-1]
    page.wait_for_selector(f"#job-row-{newest[0]}")
    page.keyboard.press("j")
    assert focused(watched) == f"job-link-{made[0]}"  # a beginning of a name goes by name
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Shift+X")
    assert ticked(watched) == made[:3]
    assert page.inner_text("[data-picked]") == "3 jobs selected"
    page.keyboard.press("x")
    assert ticked(watched) == made[:2]
    page.keyboard.press("Escape")
    assert ticked(watched) == []
    page.keyboard.press("?")
    page.wait_for_selector("#keys:popover-open")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")
    page.keyboard.press("/")
    assert focused(watched) == "q"
    page.keyboard.type("jx?")
    assert page.input_value("#q") == "jx?"
    page.fill("#q", "bulk")
    page.keyboard.press("Escape")
    assert page.input_value("#q") == "bulk" and focused(watched) != "q"
    page.wait_for_url(re.compile("q=bulk"))
    page.wait_for_selector(f"#job-row-{made[0]}")
    page.wait_for_selector("#jobs-busy:not(.htmx-request)", state="attached")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url(re.compile(r"/compute/jobs/\d+/"))
    watched.go("/")  # before the jobs go


def test_a_search_that_is_typed_fast_ends_with_its_matches_and_without_complaint(
    watched: Watched, made: list[int]
) -> None:
    page = watched.page
    watched.go("/compute/jobs/?scope=mine")
    page.keyboard.press("/")
    page.keyboard.type("bulk 03")
    page.keyboard.press("Enter")
    watched.until("document.querySelectorAll('[data-pick]').length === 1")
    page.wait_for_selector("#jobs-busy:not(.htmx-request)", state="attached")
    assert "q=bulk" in page.url and watched.complaints == []


def test_the_dialog_of_keys_has_its_choice_in_one_line(watched: Watched, made: list[int]) -> None:
    page = watched.page
    watched.go(LIST)
    page.keyboard.press("?")
    label = page.wait_for_selector("[data-keys-choice]", state="visible")
    box = label.query_selector("input").bounding_box()
    assert box["y"] + box["height"] > label.bounding_box()["y"] + label.bounding_box()["height"] / 2


@pytest.mark.parametrize("watched", [(1280, "light")], indirect=True)
def test_a_name_in_a_column_is_not_broken_while_there_is_room(
    watched: Watched, made: list[int]
) -> None:
    watched.go(LIST)
    heights = watched.page.eval_on_selector_all(
        "td[data-label=App] .o-break, td[data-label=Scheduler] .o-break",
        "each => each.map(one => one.getBoundingClientRect().height)",
    )
    assert heights and max(heights) < 30


def test_keys_can_be_switched_off_and_stay_so(watched: Watched, made: list[int]) -> None:
    watched.go(LIST)
    page = watched.page
    page.click("[popovertarget=keys]:not([popovertargetaction])")
    page.uncheck("[data-keys-on]")
    page.reload()
    page.keyboard.press("j")
    assert not focused(watched).startswith("job-link")
    page.click("[popovertarget=keys]:not([popovertargetaction])")
    page.check("[data-keys-on]")


def test_a_selection_outlives_what_changes_in_the_rows(watched: Watched, made: list[int]) -> None:
    watched.go(LIST)
    page = watched.page
    page.check(f"#job-pick-{made[0]}")
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={made[0]}).stop()")
    page.wait_for_selector(f"#job-row-{made[0]} .o-badge:has-text('Aborted')", timeout=30_000)
    assert ticked(watched) == [made[0]]
    assert focused(watched) == f"job-pick-{made[0]}"
    assert page.inner_text("[data-picked]") == "1 job selected"


def test_columns_are_chosen_and_moved_by_keyboard(watched: Watched, made: list[int]) -> None:
    watched.go("/compute/jobs/?scope=mine&columns=status,app")
    page = watched.page
    page.fill("#q", "bulk")
    page.wait_for_url(re.compile("q=bulk"))
    page.focus("[popovertarget=columns]:not([popovertargetaction])")
    page.keyboard.press("Enter")
    page.focus("#columns [name=down][value=status]")
    page.keyboard.press("Enter")
    assert page.inner_text("[data-moved]") == "Status is now number 2"
    assert page.evaluate("document.activeElement.value") == "status"
    page.focus("#columns [value=reason][type=checkbox]")
    page.keyboard.press("Space")
    page.fill("#c-property", "site")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("columns=app%2Cstatus%2Creason%2Cextended_properties.site"))
    assert "q=bulk" in page.url  # what was searched for since the page was loaded
    heads = page.locator("#jobs thead th").all_inner_texts()
    assert [head.split(" ")[0] for head in heads] == ["Name", "App", "Status", "Reason", "site"]
    assert page.locator(f"#job-row-{made[0]}").inner_text().count("Imst") == 1


def test_a_view_is_saved_shared_made_the_default_and_deleted(
    watched: Watched, made: list[int]
) -> None:
    watched.go("/compute/jobs/?scope=mine")
    page = watched.page
    page.select_option("#f-status", "Running")
    page.wait_for_url(re.compile("status=Running"))
    page.click("[popovertarget=views]:not([popovertargetaction])")
    page.fill("#v-name", "What runs")
    page.check(".o-views__new >> text=hydrologists")
    page.click("text=Save view")
    page.wait_for_selector("text=The view “What runs” is saved.")
    assert page.inner_text("h1") == "Jobs What runs"
    page.click("[popovertarget=views]:not([popovertargetaction])")
    assert "shared with hydrologists" in page.inner_text("#views")
    page.click("#views summary")
    page.click("text=Make it my default")
    page.wait_for_selector("text=“Jobs” now begins with “What runs”.")
    watched.go("/compute/jobs/")
    assert "status=Running" in page.url
    page.click(".o-tabs >> text=Mine")
    page.click("[popovertarget=views]:not([popovertargetaction])")
    page.click("#views summary")
    page.click("#views >> text=Delete")
    page.wait_for_selector("text=The view is deleted.")
    watched.go("/compute/jobs/")
    assert "status" not in page.url


@EVERY_LOOK
def test_several_are_stopped_after_a_preview(watched: Watched, made: list[int]) -> None:
    watched.go(LIST)
    page = watched.page
    page.check(f"#job-pick-{made[0]}")
    page.check(f"#job-pick-{made[1]}")
    page.click("#bulk button[value=stop]")
    page.wait_for_selector("text=2 will be stopped")
    assert barriers(watched) == []
    assert fits(watched)
    page.click("button:has-text('Stop: 2 jobs')")
    page.wait_for_selector("text=2 were asked to stop", timeout=30_000)
    assert barriers(watched) == []
    page.click("text=Back to the jobs")
    watched.go(LIST)
    page.wait_for_selector(f"#job-row-{made[1]} .o-badge:has-text('Aborted')", timeout=30_000)
    assert page.inner_text(f"#job-row-{made[2]} .o-badge") in ("Running", "Submitted")
    watched.go("/compute/bulk/")
    assert "Stop jobs" in page.inner_text("main table")
    assert barriers(watched) == []


@pytest.mark.parametrize("made", [60], indirect=True)
def test_all_that_match_are_done_by_keyboard_and_told_one_by_one(
    watched: Watched, made: list[int]
) -> None:
    watched.go(LIST)
    page = watched.page
    other = open_beside(watched, LIST)
    page.focus("[data-pick-whole]")
    page.keyboard.press("Space")
    assert page.inner_text("[data-picked]") == "All 60 jobs that match are selected"
    page.focus("#bulk button[value=delete]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=60 will be deleted with their files")
    assert page.locator("tbody tr").count() == 50
    page.focus("button:has-text('Delete: 60 jobs')")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=60 were deleted", timeout=60_000)
    page.click("nav >> text=Next")
    assert page.locator("tbody tr").count() == 10
    # They were asked to go, and go one after the other; whoever has the list open sees it.
    other.wait_for_selector("text=No job matches", timeout=60_000)
    watched.go(LIST)
    assert "No job matches" in page.inner_text("#jobs")


def test_what_is_deleted_at_once_leaves_the_lists_that_are_open(
    watched: Watched, made: list[int]
) -> None:
    """Its events are away before anybody looks: that it is gone is told by itself."""
    watched.portal.run(
        "from oceanid.models import Job\n"
        f"for job in Job.objects.filter(pk__in={made}): job.stop(); job.wait(timeout_s=60)"
    )
    watched.go("/compute/jobs/?scope=mine&q=bulk 0")
    page = watched.page
    other = open_beside(watched, LIST)
    page.check("[data-pick-all]")
    page.click("#bulk button[value=delete]")
    page.click("button:has-text('Delete: 5 jobs')")
    other.wait_for_selector("text=No job matches")
    assert other.evaluate("window.neverReloaded") is True


def open_beside(watched: Watched, path: str) -> Any:
    """Another tab with an address, as soon as it hears of changes."""
    other = watched.page.context.new_page()
    other.goto(watched.portal.address + path.lstrip("/"))
    other.wait_for_selector("[data-live-sign][data-state=live]")
    other.evaluate("window.neverReloaded = true")
    return other


def test_what_matches_is_exported(watched: Watched, made: list[int], tmp_path: Path) -> None:
    watched.go("/compute/jobs/?scope=mine&columns=status,extended_properties.site")
    page = watched.page
    page.fill("#q", "bulk")
    page.wait_for_url(re.compile("q=bulk"))
    page.click("[popovertarget=export]:not([popovertargetaction])")
    with page.expect_download() as waiting:
        page.click("#export button[value=csv]")
    waiting.value.save_as(tmp_path / "jobs.csv")
    with (tmp_path / "jobs.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == made[::-1]
    assert {row["extended_properties.site"] for row in rows} == {"Imst"}


@pytest.mark.parametrize("watched", [LOOKS[0], LOOKS[3]], indirect=True, ids=["wide", "narrow"])
def test_the_site_admin_acts_on_several_and_exports(watched: Watched, made: list[int]) -> None:
    page = watched.page
    watched.go("/admin/oceanid/job/?q=bulk")
    page.fill("#o-user", "admin")
    page.click(".o-userfilter button")
    page.wait_for_url(re.compile("user=admin"))
    assert "q=bulk" in page.url
    page.check("#action-toggle")
    page.select_option("select[name=action]", "stop")
    page.click("button[name=index]")
    page.wait_for_selector("text=5 will be stopped")
    assert inside(watched, "#content-main") == []
    page.click("button[value=confirm]")
    page.wait_for_selector("text=5 were asked to stop", timeout=30_000)
    watched.go("/admin/oceanid/job/?q=bulk")
    with page.expect_download() as waiting:
        page.click("text=as JSON lines")
    assert waiting.value.suggested_filename.endswith(".jsonl")


def inside(watched: Watched, selector: str) -> list[Any]:
    """What axe finds in one part of a page: the frame around it is Django's."""
    return [each for each in barriers(watched) if selector.strip("#") in each]
