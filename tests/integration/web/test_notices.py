"""The pages of notices: the bell, reading, choosing, webhooks; each person's own alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from oceanid.models import Delivery, JobWatch, Notice, Webhook
from oceanid.services import notices, preferences, webhooks
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db

AT = "/compute/notifications/"


def tell(user: User, name: str = "run", word: str = "Complete", **more: Any) -> None:
    item = {
        "subject": "job", "id": 7, "name": name, "word": word, "state": "COM", "message": "",
        "at": timezone.now().isoformat(),
    }  # fmt: skip
    notices.tell(user, item | more)


def read(client: Client, path: str = AT) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_bell_counts_what_was_not_read_in_one_query(client: Client, owner: User) -> None:
    client.force_login(owner)
    counts = set()
    for expected in (0, 1, 120):
        for _number in range(expected - Notice.objects.count()):
            tell(owner)
        with CaptureQueriesContext(connection) as queries:
            page = read(client, "/compute/jobs/")
        counts.add(len(queries))
        assert sum("oceanid_notice" in each["sql"] for each in queries) == 1
        shown = re.search(r"o-bell__count[^>]*>([^<]*)<", page)
        assert (shown[1] if shown else "") == {0: "", 1: "1", 120: "99+"}[expected]
    assert len(counts) == 1
    assert "99+" in read(client, f"{AT}bell/")


def test_notices_are_read_one_by_one_and_all_up_to_what_was_seen(
    client: Client, owner: User, other: User
) -> None:
    for name in ("first", "second", "third"):
        tell(owner, name)
    tell(other, "theirs")
    client.force_login(owner)
    page = read(client)
    assert page.index("third: Complete") < page.index("first: Complete")
    assert "theirs" not in page
    first, second, third = Notice.objects.filter(user=owner).order_by("pk")
    client.post(f"{AT}read/", {"notice": second.pk})
    assert "second" not in read(client) and "second" in read(client, f"{AT}?show=all")
    answer = client.post(f"{AT}read/", {"until": third.pk, "show": "all"})
    assert answer["Location"] == f"{AT}?show=all"
    tell(owner, "later")
    page = read(client)
    assert "later" in page and "third" not in page
    assert "You have read everything" not in page
    client.post(f"{AT}read/", {"notice": Notice.objects.get(user=other).pk})
    client.post(f"{AT}read/", {"notice": "x", "until": "²"})
    assert notices.unread(other) == notices.unread(owner) == 1
    assert first.read_at is None


def test_a_notice_is_shown_as_text(client: Client, owner: User) -> None:
    tell(owner, "<script>alert(1)</script>", message="<img src=x>")
    client.force_login(owner)
    page = read(client)
    assert "<script>alert" not in page and "<img src=x>" not in page
    assert "&lt;script&gt;" in page


def test_a_digest_shows_the_first_and_how_many_there_are(client: Client, owner: User) -> None:
    now = timezone.now()
    notice = Notice(user=owner, created_at=now, changed_at=now, is_digest=True)
    for number in range(1200):
        notice.add(
            {"subject": "job", "id": number + 1, "name": f"run {number}", "state": "COM",
             "word": "Error" if number % 100 == 0 else "Complete", "message": "",
             "at": now.isoformat()}
        )  # fmt: skip
    notice.save()
    client.force_login(owner)
    page = read(client)
    assert "1200 changes: 12 Error, 1188 Complete" in page
    assert "The first 50 of 1\u202f200." in page


def test_other_things_than_jobs_are_told(client: Client, owner: User) -> None:
    tell(owner, "pool", "Unreachable", subject="scheduler", state="DOWN", message="No answer.")
    tell(owner, "https://example.org/", "Switched off", subject="webhook", state="", id=3)
    client.force_login(owner)
    page = read(client)
    assert "pool: Unreachable" in page and "No answer." in page
    assert f'href="{AT}webhooks/3/"' in page


def test_the_choice_is_kept(client: Client, owner: User) -> None:
    client.force_login(owner)
    said = {"tell": ["done.email", "failed.page", "failed.webhook"], "min_run_s": "300"}
    page = client.post(f"{AT}settings/", said, follow=True).content.decode()
    assert "Your choice is kept." in page
    found = preferences.of(owner)
    assert found.of("done") == {"email"} and found.of("failed") == {"page", "webhook"}
    assert found.of("held") == frozenset() and found.min_run_s == 300
    assert re.search(r'value="done.email" checked', page)
    assert not re.search(r'value="done.page" checked', page)
    assert '<option value="300" selected>' in page


@pytest.mark.parametrize(
    "said", [{"tell": "war.page"}, {"tell": "done.pigeon"}, {"min_run_s": "-1"}, {"min_run_s": "²"}]
)
def test_a_choice_that_is_none_is_refused(
    said: dict[str, str], client: Client, owner: User
) -> None:
    client.force_login(owner)
    answer = client.post(f"{AT}settings/", {"min_run_s": "0"} | said, follow=True)
    assert 'data-kind="error"' in answer.content.decode()
    assert preferences.of(owner).of("done") == {"page"}


def test_what_the_site_does_not_offer_is_not_shown(
    client: Client, owner: User, settings: Settings
) -> None:
    client.force_login(owner)
    assert "By webhook" in read(client, f"{AT}settings/")
    settings.OCEANID = settings.OCEANID | {"NOTIFICATIONS": {"EMAIL": False, "WEBHOOKS": False}}
    page = read(client, f"{AT}settings/")
    assert "By e-mail" not in page and "By webhook" not in page and "hook-url" not in page
    assert "This portal sends no e-mails." in page
    client.post(f"{AT}settings/", {"tell": ["done.page"], "min_run_s": "0"})
    kept = preferences.of(owner)
    assert kept.of("watched") == {"email"} and kept.of("done") == {"page"}


def test_a_secret_is_shown_once_and_on_no_other_page(client: Client, owner: User) -> None:
    client.force_login(owner)
    answer = client.post(f"{AT}webhooks/", {"url": "https://example.org/hook"})
    secret = re.search(r"ocs_[\w-]{40,}", answer.content.decode())
    assert secret
    assert "no-store" in answer["Cache-Control"]
    hook = Webhook.objects.get()
    assert hook.secret["key"] == secret[0]
    for path in (f"{AT}settings/", f"{AT}webhooks/{hook.pk}/", AT):
        assert secret[0] not in read(client, path)
    assert "Set-Cookie" not in answer or secret[0] not in str(answer.cookies)


@pytest.mark.parametrize("url", ["http://example.org/", "https://127.0.0.1/", "x", "https://a:22/"])
def test_an_address_that_can_not_be_is_told_and_kept_for_mending(
    url: str, client: Client, owner: User
) -> None:
    client.force_login(owner)
    answer = client.post(f"{AT}webhooks/", {"url": url})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert f'value="{url}"' in page and "hook-problem" in page
    assert not Webhook.objects.exists()


def test_the_log_shows_what_came_of_each(client: Client, owner: User, other: User) -> None:
    hook, _secret = webhooks.create(owner, "https://example.org/hook")
    client.force_login(owner)
    at = f"{AT}webhooks/{hook.pk}/"
    assert "Nothing was sent yet." in read(client, at)
    client.post(f"{at}test/")
    page = read(client, at)
    assert "every 3s" in page and ">Waiting<" in page
    Delivery.objects.update(
        state="FAI", attempts=3, status=500, answer="<b>busy</b>", problem="It answered 500."
    )
    page = read(client, at)
    assert "every 3s" not in page
    assert "Given up" in page and "It answered 500." in page and "&lt;b&gt;busy" in page
    part = client.get(at, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith("<section") and "Given up" in part
    client.force_login(other)
    assert client.get(at).status_code == 404


def test_a_webhook_is_switched_and_removed(client: Client, owner: User) -> None:
    hook, _secret = webhooks.create(owner, "https://example.org/hook")
    client.force_login(owner)
    at = f"{AT}webhooks/{hook.pk}/"
    for verb, enabled in (("disable", False), ("enable", True)):
        client.post(f"{at}{verb}/")
        hook.refresh_from_db()
        assert hook.enabled is enabled
    assert client.post(f"{at}reveal/").status_code == 404
    assert client.post(f"{AT}webhooks/{2**70}/test/").status_code == 404
    answer = client.post(f"{at}delete/", follow=True)
    assert "The webhook is removed." in answer.content.decode()
    assert not Webhook.objects.exists()


def test_a_job_is_followed_from_its_page(client: Client, owner: User, make_job: MakeJob) -> None:
    job = make_job(state="RUN", wanted="RUN")
    client.force_login(owner)
    at = f"/compute/jobs/{job.pk}/"
    assert 'aria-pressed="false"' in read(client, at)
    client.post(f"{at}watch/", {"wanted": "1"})
    assert JobWatch.objects.get().user == owner
    assert 'aria-pressed="true"' in read(client, at)
    client.post(f"{at}watch/", {"wanted": "0"})
    assert not JobWatch.objects.exists()
    type(job).objects.filter(pk=job.pk).update(state="COM")
    assert "aria-pressed" not in read(client, at)
    answer = client.post(f"{at}watch/", {"wanted": "1"}, follow=True)
    assert "The job has ended already." in answer.content.decode()


@pytest.mark.parametrize("path", ["read/", "settings/", "webhooks/"])
def test_forms_need_their_token(path: str, owner: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    assert careful.post(f"{AT}{path}", {"url": "https://example.org/"}).status_code == 403


def test_who_asks_for_changes_is_told_how_many_notices_there_are(
    client: Client, owner: User
) -> None:
    client.force_login(owner)
    first = client.get("/compute/live/changes/")
    assert first.json()["notices"] == 0
    tell(owner)
    again = client.get("/compute/live/changes/", headers={"If-None-Match": first["ETag"]})
    assert again.json()["notices"] == 1
