"""Sharing, notices and webhooks in a real browser: at any width, in light and dark, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Portal, Watched
from tests.browser.test_pages import LOOKS, barriers

pytestmark = pytest.mark.browser

MAKE = """
from django.contrib.auth.models import Group, User
from django.utils import timezone
from oceanid.jobs import JobManager
from oceanid.models import Delivery, Notice, Webhook
from oceanid.services import webhooks
admin = User.objects.get(username="admin")
User.objects.get_or_create(username="olga")
Group.objects.get_or_create(name="hydrologists")
job = JobManager("trial").create_job(
    "to be shared", admin, groups=Group.objects.get_or_create(name="app")[0], job_type="CONDOR",
    attributes={"executable": "/bin/sleep", "arguments": "600"},
)
job.execute()
now = timezone.now()
def tell(count, **fields):
    notice = Notice(user=admin, created_at=now, changed_at=now, is_digest=count > 1)
    for number in range(count):
        notice.add({"subject": "job", "id": job.pk, "name": f"run {number}", "word": "Complete",
                    "state": "COM", "message": "It took a while.", "at": now.isoformat()} | fields)
    notice.save()
tell(1)
tell(60)
tell(1, subject="scheduler", state="DOWN", word="Unreachable", name="pool")
hook, _ = webhooks.create(admin, "https://hooks.example.org/a/rather/long/address?for=the+test")
for state in ("SNT", "FAI"):
    message = Delivery(user=admin, channel="webhook", webhook=hook, state=state, attempts=2,
                       status=200 if state == "SNT" else 500, answer="<b>ok</b>",
                       created_at=now, due_at=now, ended_at=now)
    message.add({"subject": "job", "id": job.pk, "name": "run", "word": "Complete",
                 "state": "COM", "message": "", "at": now.isoformat()})
    message.save()
