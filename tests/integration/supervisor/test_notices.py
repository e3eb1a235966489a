"""A supervisor tells people: by webhooks and e-mails, once, in time, whoever is slow or dead."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from oceanid.errors import LimitExceeded, NotFound, NotPermitted
from oceanid.models import Delivery, EventKind, Job, Notice, Outbox, Webhook
from oceanid.services import deliveries, events, notices, preferences, webhooks
from tests.integration.running import eventually
from tests.integration.supervisor.house import QUICK, Running, supervising
from tests.integration.supervisor.listener import OK, always, listening, silence

BAD = b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nbusy"


@pytest.fixture(autouse=True)
def _quick(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OCEANID = {
        "DATA_DIR": str(tmp_path / "data"),
        "BASE_URL": "https://portal.example.org",
        "SUPERVISOR": dict(QUICK),
        "NOTIFICATIONS": {"WEBHOOK_TARGETS": ["127.0.0.1"], "WEBHOOK_TIMEOUT_S": 5.0},
    }
    monkeypatch.setattr(deliveries, "PAUSES_S", (0.1, 0.2))
    monkeypatch.setattr(notices, "FIRST_WAIT", {"email": 0.2, "webhook": 0.1})


@pytest.fixture
def job(ann: User) -> Job:
    now = timezone.now()
    return Job.objects.create(
        name="flood of 1995", user=ann, type="CONDOR", state="RUN", wanted="RUN", attempt=1,
        creation_time=now, start_time=now - timedelta(hours=1), app="floods",
    )  # fmt: skip


def end(job: Job, state: str = "COM", message: str = "") -> None:
    Job.objects.filter(pk=job.pk).update(state=state)
    told = events.job_event(
        job.pk, 1, EventKind.STATE, timezone.now(), before="RUN", after=state, message=message
    )
    events.write([told])


def by(user: User, *channels: str) -> None:
    preferences.save(user, dict.fromkeys(("done", "failed"), channels), min_run_s=0)


def reaches(check: Callable[[], Any], what: str) -> None:
    eventually(lambda: bool(check()), within_s=30, what=what)


def ended(count: int = 1) -> Callable[[], bool]:
    return lambda: Delivery.objects.exclude(state__in=["OPE", "WAI"]).count() >= count


def all_is_told() -> bool:
    """Whether nothing is left to tell."""
    unfinished = Delivery.objects.filter(state__in=["OPE", "WAI"])
    return not Outbox.objects.exists() and not unfinished.exists()


def test_a_webhook_is_told_of_an_end(job: Job, ann: User, supervisor: Running) -> None:
    by(ann, "webhook")
    with listening() as there:
        _hook, secret = webhooks.create(ann, there.url)
        end(job, "ERR", "It ran out of memory.")
        reaches(ended(), "the message is delivered")
    (heard,) = there.heard
    assert heard.is_signed_with(secret)
    message = Delivery.objects.get()
    assert (message.state, message.status, message.answer, message.attempts) == (
        "SNT", 200, "ok", 1,
    )  # fmt: skip
    told = heard.told
    (change,) = told.pop("changes")
    assert told == {
        "id": str(message.uuid), "type": "changes", "count": 1, "counts": {"Error": 1},
        "is_cut": False,
    }  # fmt: skip
    assert heard.headers["oceanid-id"] == str(message.uuid)
    assert change.pop("at")
    assert change == {
        "subject": "job", "id": job.pk, "uuid": str(job.uuid), "name": "flood of 1995",
        "app": "floods", "attempt": 1, "before": "Running", "status": "Error",
        "message": "It ran out of memory.",
        "url": f"https://portal.example.org/compute/jobs/{job.pk}/",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM oceanid_webhook")
        assert secret not in str(cursor.fetchall())


def test_a_message_is_tried_again_as_the_same(job: Job, ann: User, supervisor: Running) -> None:
    by(ann, "webhook")
    with listening(always(BAD, b"", OK)) as there:
        hook, _secret = webhooks.create(ann, there.url)
        end(job)
        reaches(ended(), "the message is delivered")
    assert len(there.heard) == 3
    assert len(set(there.ids)) == len({each.body for each in there.heard}) == 1
    assert Delivery.objects.get().attempts == 3
    assert Webhook.objects.get(pk=hook.pk).failures == 0


def test_a_message_is_given_up_in_the_end(
    job: Job, ann: User, settings: Settings, supervisor: Running
) -> None:
    settings.OCEANID["NOTIFICATIONS"] |= {"WEBHOOK_TRIES": 2}
    by(ann, "webhook")
    with listening(always(BAD)) as there:
        webhooks.create(ann, there.url)
        end(job)
        reaches(ended(), "the message is given up")
    message = Delivery.objects.get()
    assert (message.state, message.attempts, message.status) == ("FAI", 2, 500)
    assert (message.answer, message.problem) == ("busy", "It answered 500.")
    assert len(there.heard) == 2


def test_a_dead_webhook_is_switched_off_and_its_owner_is_told(
    job: Job, ann: User, settings: Settings, supervisor: Running
) -> None:
    settings.OCEANID["NOTIFICATIONS"] |= {"WEBHOOK_FAILURES": 3}
    by(ann, "webhook")
    with listening(always(BAD)) as there:
        hook, _secret = webhooks.create(ann, there.url)
        end(job)
        reaches(lambda: not Webhook.objects.get(pk=hook.pk).enabled, "it is switched off")
    hook.refresh_from_db()
    assert hook.note == "It failed 3 times in a row. It answered 500."
    assert Delivery.objects.get().state == "FAI"
    assert Notice.objects.get(user=ann).items[0]["word"] == "Switched off"
    webhooks.switch(ann, hook.pk, enabled=True)
    hook.refresh_from_db()
    assert (hook.enabled, hook.failures, hook.note) == (True, 0, "")


def test_a_webhook_that_is_gone_is_switched_off_at_once(
    job: Job, ann: User, supervisor: Running
) -> None:
    by(ann, "webhook")
    with listening(always(b"HTTP/1.1 410 Gone\r\n\r\n")) as there:
        hook, _secret = webhooks.create(ann, there.url)
        end(job)
        reaches(lambda: not Webhook.objects.get(pk=hook.pk).enabled, "it is switched off")
    assert len(there.heard) == 1


def test_a_slow_target_keeps_nobody_else_waiting(
    job: Job, ann: User, bob: User, supervisor: Running
) -> None:
    gate = threading.Event()
    for user in (ann, bob):
        by(user, "webhook", "email")
        User.objects.filter(pk=user.pk).update(email=f"{user.username}@example.org")
    theirs = Job.objects.create(
        name="of bob", user=bob, state="RUN", wanted="RUN", creation_time=timezone.now()
    )
    with listening(silence(gate)) as slow, listening() as quick:
        webhooks.create(ann, slow.url)
        webhooks.create(ann, quick.url)
        webhooks.create(bob, quick.url)
        end(job)
        reaches(lambda: slow.heard, "the slow one is being told")
        end(theirs)
        reaches(lambda: len(quick.heard) == 2 and len(mail.outbox) == 2, "the others are told")
        assert Delivery.objects.filter(channel="webhook", state="WAI").count() == 1
        gate.set()
        reaches(ended(5), "all are told")


def test_several_supervisors_tell_once(ann: User, job: Job) -> None:
    by(ann, "webhook")
    with listening() as there, supervising(), supervising():
        webhooks.create(ann, there.url)
        for _number in range(5):
            end(job)
        reaches(lambda: ended()() and all_is_told(), "they are told")
    assert len(set(there.ids)) == len(there.ids) == Delivery.objects.count()
    assert sum(each.told["count"] for each in there.heard) == 5


def test_a_message_whose_sender_died_goes_once_more_as_the_same(
    ann: User, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "ON_THE_WAY_S", 1.0)
    gate = threading.Event()
    by(ann, "webhook")
    with listening(silence(gate)) as there:
        webhooks.create(ann, there.url)
        with supervising():
            end(job)
            reaches(lambda: there.heard, "it is on its way")
        assert Delivery.objects.get().state == "WAI"
        gate.set()
        with supervising():
            reaches(ended(), "it is delivered")
    assert len(there.heard) == 2
    assert len(set(there.ids)) == 1


def test_a_burst_is_one_message(ann: User, job: Job, supervisor: Running) -> None:
    by(ann, "webhook", "email")
    User.objects.filter(pk=ann.pk).update(email="ann@example.org")
    now = timezone.now()
    Job.objects.bulk_create(
        Job(name="run", user=ann, type="BASIC", state="COM", creation_time=now)
        for _number in range(3000)
    )
    told = [
        events.job_event(pk, 1, EventKind.STATE, now, before="RUN", after="COM")
        for pk in Job.objects.exclude(pk=job.pk).values_list("pk", flat=True)
    ]
    with listening() as there:
        webhooks.create(ann, there.url)
        events.write(told)
        reaches(lambda: ended(2)() and all_is_told(), "all is told")
    assert sum(each.told["count"] for each in there.heard) == 3000
    assert len(there.heard) <= 4
    assert len(mail.outbox) <= 4
    assert there.heard[0].told["is_cut"]
    assert Notice.objects.count() == 0


def test_an_e_mail_says_it_in_text_and_html(job: Job, ann: User, supervisor: Running) -> None:
    by(ann, "email")
    User.objects.filter(pk=ann.pk).update(email="ann@example.org")
    Job.objects.filter(pk=job.pk).update(name="<b>flood</b>\nBcc: eve@example.org")
    end(job, "ERR", "It <i>ran</i> out of memory.")
    reaches(ended(), "the e-mail is sent")
    (sent,) = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert sent.bcc == [] and "eve" not in str(sent.message()["Bcc"])
    assert sent.subject == "[Tethys Compute] <b>flood</b> Bcc: eve@example.org: Error"
    link = f"https://portal.example.org/compute/jobs/{job.pk}/"
    assert link in sent.body and "It <i>ran</i> out of memory." in sent.body
    html, kind = sent.alternatives[0]  # type: ignore[attr-defined]
    assert kind == "text/html"
    assert link in html
    assert "&lt;b&gt;flood" in html and "<i>ran" not in html
    assert sent.extra_headers["Oceanid-Id"] == str(Delivery.objects.get().uuid)


def test_an_e_mail_is_tried_again(
    job: Job, ann: User, settings: Settings, supervisor: Running
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 9  # nobody listens there
    by(ann, "email")
    User.objects.filter(pk=ann.pk).update(email="ann@example.org")
    end(job)
    reaches(lambda: Delivery.objects.filter(attempts__gte=1, state="WAI"), "it was tried")
    reaches(lambda: "mail server" in Delivery.objects.get().problem, "it says why")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    reaches(ended(), "it is sent")
    assert Delivery.objects.get().state == "SNT"


def test_who_lost_their_address_gets_no_e_mail(ann: User) -> None:
    now = timezone.now()
    Delivery.objects.create(user=ann, channel="email", created_at=now, due_at=now)
    with supervising():
        reaches(ended(), "it is given up")
    assert Delivery.objects.get().problem == "There is no address to send it to any more."
    assert mail.outbox == []


def test_a_target_that_became_private_is_not_reached(
    job: Job, ann: User, settings: Settings, supervisor: Running
) -> None:
    by(ann, "webhook")
    with listening() as there:
        hook, _secret = webhooks.create(ann, there.url)
        Webhook.objects.filter(pk=hook.pk).update(url="https://127.0.0.2:443/")
        end(job)
        reaches(ended(), "it is given up")
        assert there.heard == []
    assert Delivery.objects.get().problem == "The host is not a public one."


def test_a_test_says_that_it_is_one(ann: User, supervisor: Running) -> None:
    with listening() as there:
        hook, secret = webhooks.create(ann, there.url)
        webhooks.test(ann, hook.pk)
        reaches(ended(), "it is delivered")
    (heard,) = there.heard
    assert heard.told["type"] == "test"
    assert heard.is_signed_with(secret)


def test_a_test_that_fails_is_not_tried_again(ann: User, supervisor: Running) -> None:
    with listening(always(BAD)) as there:
        hook, _secret = webhooks.create(ann, there.url)
        webhooks.test(ann, hook.pk)
        reaches(ended(), "it is given up")
    assert Delivery.objects.get().attempts == 1
    assert Webhook.objects.get().failures == 1


def test_webhooks_are_their_owners_alone(ann: User, bob: User) -> None:
    hook, _secret = webhooks.create(ann, "https://example.org/")
    for act in (webhooks.delete, webhooks.test, webhooks.one):
        with pytest.raises(NotFound):
            act(bob, hook.pk)
    with pytest.raises(NotFound):
        webhooks.switch(bob, hook.pk, enabled=False)
    assert webhooks.of(bob) == []
    webhooks.test(ann, hook.pk)
    with pytest.raises(LimitExceeded):
        webhooks.test(ann, hook.pk)
    webhooks.switch(ann, hook.pk, enabled=False)
    assert Delivery.objects.get().state == "FAI"
    with pytest.raises(NotPermitted):
        webhooks.test(ann, hook.pk)
    webhooks.delete(ann, hook.pk)
    assert not Delivery.objects.exists()


def test_so_many_webhooks_and_none_where_they_are_off(ann: User, settings: Settings) -> None:
    for _number in range(webhooks.MOST):
        webhooks.create(ann, "https://example.org/")
    with pytest.raises(LimitExceeded):
        webhooks.create(ann, "https://example.org/")
    assert Webhook.objects.count() == webhooks.MOST
    settings.OCEANID["NOTIFICATIONS"] |= {"WEBHOOKS": False}
    with pytest.raises(NotPermitted):
        webhooks.create(ann, "https://example.org/")


def test_many_dead_targets_hide_no_other(ann: User, bob: User) -> None:
    kept: Any = {"key": "s"}
    now = timezone.now()
    hooks = Webhook.objects.bulk_create(
        Webhook(user=ann, url="https://example.org/", secret=kept, created_at=now)
        for _number in range(50)
    )
    rows = [
        Delivery(user=ann, channel="webhook", webhook=hook, state="WAI", created_at=now,
                 due_at=now + timedelta(hours=1))
        for hook in hooks
    ]  # fmt: skip
    after_it = [
        Delivery(user=ann, channel="webhook", webhook=hook, created_at=now, due_at=now)
        for hook in hooks
    ]
    Delivery.objects.bulk_create([*rows, *after_it])
    mine = Delivery.objects.create(user=bob, channel="email", created_at=now, due_at=now)
    found, following = deliveries.due()
    assert found == [mine]
    assert following == rows[0].due_at
    assert deliveries.due(without={deliveries.key_of(mine)})[0] == []
    Delivery.objects.filter(webhook=hooks[7], state="WAI").update(state="FAI")
    assert {each.webhook_id for each in deliveries.due()[0]} == {None, hooks[7].pk}


def test_an_odd_message_keeps_no_other_from_going(
    ann: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    now = timezone.now()
    rows = {}
    with listening() as there:
        for user in (ann, bob):
            hook, _secret = webhooks.create(user, there.url)
            rows[user] = Delivery.objects.create(
                user=user, channel="webhook", webhook=hook, created_at=now, due_at=now
            )
        Delivery.objects.filter(pk=rows[ann].pk).update(items=[{"what": "this"}], count=1)
        with supervising():
            reaches(lambda: there.ids, "the other one goes")
            reaches(lambda: Delivery.objects.get(pk=rows[ann].pk).problem, "it is written down")
    assert there.ids == [str(rows[bob].uuid)]
    assert Delivery.objects.get(pk=rows[ann].pk).problem == "It can't be sent: KeyError."
