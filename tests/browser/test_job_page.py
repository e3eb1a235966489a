"""One job and one workflow in a real browser: output, files, clones, the graph; by keys too."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers

pytestmark = pytest.mark.browser

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    + "AABJRU5ErkJggg=="
)
PRELUDE = """
import time
from django.contrib.auth.models import User
from oceanid.jobs import JobManager
admin = User.objects.get(username="admin")
jobs = JobManager("trial")
def shell(name, line, **more):
    return jobs.create_job(name, admin, job_type="CONDOR", executable="/bin/sh",
                           transfer_executable=False, arguments=["-c", line], **more)
"""


def made(portal: Portal, script: str) -> int:
    """Run a script that prints the number of the job that it made."""
    found = re.search(r"JOB (\d+)", portal.run(PRELUDE + script))
    assert found
    return int(found[1])


@pytest.fixture(scope="session")
def talkative(portal: Portal) -> int:
    """An ended job with a long log, files of many kinds, and more memory than it needs."""
    return made(
        portal,
        "line = '''seq -f 'line %g of the log' 1 20000; echo 'a needle in it'; seq 1 500;"
        "echo 'another NEEDLE'; echo warning >&2; mkdir -p plots;"
        f"echo {PIXEL} | base64 -d > plots/level.png;"
        "printf 'time,level,note\\\\n1,2.5,rising\\\\n2,2.7,falling\\\\n' > levels.csv;"
        "printf '<b>plain</b> words\\\\n' > notes.html'''\n"
        "job = shell('Talkative', line, request_memory='2 GB',"
        " transfer_output_files=['plots', 'levels.csv', 'notes.html'])\n"
        "job.execute(); job.wait(timeout_s=120); print('JOB', job.pk, job.status)\n",
    )


@pytest.fixture(scope="session")
def flow(portal: Portal) -> int:
    """A workflow that has ended."""
    return made(
        portal,
        "flow = jobs.create_job('Forecast', admin, job_type='CONDORWORKFLOW')\n"
        "def run(s): return {'executable': '/bin/sh', 'transfer_executable': False,"
        " 'arguments': ['-c', f'echo {s}; sleep {s}']}\n"
        "first = flow.add_node('Prepare', attributes=run(0.1))\n"
        "sims = [flow.add_node(f'Simulate {n}', parents=[first], category='sim',"
        " attributes=run(1.5 if n == 2 else 0.1)) for n in range(6)]\n"
        "flow.add_node('Merge', parents=sims, attributes=run(0.1))\n"
        "flow.execute(); flow.wait(timeout_s=120); print('JOB', flow.pk)\n",
    )


@pytest.fixture(scope="session")
def vast(portal: Portal) -> int:
    """A workflow of 5,000 nodes that nobody has run yet."""
    return made(
        portal,
        "flow = jobs.create_job('Vast', admin, job_type='CONDORWORKFLOW')\n"
        "run = {'executable': '/bin/true', 'transfer_executable': False}\n"
        "first = flow.add_node('Prepare', attributes=run)\n"
        "sims = [flow.add_node(f'Simulate {n}', parents=[first], category='sim', attributes=run)"
        " for n in range(4998)]\n"
        "flow.add_node('Merge', parents=sims, attributes=run)\n"
        "flow.save(); print('JOB', flow.pk)\n",
    )


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_every_page_is_open_to_everyone(
    watched: Watched, talkative: int, flow: int, vast: int
) -> None:
    page, found = watched.page, []
    for path in (
        f"/compute/jobs/{talkative}/",
        f"/compute/jobs/{talkative}/files/",
        f"/compute/jobs/{talkative}/files/levels.csv?view",
        f"/compute/jobs/{talkative}/files/notes.html?view",
        f"/compute/jobs/{talkative}/files/plots/level.png?view",
        f"/compute/jobs/{talkative}/clone/",
        f"/compute/jobs/{flow}/",
        f"/compute/jobs/{flow}/clone/",
        f"/compute/jobs/{vast}/",
    ):
        watched.go(path)
        page.wait_for_selector("main")
        found += [f"{path} {each}" for each in barriers(watched)]
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], path
    watched.go(f"/compute/jobs/{flow}/")
    page.click("#job-nodes tbody a >> nth=1")
    page.wait_for_selector("#node-head")
    found += barriers(watched)
    assert found == []


def test_a_log_is_searched_by_keys_alone(watched: Watched, talkative: int) -> None:
    watched.go(f"/compute/jobs/{talkative}/")
    page = watched.page
    log = "[data-log*='stdout']"
    page.focus(f"{log} [data-log-text]")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.matches('[data-log-find]')")
    page.keyboard.type("needle")
    told = page.locator(f"{log} [data-log-found]")
    told.filter(has_text="line 1 of 2").wait_for()
    marks = page.locator(f"{log} mark")
    assert marks.all_inner_texts() == ["needle", "NEEDLE"]
    assert page.locator(f"{log} mark[aria-current]").is_visible()
    assert barriers(watched) == []
    page.keyboard.press("Enter")
    told.filter(has_text="line 2 of 2").wait_for()
    page.locator(f"{log} mark[aria-current]", has_text=re.compile("^NEEDLE$")).wait_for()
    page.keyboard.press("Shift+Enter")
    told.filter(has_text="line 1 of 2").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(f"{log} mark", state="detached")
    assert "another NEEDLE" in page.inner_text(f"{log} [data-log-text]")
    assert page.input_value(f"{log} [data-log-find]") == ""
    page.keyboard.type("no such words")
    told.filter(has_text="Not found").wait_for()


def test_output_comes_into_the_page_and_follows(watched: Watched) -> None:
    gate = watched.portal.home / "gate"
    job = made(
        watched.portal,
        "job = shell('Slow', 'echo begun; until [ -e {0} ]; do sleep 0.1; done; echo over')\n"
        "job.save(); print('JOB', job.pk)\n".replace("{0}", str(gate)),
    )
    watched.go(f"/compute/jobs/{job}/")
    page = watched.page
    page.evaluate("window.neverReloaded = true")
    assert page.locator("[data-log]").count() == 0
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={job}).execute()")
    text = page.locator("[data-log*='stdout'] [data-log-text]")
    text.filter(has_text="begun").wait_for()
    assert "over" not in text.inner_text()
    gate.touch()
    text.filter(has_text="over").wait_for()
    page.wait_for_selector("#job-head .o-badge:has-text('Complete')")
    page.wait_for_selector("#job-files a:has-text('logs/')")
    assert page.evaluate("window.neverReloaded") is True


def test_output_from_afar_says_so_and_what_was_left_out_until_the_file_is_here(
    watched: Watched,
) -> None:
    page = watched.page
    job = made(
        watched.portal,
        "job = shell('Afar', 'sleep 300'); job.execute(); print('JOB', job.pk)\n"
        "while not job.tasks.filter(state='RUN').exists(): time.sleep(0.1)\n",
    )
    told = {"truncated": False, "shown_size": "2.0 MiB", "size": 2_000_020}
    answers = [
        {"text": "from afar\n", "offset": 2_000_000, "next": 2_000_010, "ended": False,
         "note": "Read from far away.", "is_here": False},
        {"text": "the rest\n", "offset": 2_000_010, "next": 2_000_020, "ended": True,
         "note": "", "is_here": True},
    ]  # fmt: skip
    waiting = iter(answers)
    page.route("**/tasks/0/stdout/**", lambda route: route.fulfill(json=told | next(waiting)))
    watched.go(f"/compute/jobs/{job}/")
    log = page.locator("[data-log*='stdout']")
    log.locator("[data-log-note]", has_text="Read from far away.").wait_for()
    assert log.locator("[data-log-text]").inner_text() == "from afar\n"
    assert "1.9 MiB are left out" in log.locator("[data-log-cut]").inner_text()
    assert not log.locator("[data-log-download]").is_visible()
    assert barriers(watched) == []
    log.locator("[data-log-text]", has_text="the rest").wait_for()
    assert log.locator("[data-log-text]").inner_text() == "from afar\nthe rest\n"
    assert log.locator("[data-log-download]").is_visible()
    assert not log.locator("[data-log-note]").is_visible()
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={job}).stop()")


def test_all_files_come_as_a_zip(watched: Watched, talkative: int, tmp_path: Path) -> None:
    watched.go(f"/compute/jobs/{talkative}/files/")
    with watched.page.expect_download() as waiting:
        watched.page.click("main a:has-text('Download all as a zip')")
    waiting.value.save_as(tmp_path / "all.zip")
    archive = zipfile.ZipFile(tmp_path / "all.zip")
    assert archive.testzip() is None
    assert {"levels.csv", "notes.html", "plots/level.png"} <= set(archive.namelist())


def test_files_are_looked_into(watched: Watched, talkative: int) -> None:
    watched.go(f"/compute/jobs/{talkative}/files/")
    page = watched.page
    page.click("main a:has-text('levels.csv') >> nth=0")
    assert page.locator("main table td").all_inner_texts() == [
        "1", "2.5", "rising", "2", "2.7", "falling",
    ]  # fmt: skip
    page.go_back()
    page.click("main a:has-text('plots/')")
    page.click("main a:has-text('level.png') >> nth=0")
    picture = page.locator(".o-preview img")
    assert picture.evaluate("async img => (await img.decode(), img.naturalWidth)") == 1
    watched.go(f"/compute/jobs/{talkative}/files/notes.html?view")
    assert page.inner_text(".o-preview pre").strip() == "<b>plain</b> words"


def test_what_to_ask_for_the_next_time_is_told(watched: Watched, talkative: int) -> None:
    watched.go(f"/compute/jobs/{talkative}/")
    assert re.search(
        r"Memory: asked for 2 GiB, used .*: 64 MiB would do",
        watched.page.inner_text(".o-hints"),
    )


def test_a_job_is_cloned_by_keys_alone(watched: Watched, talkative: int) -> None:
    watched.go(f"/compute/jobs/{talkative}/")
    page = watched.page
    page.focus("#job-head a:has-text('Clone')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#c-name")
    page.focus("#c-name")
    page.keyboard.press("Control+a")
    page.keyboard.type("Quiet")
    page.fill("[name='set.attributes']", "{")
    page.focus("#c-name")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert "attributes must be JSON" in page.inner_text("[role=alert]")
    assert page.input_value("#c-name") == "Quiet"
    assert barriers(watched) == []
    page.fill(
        "[name='set.attributes']",
        '{"executable": "/bin/echo", "transfer_executable": false, "arguments": "hush"}',
    )
    page.focus("#c-name")
    page.keyboard.press("Enter")
    page.wait_for_selector("#job-head")
    assert page.inner_text("#h-job") == "Quiet"
    assert f"#{talkative}" in page.inner_text("#job-facts")
    page.wait_for_selector("#job-head .o-badge:has-text('Complete')")
    page.wait_for_selector("[data-log*='stdout'] [data-log-text]:has-text('hush')")


def test_the_graph_zooms_and_shows_the_critical_path(watched: Watched, flow: int) -> None:
    watched.go(f"/compute/jobs/{flow}/")
    page = watched.page
    assert page.locator(".o-critical a").all_inner_texts() == ["Prepare", "Simulate 2", "Merge"]
    assert page.locator(".o-box[data-critical]").count() == 3
    assert page.locator("#job-nodes .o-critical__word").count() == 3
    told = page.locator("[data-zoom-told]")
    width = "document.querySelector('[data-graph] svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.focus("[data-graph]")
    page.keyboard.press("+")
    assert page.evaluate(width) > before * 1.2
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert page.evaluate(width) < before
    page.keyboard.press("0")
    fitted = told.inner_text()
    page.click("[data-zoom=in]")
    larger = told.inner_text()
    assert larger != fitted
    page.hover("[data-graph]")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    told.filter(has_not_text=larger).wait_for()
    zoomed = told.inner_text()
    page.evaluate("document.querySelector('[data-graph]').dataset.old = '1'")
    page.evaluate(f"htmx.trigger(document.body, 'oceanid:job-{flow}')")
    page.wait_for_selector("[data-graph][data-ready]:not([data-old])")
    assert page.locator("[data-zoom-told]").inner_text() == zoomed
    page.focus(".o-box >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#node-head")


def test_a_dragged_graph_moves_and_its_boxes_are_not_opened(watched: Watched, flow: int) -> None:
    watched.go(f"/compute/jobs/{flow}/")
    page = watched.page
    for _ in range(6):
        page.click("[data-zoom=in]")
    box = page.locator("[data-graph]").bounding_box()
    assert box
    left = page.evaluate("document.querySelector('[data-graph]').scrollLeft")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 120, box["y"] + box["height"] / 2 - 30, steps=6)
    page.mouse.up()
    assert page.evaluate("document.querySelector('[data-graph]').scrollLeft") == left + 120
    assert page.locator("#node-head").count() == 0


def test_5000_nodes_are_drawn_as_steps_and_found_in_the_table(watched: Watched, vast: int) -> None:
    watched.go(f"/compute/jobs/{vast}/")
    page = watched.page
    assert page.locator(".o-box").count() == 3
    page.click(".o-box:has-text('sim')")
    page.wait_for_url(re.compile(r"ncat=sim"))
    assert page.locator("#job-nodes tbody tr").count() == 25
    assert page.inner_text("#job-nodes tbody th a >> nth=0") == "Simulate 0"


@pytest.mark.parametrize("watched", LOOKS[:2], indirect=True, ids=str)
def test_the_page_of_a_job_that_is_deleted_says_so_calmly(watched: Watched) -> None:
    job = made(
        watched.portal,
        "job = shell('Fleeting', 'echo over'); job.execute(); job.wait(timeout_s=60);"
        " print('JOB', job.pk)\n",
    )
    watched.go(f"/compute/jobs/{job}/")
    page = watched.page
    page.wait_for_selector("[data-live-sign][data-state=live]")
    watched.portal.run(f"from oceanid.models import Job; Job.objects.get(pk={job}).delete()")
    page.wait_for_selector("h1:has-text('This job is no longer here')")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.locator("#job-head").count() == 0, "nothing stale is left to be clicked"
    assert barriers(watched) == []
    page.click("main >> text=To my jobs")
    page.wait_for_selector("#jobs")


@pytest.mark.parametrize("has_other_tab", [False, True], ids=["alone", "beside another tab"])
def test_what_happens_while_a_page_loads_is_not_missed(
    watched: Watched, has_other_tab: bool
) -> None:
    page = watched.page
    if has_other_tab:
        other = page.context.new_page()
        other.goto(f"{watched.portal.address}compute/jobs/")
        other.wait_for_selector("[data-live-sign][data-state=live]")
    job = made(
        watched.portal,
        "job = shell('Quick', 'echo begun; echo over'); job.save(); print('JOB', job.pk)\n",
    )
    held: list[Any] = []
    page.route(re.compile(r"/live\.[^/]*js"), lambda route: held.append(route))
    page.goto(f"{watched.portal.address}compute/jobs/{job}/", wait_until="commit")
    page.wait_for_selector("#job-head .o-badge:has-text('Pending')")
    watched.portal.run(
        f"from oceanid.models import Job; job = Job.objects.get(pk={job}); "
        "job.execute(); job.wait(timeout_s=60)"
    )
    for route in held:
        route.continue_()
    page.wait_for_selector("#job-head .o-badge:has-text('Complete')")
    page.wait_for_selector("[data-log*='stdout'] [data-log-text]:has-text('over')")