off, _ = webhooks.create(admin, "https://hooks.example.org/off")
Webhook.objects.filter(pk=off.pk).update(enabled=False, failures=20, note="It failed 20 times.")
print("MADE", job.pk, hook.pk, off.pk)
"""


@pytest.fixture(scope="module")
def made(portal: Portal) -> Iterator[tuple[int, int, int]]:
    """A job that runs, a webhook with a log, and one that is switched off."""
    found = re.search(r"MADE (\d+) (\d+) (\d+)", portal.run(MAKE))
    assert found
    yield int(found[1]), int(found[2]), int(found[3])
    portal.run(f"from oceanid.models import Job; Job.objects.get(pk={found[1]}).stop()")


def run(watched: Watched, script: str) -> str:
    return watched.portal.run(f"from oceanid.models import *\n{script}")


@pytest.mark.parametrize("watched", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_every_page_is_open_to_everyone(watched: Watched, made: tuple[int, int, int]) -> None:
    job, hook, off = made
    found = []
    for path in (
        "notifications/", "notifications/?show=all", "notifications/settings/",
        f"notifications/webhooks/{hook}/", f"notifications/webhooks/{off}/", f"jobs/{job}/",
    ):  # fmt: skip
        watched.go(f"/compute/{path}")
        watched.page.wait_for_selector("main")
        found += [f"{path} {each}" for each in barriers(watched)]
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= watched.page.viewport_size["width"], path
    assert found == []


def test_a_job_is_shared_by_keyboard_alone(watched: Watched, made: tuple[int, int, int]) -> None:
    watched.go(f"/compute/jobs/{made[0]}/")
    page = watched.page
    page.focus("#share-name")
    page.keyboard.type("olga")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".o-note:has-text('shared with olga')")
    row = page.locator("#job-sharing li", has_text="olga")
    assert "may view and act" in row.inner_text()
    assert barriers(watched) == []
    row.locator("button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".o-note:has-text('not shared with them')")
    assert page.locator("#job-sharing li", has_text="olga").count() == 0


def test_an_unknown_name_is_told_kindly(watched: Watched, made: tuple[int, int, int]) -> None:
    watched.go(f"/compute/jobs/{made[0]}/")
    page = watched.page
    page.select_option("#share-what", "group")
    page.fill("#share-name", "nobody at all")
    page.keyboard.press("Enter")
    page.wait_for_selector(".o-note[data-kind=error]:has-text('nobody of that name')")
    assert barriers(watched) == []


def test_the_bell_rings_without_loading_the_page_again(
    watched: Watched, made: tuple[int, int, int]
) -> None:
    run(watched, "Notice.objects.update(read_at='2026-01-01T00:00:00Z')")
    watched.go("/compute/jobs/")
    page = watched.page
    page.evaluate("window.neverReloaded = true")
    page.wait_for_selector("[data-live-sign]:not([data-state=lost])")
    assert page.locator(".o-bell__count").count() == 0
    job = int(
        run(
            watched,
            "from django.contrib.auth.models import User\n"
            "from oceanid.jobs import JobManager\n"
            "job = JobManager('trial').create_job('a short one', "
            "User.objects.get(username='admin'), job_type='CONDOR', "
            "attributes={'executable': '/bin/true'})\n"
            "job.execute()\n"
            "print('JOB', job.pk)\n",
        ).split("JOB ")[1]
    )
    page.wait_for_selector(".o-bell__count:has-text('1')", timeout=30_000)
    assert page.evaluate("window.neverReloaded") is True
    page.focus("#bell")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/notifications/"))
    page.wait_for_selector(f"a[href='/compute/jobs/{job}/']:has-text('a short one: Complete')")
    page.click("text=Mark all as read")
    page.wait_for_selector("text=You have read everything")
    assert page.locator(".o-bell__count").count() == 0
    assert barriers(watched) == []


def test_a_digest_is_unfolded_and_a_notice_read_by_keyboard(
    watched: Watched, made: tuple[int, int, int]
) -> None:
    run(watched, "Notice.objects.update(read_at=None)")
    watched.go("/compute/notifications/?show=all")
    page = watched.page
    page.focus("summary:has-text('60 changes')")
    page.keyboard.press("Enter")
    page.wait_for_selector("details[open] >> text=The first 50 of 60.")
    assert barriers(watched) == []
    unread = page.locator(".o-notices > li.is-unread").count()
    page.locator(".o-notices__read button").first.focus()
    page.keyboard.press("Enter")
    from playwright.sync_api import expect

    expect(page.locator(".o-notices > li.is-unread")).to_have_count(unread - 1, timeout=20_000)
    assert page.url.endswith("?show=all")


def test_a_job_is_followed(watched: Watched, made: tuple[int, int, int]) -> None:
    watched.go(f"/compute/jobs/{made[0]}/")
    page = watched.page
    for pressed in ("true", "false"):
        page.focus(".o-watch__button")
        page.keyboard.press("Enter")
        page.wait_for_selector(f".o-watch__button[aria-pressed={pressed}]")
    assert barriers(watched) == []


def test_the_choice_is_made_by_keyboard(watched: Watched, made: tuple[int, int, int]) -> None:
    watched.go("/compute/notifications/settings/")
    page = watched.page
    box = "input[value='stopped.page']"
    before = page.is_checked(box)
    page.focus(box)
    page.keyboard.press("Space")
    page.focus("text=Save")
    page.keyboard.press("Enter")
    page.wait_for_selector(".o-note:has-text('Your choice is kept.')")
    assert page.is_checked(box) is not before


def test_a_webhook_is_added_and_removed(watched: Watched, made: tuple[int, int, int]) -> None:
    watched.go("/compute/notifications/settings/")
    page = watched.page
    page.fill("#hook-url", "https://127.0.0.1/")
    page.keyboard.press("Enter")
    page.wait_for_selector("#hook-problem")
    assert barriers(watched) == []
    assert all("400" in each for each in watched.complaints)
    watched.complaints.clear()
    page.fill("#hook-url", "https://hooks.example.org/new")
    page.keyboard.press("Enter")
    page.wait_for_selector("#hook-secret")
    assert re.fullmatch(r"ocs_[\w-]{40,}", page.input_value("#hook-secret"))
    assert barriers(watched) == []
    page.click("text=I have copied it")
    page.wait_for_selector("text=Nothing was sent yet.")
    page.focus("button[popovertarget=confirm-remove]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#confirm-remove:popover-open")
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    assert barriers(watched) == []
    page.click("#confirm-remove .o-btn--danger")
    page.wait_for_selector(".o-note:has-text('The webhook is removed.')")
